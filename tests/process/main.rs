//! The program as a process: commands, signals, settings, files, clock, logs, memory.

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod commands;
mod files;
mod large_snapshot;
mod memory_limit;
mod panic_log;
mod resolve_command;
mod secrets;
mod settings;
mod snapshot;
mod unread_log;
