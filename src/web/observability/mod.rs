//! What is observed of a request: its id, its line in the access log, its metrics and its span.

mod access_log;
mod cache_status;
mod link_outcome;
mod request_id;
mod request_metrics;
mod request_span;
mod standard_method;
mod trace_parent;

pub use self::access_log::{AccessLog, Escaping, Requests};
pub use self::request_metrics::Recorder;
pub use self::request_span::{Sampling, Tracing};

pub(super) use self::access_log::{CLIENT_CLOSED_REQUEST, Entry};
pub(super) use self::cache_status::{CACHE_STATUS, SERVER_TIMING, cache_status, server_timing};
pub(super) use self::link_outcome::{LinkOutcome, Metrics};
pub(super) use self::request_id::RequestId;
pub(super) use self::request_metrics::RequestMetrics;
pub(super) use self::request_span::RequestSpan;
#[cfg(any(test, fuzzing))]
pub(super) use self::trace_parent::TraceParent;
