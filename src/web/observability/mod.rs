//! The observability of a request: its id, its line in the access log, its metrics and its span.
//!
//! | file | job |
//! |---|---|
//! | `request_id` | the caller's `x-request-id`, or a new one |
//! | `request_record` | what is known of an answered request |
//! | `access_log` | its line in the log, if it gets one |
//! | `access_line` | that line as JSON, written by hand |
//! | `link_outcome` | the outcome of a link: `cache-status`, `server-timing` and `nebulink_resolutions_total` |
//! | `request_metrics` | requests and their duration, by route, method and status |
//! | `request_span` | the span of a traced request, and which requests are traced |
//! | `trace_parent` | `traceparent` and `tracestate` of the caller |

mod access_line;
mod access_log;
mod link_outcome;
mod request_id;
mod request_metrics;
mod request_record;
mod request_span;
mod trace_parent;

pub use self::access_line::{ACCESS_TARGET, JsonLines};
pub use self::access_log::{AccessLogger, Escaping, LoggedRequests};
pub use self::request_metrics::MetricsRecorder;
pub use self::request_span::{RequestTracer, TraceSampling};

pub(super) use self::link_outcome::{LinkOutcome, LinkStatus, ResolutionMetrics};
pub(super) use self::request_id::RequestId;
pub(super) use self::request_metrics::RequestMetrics;
pub(super) use self::request_record::{CLIENT_CLOSED_REQUEST, RequestRecord};
pub(super) use self::request_span::RequestSpan;
#[cfg(any(test, fuzzing))]
pub(super) use self::trace_parent::TraceParent;
