//! Caches, as adapters: where resolved links are remembered.

mod memory;
mod shared;

pub use memory::MemoryCache;
pub use shared::{ContainsKey, SharedCache, SharedCacheError, SharedCacheOptions, SharedCacheWriter};
