//! Connections: the HTTP server by itself, and the program under load and under attack.

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
