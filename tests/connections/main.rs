//! Connections: the HTTP server by itself, and the program under load and under attack.

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod flood;
mod hostile_peers;
mod server;
mod storm;
