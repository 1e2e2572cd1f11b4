//! An item of Nebuly's: a kind and an id.

use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use super::id::{self, ConversationId, InvalidId};
use super::short_code;

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One exchange between a user and the model.
    Interaction,
    /// All exchanges of one session.
    Conversation,
}

/// A kind and an id that has passed every check of [`InvalidId`].
///
/// It borrows a conversation's id where it can, so that looking one up copies nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Item<'a> {
    /// An interaction; Nebuly documents its id as a UUID.
    Interaction(Uuid),
    /// A conversation; its id is the customer's own text.
    Conversation(ConversationId<'a>),
}

impl Kind {
    /// The word that stands in paths, JSON, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interaction => "interaction",
            Self::Conversation => "conversation",
        }
    }

    /// The word as a page begins a line with it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Interaction => "Interaction",
            Self::Conversation => "Conversation",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl<'a> Item<'a> {
    /// The interaction that a text names, in any usual form of its UUID.
    pub fn interaction(text: &str) -> Result<Self, InvalidId> {
        id::interaction(text).map(Self::Interaction)
    }

    /// The same, of a text that may also be the short code of the UUID.
    pub fn interaction_or_code(text: &str) -> Result<Self, InvalidId> {
        let uuid = match id::interaction(text) {
            Err(InvalidId::NotAUuid) => short_code::decode(id::trim_surroundings(text)),
            result => result,
        };
        uuid.map(Self::Interaction)
    }

    /// The conversation with exactly this id.
    pub fn conversation(text: impl Into<Cow<'a, str>>) -> Result<Self, InvalidId> {
        ConversationId::new(text.into()).map(Self::Conversation)
    }

    /// The kind of the item.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Interaction(_) => Kind::Interaction,
            Self::Conversation(_) => Kind::Conversation,
        }
    }

    /// The id as Nebuly is asked for it: a UUID in its canonical form, a conversation's text as it is.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Interaction(uuid) => Cow::Owned(uuid.hyphenated().to_string()),
            Self::Conversation(id) => Cow::Borrowed(id.as_str()),
        }
    }

    /// The code that stands for the id in short links; `None` for a conversation.
    #[must_use]
    pub fn short_code(&self) -> Option<String> {
        match self {
            Self::Interaction(uuid) => Some(short_code::encode(*uuid)),
            Self::Conversation(_) => None,
        }
    }

    /// Returns true if the id is a UUID, so that no other project can have another item of this id. Any other conversation
    /// id is the customer's own text, unique only within a project.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        match self {
            Self::Interaction(_) => true,
            Self::Conversation(id) => Uuid::try_parse(id.as_str()).is_ok(),
        }
    }

    /// The same item, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Item<'static> {
        match self {
            Self::Interaction(uuid) => Item::Interaction(uuid),
            Self::Conversation(id) => Item::Conversation(id.into_owned()),
        }
    }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.kind(), self.id())
    }
}
