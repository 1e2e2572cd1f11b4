//! The shared cache with a real redis-server: shared between replicas, through outages, and filled with nonsense.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

mod hostile_server;
mod log;
mod memory;
mod nonsense;
mod outages;
mod replica;
mod sharing;
#[path = "../support/mod.rs"]
mod support;
