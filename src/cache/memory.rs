//! Links in memory, bounded in bytes.

use std::hash::{Hash, Hasher};

use equivalent::Equivalent;
use moka::sync::Cache;

use crate::domain::{CachedLink, Item, LinkCache, Scope};

/// What an entry takes beside its id and its URL: the cache's own tables and queues, and the value itself. Measured as
/// resident memory for each entry, less the bytes of id and URL.
const ENTRY_OVERHEAD: usize = 320;

/// The links of this process. When it is full, the least used leave first.
///
/// It knows nothing of freshness and expires nothing: how old a link may be is decided where it is used.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    links: Cache<Key, CachedLink>,
}

/// An owned item in its scope; a borrowed one finds it without being copied.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    scope: Scope,
    item: Item<'static>,
}

/// A key that borrows its item.
struct Wanted<'a> {
    scope: Scope,
    item: &'a Item<'a>,
}

impl MemoryCache {
    /// A cache that holds about this many bytes.
    #[must_use]
    pub fn new(max_size: u64) -> Self {
        let links = Cache::builder().max_capacity(max_size).weigher(weight).build();
        Self { links }
    }
}

impl LinkCache for MemoryCache {
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink> {
        self.links.get(&Wanted { scope, item })
    }

    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink) {
        self.links.insert(Key { scope, item }, link);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Wanted { scope: self.scope, item: &self.item }.hash(state);
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scope.hash(state);
        self.item.hash(state);
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.scope == key.scope && *self.item == key.item
    }
}

fn weight(key: &Key, link: &CachedLink) -> u32 {
    let id = match &key.item {
        Item::Interaction(_) => 0,
        Item::Conversation(id) => id.as_str().len(),
    };
    let url = match link {
        CachedLink::Resolved(link) => link.url.len(),
        CachedLink::Absent(_) => 0,
    };
    u32::try_from(ENTRY_OVERHEAD + id + url).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AbsentLink, ProjectIndex, ProjectSet, Timestamp};

    fn absent() -> CachedLink {
        CachedLink::Absent(AbsentLink { said_by: ProjectSet::default(), said_at: Timestamp::default() })
    }

    #[test]
    fn a_link_is_found_under_its_scope_kind_and_id_alone() {
        let cache = MemoryCache::new(1 << 20);
        let id = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
        cache.insert(Scope::All, Item::interaction(id).unwrap(), absent());
        assert_eq!(cache.get(Scope::All, &Item::interaction(&id.to_uppercase()).unwrap()), Some(absent()));
        assert_eq!(cache.get(Scope::All, &Item::conversation(id).unwrap()), None);
        let only = Scope::Only(ProjectIndex::new(0).unwrap());
        assert_eq!(cache.get(only, &Item::interaction(id).unwrap()), None);
    }

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = MemoryCache::new(1 << 20);
        for number in 0..50_000 {
            cache.insert(Scope::All, Item::conversation(format!("conversation-{number}")).unwrap(), absent());
        }
        cache.links.run_pending_tasks();
        assert!(cache.links.weighted_size() <= 1 << 20);
        assert!(cache.links.entry_count() > 1_000);
    }
}
