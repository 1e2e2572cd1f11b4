//! Tags as they are cached, and the interface of their cache.

use std::sync::Arc;
use std::time::Duration;

use super::{AbsentLink, Item, Kind, MonotonicTime, ProjectIndex, Scope, Tag, TimeRange};

/// A look-up of a tag, as its answer is cached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagKey {
    /// The projects in which it is looked for.
    pub scope: Scope,
    /// The tag with its value.
    pub tag: Tag,
    /// The kind of the item.
    pub kind: Kind,
    /// The time that the item is of. `None`: the last `lookup.window`, whenever it is looked for.
    pub range: Option<TimeRange>,
}

/// The newest item that a project has with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedItem {
    /// The project.
    pub project: ProjectIndex,
    /// The item.
    pub item: Item<'static>,
    /// The moment at which the project said so.
    pub found_at: MonotonicTime,
}

/// The answers of projects about a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedTag {
    /// The items, one for each project that has one, in the order of the settings.
    pub items: Vec<TaggedItem>,
    /// The projects that have none.
    pub absent: AbsentLink,
    /// The moment at which every project had answered; `None` if one could not be asked.
    pub complete_at: Option<MonotonicTime>,
}

/// A cache of tags, in this process alone: their values are somebody's own texts. It may evict any of them at any time.
pub trait TagCache: Send + Sync + 'static {
    /// The answers about a tag, however old.
    fn get(&self, key: &TagKey) -> Option<Arc<CachedTag>>;

    /// Keeps the answers that came now, in place of earlier ones, and none longer than [`CachedTag::KEPT`] after the first of
    /// the items was found.
    fn insert(&self, key: TagKey, tag: CachedTag, now: MonotonicTime);
}

impl CachedTag {
    /// The time for which an item that was found is used without asking again: a newer one may come any moment.
    pub const FRESH: Duration = Duration::from_secs(60);

    /// The time for which it is used while Nebuly cannot be asked.
    pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

    /// Returns true if every project answered a short time ago, and one has an item.
    #[must_use]
    pub fn is_fresh(&self, now: MonotonicTime) -> bool {
        !self.items.is_empty() && self.complete_at.is_some_and(|at| now.since(at) < Self::FRESH)
    }

    /// The items that may be used while Nebuly cannot be asked.
    pub fn remembered(&self, now: MonotonicTime) -> impl Iterator<Item = &TaggedItem> {
        self.items.iter().filter(move |item| now.since(item.found_at) < Self::KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectSet;

    fn after(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_millis(seconds * 1000)
    }

    #[test]
    fn an_item_is_fresh_for_a_minute_if_every_project_answered_and_remembered_for_a_day() {
        let project = ProjectIndex::new(0).unwrap();
        let item = Item::conversation("c").unwrap().into_owned();
        let mut tag = CachedTag {
            items: vec![TaggedItem { project, item, found_at: after(10) }],
            absent: AbsentLink { said_by: ProjectSet::default(), said_at: after(10) },
            complete_at: Some(after(10)),
        };
        assert!(tag.is_fresh(after(69)) && !tag.is_fresh(after(70)));
        let day = 24 * 3600;
        assert_eq!(tag.remembered(after(10 + day - 1)).count(), 1);
        assert_eq!(tag.remembered(after(10 + day)).count(), 0);
        tag.complete_at = None;
        assert!(!tag.is_fresh(after(10)));
        tag = CachedTag { items: Vec::new(), complete_at: Some(after(10)), ..tag };
        assert!(!tag.is_fresh(after(10)));
    }
}
