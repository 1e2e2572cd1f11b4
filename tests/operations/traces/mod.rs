//! Traces, as the OpenTelemetry Collector gets them from the program, and as no collector gets them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod answering;
mod collector;
mod dead_collectors;
mod program;
mod slow_collectors;
mod spans;
mod variables;
