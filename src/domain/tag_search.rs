//! The interface to the search for items by the customer's own tags.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::id::{self, InvalidId};
use super::{Answer, CallFailure, Caller, Item, Kind, Timestamp};

/// A tag that the customer gave its items, and the value that is searched for, such as the number of a ticket.
///
/// The value is somebody's own text: its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    name: Arc<str>,
    value: Box<str>,
}

/// A range of time; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// A search for the newest item with a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagSearch {
    /// The tag.
    pub tag: Tag,
    /// The kind of the item.
    pub kind: Kind,
    /// The time that the item is of.
    pub range: TimeRange,
}

/// Searches one project of Nebuly's for items by their tags.
pub trait TaggedItems: Send + Sync + 'static {
    /// Finds the newest item with a tag. It may take several calls, each of which costs the caller a token of its rate
    /// limit. It ends by `nebuly.deadline`, and never panics on any answer.
    ///
    /// There is none if Nebuly lists none (the status is 200 then), or refuses the question in a way that means absence.
    fn newest<'a>(&'a self, search: &'a TagSearch, caller: &'a Caller) -> NewestFuture<'a>;
}

/// The future that [`TaggedItems::newest`] returns.
pub type NewestFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Answer<Item<'static>>, CallFailure>> + Send + 'a>>;

impl Tag {
    /// A tag with this name, if the value passes the checks for a conversation's id.
    pub fn new(name: impl Into<Arc<str>>, value: impl Into<Box<str>>) -> Result<Self, InvalidId> {
        let value = value.into();
        id::check(&value)?;
        Ok(Self { name: name.into(), value })
    }

    /// The name, one of `lookup.tags`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value. It belongs into no log and no metric.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tag").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_to_pass_the_checks_of_a_conversation_s_id() {
        let refused = |value: &str| Tag::new("ticket", value).unwrap_err();
        assert_eq!(refused(""), InvalidId::Empty);
        assert_eq!(refused("a\nb"), InvalidId::ControlCharacter);
        assert_eq!(refused("a/%2e%2e"), InvalidId::DotPart);
        assert_eq!(refused(&"x".repeat(513)), InvalidId::TooLong);
        let tag = Tag::new("ticket", "a/b ü").unwrap();
        assert_eq!((tag.name(), tag.value()), ("ticket", "a/b ü"));
    }

    #[test]
    fn what_is_printed_of_a_search_does_not_show_the_value() {
        let range = TimeRange { start: Timestamp::from_millis(0), end: Timestamp::from_millis(1) };
        let search = TagSearch { tag: Tag::new("ticket", "canary").unwrap(), kind: Kind::Interaction, range };
        let printed = format!("{search:?} {search:#?}");
        assert!(printed.contains("ticket") && !printed.contains("canary"), "{printed}");
    }
}
