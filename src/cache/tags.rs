//! The tags that were looked up. Their values are somebody's own texts: they are kept in memory alone, never in the shared
//! cache or the snapshot, and no longer than a day.

use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::bounded_by_age::{AgeBounds, BoundedByAge};
use crate::domain::{CachedTag, MonotonicTime, TagCache, TagKey, TaggedItem};

/// The most tags that are kept with their items.
const MAX_ENTRIES: usize = 10_000;

/// The most tags that are kept as absent.
const MAX_ABSENT: usize = 1000;

/// The most bytes of either. A tag with its item usually has less than half a kilobyte, but several projects may have one,
/// and values and ids may have 512 bytes.
const MAX_SIZE: usize = 16 * 1024 * 1024;

/// Keeps tags in memory, bounded in number, bytes and time. When it is full, the oldest go first.
///
/// Those that no project has are kept apart: whoever guesses values evicts none of the others, which are needed in an
/// outage.
pub struct MemoryTagCache {
    found: Mutex<TagsByAge>,
    absent: Mutex<TagsByAge>,
}

type TagsByAge = BoundedByAge<TagKey, Arc<CachedTag>>;

impl MemoryTagCache {
    /// An empty cache, in which an absence counts for this time.
    #[must_use]
    pub fn new(negative_ttl: Duration) -> Self {
        let with = |entries, lifetime| {
            Mutex::new(BoundedByAge::new(AgeBounds { entries, size: MAX_SIZE, lifetime }))
        };
        Self { found: with(MAX_ENTRIES, CachedTag::KEPT), absent: with(MAX_ABSENT, negative_ttl) }
    }

    /// Forgets the tags that are too old now. To be called about once a second.
    pub fn housekeep(&self, now: MonotonicTime) {
        self.found.lock().forget_expired(now);
        self.absent.lock().forget_expired(now);
    }
}

impl TagCache for MemoryTagCache {
    fn get(&self, key: &TagKey) -> Option<Arc<CachedTag>> {
        let found = self.found.lock().get(key).cloned();
        found.or_else(|| self.absent.lock().get(key).cloned())
    }

    fn insert(&self, key: TagKey, tag: CachedTag, now: MonotonicTime) {
        let (its, other) =
            if tag.items.is_empty() { (&self.absent, &self.found) } else { (&self.found, &self.absent) };
        other.lock().remove(&key);
        // Some may have been found long ago, by a project that cannot be asked now.
        let since = tag.items.iter().map(|item| item.found_at).min().unwrap_or(now);
        let size = size(&key, &tag);
        its.lock().insert(key, Arc::new(tag), size, since);
    }
}

