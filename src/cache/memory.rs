//! Links in memory, bounded in bytes.

use std::hash::{Hash, Hasher};

use equivalent::Equivalent;
use moka::sync::Cache;

use crate::domain::{CachedLink, Item, LinkCache, LinkState};

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

/// An owned item; a borrowed one finds it without being copied.
#[derive(Debug, PartialEq, Eq)]
struct Key(Item<'static>);

impl MemoryCache {
    /// A cache that holds about this many bytes.
    #[must_use]
    pub fn new(max_size: u64) -> Self {
        let links = Cache::builder().max_capacity(max_size).weigher(weight).build();
        Self { links }
    }
}

impl LinkCache for MemoryCache {
    fn get(&self, item: &Item<'_>) -> Option<CachedLink> {
        self.links.get(item)
    }

    fn insert(&self, item: Item<'static>, link: CachedLink) {
        self.links.insert(Key(item), link);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Key> for Item<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.0
    }
}

fn weight(key: &Key, link: &CachedLink) -> u32 {
    let id = match &key.0 {
        Item::Interaction(_) => 0,
        Item::Conversation(id) => id.as_str().len(),
    };
    let url = match &link.state {
        LinkState::Resolved(url) => url.len(),
        LinkState::Absent => 0,
    };
    u32::try_from(ENTRY_OVERHEAD + id + url).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn absent() -> CachedLink {
        CachedLink { state: LinkState::Absent, resolved_at: Timestamp::default(), gone_since: None }
    }

    #[test]
    fn a_link_is_found_under_its_kind_and_id_alone() {
        let cache = MemoryCache::new(1 << 20);
        let id = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
        cache.insert(Item::interaction(id).unwrap(), absent());
        assert_eq!(cache.get(&Item::interaction(&id.to_uppercase()).unwrap()), Some(absent()));
        assert_eq!(cache.get(&Item::conversation(id).unwrap()), None);
    }

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = MemoryCache::new(1 << 20);
        for number in 0..50_000 {
            cache.insert(Item::conversation(format!("conversation-{number}")).unwrap(), absent());
        }
        cache.links.run_pending_tasks();
        assert!(cache.links.weighted_size() <= 1 << 20);
        assert!(cache.links.entry_count() > 1_000);
    }
}
