//! The stand-in for Nebuly, seen from outside: what it answers, how it fails, what it counts, and its pages.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml excepts test functions alone, not the functions that they share"
)]

mod caller;
mod documented_calls;
mod faults;
mod listings;
mod pages;
mod record;
