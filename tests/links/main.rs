//! Links: where a request leads, what it costs Nebuly, and what happens when Nebuly fails.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod api_page;
mod callers;
mod calls_to_nebuly;
mod details;
mod error_pages;
mod errors;
mod fixed_files;
mod keys;
mod kit;
mod limits;
mod link_page;
mod listings;
mod openapi;
mod outage;
mod paste;
mod projects;
mod redirects;
mod single_flight;
mod staleness;
mod stand_in;
mod tags;
mod tools;
