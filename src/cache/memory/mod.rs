//! Links in memory, bounded in bytes.

mod compact_key;
mod compact_link;
mod patterns;

use std::sync::Arc;

use foldhash::quality::RandomState;
use metrics::{Counter, Gauge};
use moka::notification::RemovalCause;
use moka::sync::Cache;

use self::compact_key::{CompactKey, LookupKey};
use self::compact_link::CompactLink;
use self::patterns::Patterns;
use crate::domain::{CachedLink, Item, LinkCache, ResolvedLink, Scope};

/// The bytes of an entry beside those that its key and its link have on the heap: the tables, queues and counters of
/// the cache, and the key and the link themselves. Measured by `cargo bench --bench memory`, as resident memory for
/// each of a million links.
const ENTRY_SIZE: usize = 350;

/// The links of this process. When it is full, the least used are evicted first.
///
/// It knows nothing of freshness and expires nothing: [`Lifetimes`](crate::domain::Lifetimes) decides that, where links are
/// used. A clone is a handle to the same links.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    links: Cache<CompactKey, CompactLink, RandomState>,
    patterns: Arc<Patterns>,
    gauges: Gauges,
}

/// The gauges of the cache.
#[derive(Debug, Clone)]
struct Gauges {
    entries: Gauge,
    size: Gauge,
}

impl MemoryCache {
    /// A cache that holds about this many bytes, beside at most 3 MiB for the patterns of URLs.
    ///
    /// Its metrics go to the recorder that is installed by now.
    #[must_use]
    pub fn new(max_size: u64) -> Self {
        let gauges = Gauges::described();
        let evictions = evictions();
        let links = Cache::builder()
            .max_capacity(max_size)
            .weigher(weight)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.increment(1);
                }
            })
            .build_with_hasher(RandomState::default());
        Self { links, patterns: Arc::default(), gauges }
    }

    /// Evicts links and updates the metrics. To be called about once a second: the cache has no thread of its own.
    pub fn housekeep(&self) {
        self.links.run_pending_tasks();
        // A gauge is a floating-point number; links and bytes are far from where those lose count.
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        {
            self.gauges.entries.set(self.links.entry_count() as f64);
            self.gauges.size.set(self.links.weighted_size() as f64);
        }
    }

    /// The number of links, as of the last housekeeping.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.links.entry_count()
    }

    /// The bytes that they take, as of the last housekeeping.
    #[must_use]
    pub fn weighted_size(&self) -> u64 {
        self.links.weighted_size()
    }

    /// The links that lead somewhere, while other threads read and write. Iterating does not count as use.
    pub fn resolved(&self) -> impl Iterator<Item = (Scope, Item<'static>, ResolvedLink)> + '_ {
        self.links.iter().filter_map(|(key, stored)| {
            let item = key.item()?;
            match stored.link(&item, &self.patterns)? {
                CachedLink::Resolved(link) => Some((key.scope(), item, link)),
                // Each of the links of an ambiguous one is there under its own project as well.
                CachedLink::Ambiguous(_) | CachedLink::Absent(_) => None,
            }
        })
    }
}

impl LinkCache for MemoryCache {
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink> {
        self.links.get(&LookupKey::new(scope, item))?.link(item, &self.patterns)
    }

    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink) {
        let stored = CompactLink::new(&item, link, &self.patterns);
        self.links.insert(CompactKey::new(scope, &item), stored);
    }
}

impl Gauges {
    fn described() -> Self {
        metrics::describe_gauge!("nebulink_cache_entries", "Links in memory");
        metrics::describe_gauge!("nebulink_cache_size_bytes", metrics::Unit::Bytes, "Memory of the links");
        Self {
            entries: metrics::gauge!("nebulink_cache_entries"),
            size: metrics::gauge!("nebulink_cache_size_bytes"),
        }
    }
}

fn evictions() -> Counter {
    metrics::describe_counter!(
        "nebulink_cache_evictions_total",
        "Links that were evicted because the memory cache was full"
    );
    metrics::counter!("nebulink_cache_evictions_total")
}

fn weight(key: &CompactKey, stored: &CompactLink) -> u32 {
    u32::try_from(ENTRY_SIZE + key.heap_size() + stored.heap_size()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
