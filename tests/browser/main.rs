//! The pages in a real browser: Chromium, driven by its `chromedriver`, in front of the running program.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

#[path = "../support/mod.rs"]
mod support;

mod accessibility;
mod browser;
mod check;
mod demo;
mod error_pages;
mod every_page;
mod keyboard;
mod kit;
mod link_page;
mod other_origins;
mod site;
mod start_page;
mod view;
