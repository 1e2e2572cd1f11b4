//! Connections: the HTTP server by itself, and the program under load and under attack.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod chaos;
mod flood;
mod hostile_peers;
mod server;
mod storm;

use tokio::sync::RwLock;

/// The load on the machine. A test that loads it writes, so that it has only itself to blame for a late answer; the tests
/// of the server by itself read, and so run beside each other.
static LOAD: RwLock<()> = RwLock::const_new(());