/// The bytes of an entry, beside the map: those of its structs and texts.
fn size(key: &TagKey, tag: &CachedTag) -> usize {
    let items = tag.items.iter().map(|item| size_of::<TaggedItem>() + item.item.id().len());
    let table = size_of::<TagKey>() + size_of::<CachedTag>();
    table + key.tag.value().len() + items.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AbsentLink, Item, Kind, ProjectIndex, ProjectSet, Scope, Tag, TimeRange, Timestamp};

    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_millis(seconds * 1000)
    }

    fn key(value: &str) -> TagKey {
        let tag = Tag::new("ticket", value).unwrap();
        TagKey { scope: Scope::All, tag, kind: Kind::Conversation, range: None }
    }

    fn tag(id: Option<&str>, seconds: u64) -> CachedTag {
        let item = |id| TaggedItem {
            project: ProjectIndex::new(0).unwrap(),
            item: Item::conversation(id).unwrap().into_owned(),
            found_at: at(seconds),
        };
        let absent = AbsentLink { said_by: ProjectSet::default(), said_at: at(seconds) };
        CachedTag { items: id.into_iter().map(item).collect(), absent, complete_at: Some(at(seconds)) }
    }

    fn cache() -> MemoryTagCache {
        MemoryTagCache::new(Duration::from_secs(15))
    }

    fn insert(cache: &MemoryTagCache, value: &str, id: Option<&str>, seconds: u64) {
        cache.insert(key(value), tag(id, seconds), at(seconds));
    }

    fn has(cache: &MemoryTagCache, value: &str) -> bool {
        cache.get(&key(value)).is_some()
    }

    #[test]
    fn a_tag_is_kept_for_a_day_and_an_absence_for_its_own_shorter_time() {
        let cache = cache();
        insert(&cache, "1", Some("c"), 0);
        insert(&cache, "2", Some("c"), 1);
        insert(&cache, "3", None, 0);
        cache.housekeep(at(14));
        assert!(has(&cache, "1") && has(&cache, "3"));
        cache.housekeep(at(15));
        assert!(has(&cache, "1") && !has(&cache, "3"));
        cache.housekeep(at(24 * HOUR));
        assert!(!has(&cache, "1") && has(&cache, "2"));
        cache.housekeep(at(24 * HOUR + 1));
        assert_eq!(cache.found.lock().len_and_size(), (0, 0));
    }

    #[test]
    fn an_item_that_is_kept_in_an_outage_is_not_any_younger_for_that() {
        let cache = cache();
        let mut both = tag(Some("old"), HOUR);
        both.items.extend(tag(Some("new"), 20 * HOUR).items);
        insert(&cache, "1", Some("c"), 2 * HOUR);
        cache.insert(key("2"), both, at(20 * HOUR));
        cache.housekeep(at(25 * HOUR - 1));
        assert!(has(&cache, "1") && has(&cache, "2"));
        cache.housekeep(at(25 * HOUR));
        assert!(has(&cache, "1") && !has(&cache, "2"));
    }

    #[test]
    fn a_tag_that_is_looked_up_again_is_new_and_stands_once() {
        let cache = cache();
        insert(&cache, "1", Some("old"), 0);
        insert(&cache, "1", None, 10);
        assert_eq!(cache.get(&key("1")).unwrap().items, []);
        insert(&cache, "1", Some("new"), 20);
        cache.housekeep(at(24 * HOUR + 10));
        assert_eq!(*cache.get(&key("1")).unwrap(), tag(Some("new"), 20));
        assert_eq!(cache.absent.lock().len_and_size(), (0, 0));
    }

    #[test]
    fn value_name_kind_window_and_scope_tell_look_ups_apart() {
        let cache = cache();
        insert(&cache, "1", Some("c"), 0);
        let range = TimeRange { start: Timestamp::from_millis(0), end: Timestamp::from_millis(1) };
        for other in [
            TagKey { tag: Tag::new("ticket", "2").unwrap(), ..key("1") },
            TagKey { tag: Tag::new("trace", "1").unwrap(), ..key("1") },
            TagKey { kind: Kind::Interaction, ..key("1") },
            TagKey { range: Some(range), ..key("1") },
            TagKey { scope: Scope::Only(ProjectIndex::new(0).unwrap()), ..key("1") },
        ] {
            assert_eq!(cache.get(&other), None, "{other:?}");
        }
    }

    #[test]
    fn ten_thousand_are_kept_the_newest_however_many_are_absent() {
        let cache = cache();
        for n in 0..=MAX_ENTRIES {
            insert(&cache, &n.to_string(), Some("c"), 0);
        }
        for n in 0..2 * MAX_ABSENT {
            insert(&cache, &format!("guess-{n}"), None, 0);
        }
        assert!(!has(&cache, "0") && has(&cache, "1") && has(&cache, "10000"));
        assert!(!has(&cache, "guess-0") && has(&cache, "guess-1999"));
        let [found, absent] = [&cache.found, &cache.absent].map(|tags| tags.lock().len_and_size().0);
        assert_eq!((found, absent), (10_000, 1000));
    }

    #[test]
    fn long_texts_are_bounded_in_bytes() {
        let cache = cache();
        let long = "x".repeat(512);
        let mut tag = tag(Some(&long), 0);
        tag.items = vec![tag.items[0].clone(); 128];
        for n in 0..1000 {
            cache.insert(key(&n.to_string()), tag.clone(), at(0));
        }
        let (len, size) = cache.found.lock().len_and_size();
        assert!(size <= MAX_SIZE && len < 1000 && len > 100, "{len} {size}");
    }
}
