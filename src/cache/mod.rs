//! Adapters for caches: the links in memory, the links that replicas share, and the snapshot file; and the details of
//! items and the tags that were looked up, in memory alone.

mod bounded_by_age;
mod details;
mod link_record;
mod memory;
mod shared;
pub mod snapshot;
mod tags;

/// The properties of parsers of foreign bytes.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    pub use super::shared::fuzzing::shared_entry;
    pub use super::snapshot::fuzzing::snapshot;
}

pub use details::MemoryDetailsCache;
pub use memory::MemoryCache;
pub use shared::{SharedCache, SharedCacheError, SharedCacheOptions, SharedCacheWriter};
pub use tags::MemoryTagCache;
