//! Caches, as adapters: where resolved links are remembered, and how they outlive the process.

mod memory;
pub mod snapshot;

pub use memory::MemoryCache;
