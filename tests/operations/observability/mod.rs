//! The alerts and the dashboard: every expression parses and names only what the running program exports, every alert has
//! its test and its runbook, and fires when it should.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "clippy.toml excepts test functions alone, not the functions that they share"
)]

mod alerts;
mod dashboard;
mod exported;
mod expression;
mod files;
mod live;
mod promtool;
