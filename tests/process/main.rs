//! The program as a process: commands, signals, settings, files, clock, logs, memory.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod clock;
mod commands;
mod demo;
mod files;
mod health;
mod large_snapshot;
mod memory_limit;
mod openapi;
mod panic_log;
mod resolve_command;
mod secrets;
mod settings;
mod snapshot;
mod unread_log;
