//! For operators: metrics, traces, alerts and dashboard, and the chart.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic; clippy.toml excepts test functions alone, not what they share"
)]

#[path = "../support/mod.rs"]
mod support;

mod chart;
mod metrics;
mod observability;
mod traces;
