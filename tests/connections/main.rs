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

mod chaos;
mod flood;
mod hostile_peers;
mod server;
mod storm;

use tokio::sync::Mutex;

/// Held by each test that loads the machine, so that it has only itself to blame for a late answer.
static LOAD: Mutex<()> = Mutex::const_new(());
