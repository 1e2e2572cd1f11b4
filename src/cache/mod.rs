//! Caches, as adapters: where resolved links are remembered, and how they outlive the process.

mod memory;
mod shared;
pub mod snapshot;

pub use memory::MemoryCache;
pub use shared::{ContainsKey, SharedCache, SharedCacheError, SharedCacheOptions, SharedCacheWriter};
