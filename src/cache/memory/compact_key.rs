//! The key of a link in memory, in few bytes.

use std::hash::{Hash, Hasher};

use equivalent::Equivalent;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::domain::{Item, Kind, ProjectIndex, Scope};

/// A scope and an owned item. Scope and kind are in each variant, where they take the place of padding.
#[derive(Debug)]
pub(super) enum CompactKey {
    /// The id of an interaction, or of a conversation whose id is a UUID in its canonical form.
    Uuid(CompactScope, Kind, [u8; 16]),
    Text(CompactScope, Kind, Box<str>),
}

/// A scope in one byte: [`Self::ALL`], or a project's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CompactScope(u8);

/// A key that borrows its item, so that a look-up copies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LookupKey<'a> {
    scope: CompactScope,
    kind: Kind,
    id: LookupId<'a>,
}

/// The id in a [`LookupKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LookupId<'a> {
    /// A UUID in its canonical form.
    Uuid(Uuid),
    /// Any other text.
    Text(&'a str),
}

impl CompactKey {
    pub(super) fn new(scope: Scope, item: &Item<'_>) -> Self {
        let LookupKey { scope, kind, id } = LookupKey::new(scope, item);
        match id {
            LookupId::Uuid(id) => Self::Uuid(scope, kind, id.into_bytes()),
            LookupId::Text(text) => Self::Text(scope, kind, text.into()),
        }
    }

    fn as_lookup(&self) -> LookupKey<'_> {
        match self {
            Self::Uuid(scope, kind, id) => {
                LookupKey { scope: *scope, kind: *kind, id: LookupId::Uuid(Uuid::from_bytes(*id)) }
            }
            Self::Text(scope, kind, text) => {
                LookupKey { scope: *scope, kind: *kind, id: LookupId::Text(text) }
            }
        }
    }

    pub(super) fn scope(&self) -> Scope {
        self.as_lookup().scope.into()
    }

    /// The item; it was one when the key was made.
    pub(super) fn item(&self) -> Option<Item<'static>> {
        self.as_lookup().item().map(Item::into_owned)
    }

    /// The bytes that it has on the heap.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::Uuid(..) => 0,
            Self::Text(_, _, text) => super::compact_link::block(text.len()),
        }
    }
}

impl<'a> LookupKey<'a> {
    pub(super) fn new(scope: Scope, item: &'a Item<'_>) -> Self {
        let id = match item {
            Item::Interaction(id) => LookupId::Uuid(*id),
            Item::Conversation(id) => {
                canonical(id.as_str()).map_or(LookupId::Text(id.as_str()), LookupId::Uuid)
            }
        };
        Self { scope: scope.into(), kind: item.kind(), id }
    }

    fn item(&self) -> Option<Item<'a>> {
        match (self.kind, self.id) {
            (Kind::Interaction, LookupId::Uuid(id)) => Some(Item::Interaction(id)),
            (Kind::Interaction, LookupId::Text(_)) => None,
            (Kind::Conversation, LookupId::Uuid(id)) => Item::conversation(id.hyphenated().to_string()).ok(),
            (Kind::Conversation, LookupId::Text(text)) => Item::conversation(text).ok(),
        }
    }
}

impl CompactScope {
    const ALL: Self = Self(u8::MAX);
}

impl From<Scope> for CompactScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::ALL,
            // There are at most 128 projects.
            Scope::Only(project) => Self(u8::try_from(project.position()).unwrap_or(u8::MAX)),
        }
    }
}

impl From<CompactScope> for Scope {
    fn from(scope: CompactScope) -> Self {
        // The byte for all is not the position of a project.
        ProjectIndex::new(usize::from(scope.0)).map_or(Self::All, Self::Only)
    }
}

impl PartialEq for CompactKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_lookup() == other.as_lookup()
    }
}

impl Eq for CompactKey {}

impl Hash for CompactKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_lookup().hash(state);
    }
}

impl Equivalent<CompactKey> for LookupKey<'_> {
    fn equivalent(&self, key: &CompactKey) -> bool {
        *self == key.as_lookup()
    }
}

/// The UUID of which a text is the canonical form.
fn canonical(text: &str) -> Option<Uuid> {
    // No other form that the parser accepts is as long as the hyphenated one.
    if text.len() != Hyphenated::LENGTH || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_fits_into_three_words() {
        assert!(size_of::<CompactKey>() <= 24, "{}", size_of::<CompactKey>());
    }

    proptest! {
        #[test]
        fn a_key_gives_its_scope_and_item_back(
            id in "(\\PC{1,20}|[0-9a-fA-F]{8}-([0-9a-f]{4}-){3}[0-9a-fA-F]{12}|[0-9a-f]{32})",
            project in proptest::option::of(0_usize..128),
        ) {
            let scope = project.map_or(Scope::All, |position| Scope::Only(ProjectIndex::new(position).unwrap()));
            let items = [Item::interaction(&id), Item::conversation(id.as_str())];
            for item in items.into_iter().flatten() {
                let key = CompactKey::new(scope, &item);
                prop_assert_eq!(key.scope(), scope);
                prop_assert_eq!(key.item(), Some(item.clone().into_owned()));
                prop_assert!(LookupKey::new(scope, &item).equivalent(&key));
            }
        }
    }
}
