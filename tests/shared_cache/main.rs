//! The shared cache with a real redis-server: shared between replicas, through outages, and filled with nonsense.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "clippy.toml excepts test functions alone, not the functions that they share"
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
