//! Caches, as adapters: where resolved links are remembered.

mod memory;

pub use memory::MemoryCache;
