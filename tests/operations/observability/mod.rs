//! The alerts and the dashboard: every expression parses and names only what the running program exports, every alert has
//! its test and its runbook, and fires when it should.

mod alerts;
mod dashboard;
mod exported;
mod expression;
mod files;
mod live;
mod promtool;
