//! What operators use: metrics, traces, alerts and dashboard, and the chart.

#[path = "../support/mod.rs"]
mod support;

mod chart;
mod metrics;
mod observability;
mod traces;
