//! The metrics of this layer. Handles are found once, when a project is built, because
//! finding one costs more than counting.

use std::time::{Duration, SystemTime};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::domain::{Cause, ProjectName};

const REQUESTS: &str = "nebulink_nebuly_requests_total";
const REQUEST_DURATION: &str = "nebulink_nebuly_request_duration_seconds";
const IN_FLIGHT: &str = "nebulink_nebuly_in_flight";
const CIRCUIT_OPEN: &str = "nebulink_nebuly_circuit_open";
const KEY_REJECTED: &str = "nebulink_nebuly_key_rejected";
const KEY_LOADED: &str = "nebulink_nebuly_key_loaded_timestamp_seconds";
const KEY_FILE_ERRORS: &str = "nebulink_nebuly_key_file_errors_total";

/// The result of a call to Nebuly: the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallResult {
    /// The item was found.
    Ok,
    /// This key's project has no such item.
    Absent,
    /// The key was rejected.
    Rejected,
    /// Nebuly asks us to slow down.
    Throttled,
    /// An answer that is not valid.
    BadAnswer,
    /// No connection, a reset, or 5xx.
    Failed,
    /// No answer in time.
    Timeout,
}

/// The counters of one kind of call, and the histogram of durations.
pub(super) struct CallMetrics {
    results: [(CallResult, Counter); 7],
    duration: Histogram,
    in_flight: Gauge,
}

/// The metrics of a project's key.
pub(super) struct KeyMetrics {
    rejected: Gauge,
    loaded: Gauge,
    file_errors: Counter,
}

/// A call in flight, until it is dropped.
pub(super) struct CallInFlight<'a>(&'a Gauge);

impl CallResult {
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::Absent,
        Self::Rejected,
        Self::Throttled,
        Self::BadAnswer,
        Self::Failed,
        Self::Timeout,
    ];

    /// The result of a call that failed.
    pub(super) const fn of(cause: Cause) -> Self {
        match cause {
            Cause::Timeout => Self::Timeout,
            Cause::BadAnswer => Self::BadAnswer,
            Cause::Overloaded { .. } => Self::Throttled,
            Cause::Unavailable | Cause::KeyRejected | Cause::RateLimited { .. } | Cause::Internal => {
                Self::Failed
            }
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
            Self::BadAnswer => "bad_answer",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }
}

impl CallMetrics {
    /// The metrics of a kind of call of a project; `call` is its label.
    pub(super) fn new(project: &ProjectName, call: &'static str) -> Self {
        let results = CallResult::ALL.map(|result| {
            let labels =
                [("project", project.to_string()), ("call", call.into()), ("result", result.as_str().into())];
            (result, counter!(REQUESTS, &labels))
        });
        Self {
            results,
            duration: histogram!(REQUEST_DURATION, "project" => project.to_string()),
            in_flight: gauge!(IN_FLIGHT),
        }
    }

    /// Counts a call as in flight.
    pub(super) fn in_flight(&self) -> CallInFlight<'_> {
        self.in_flight.increment(1.0);
        CallInFlight(&self.in_flight)
    }

    /// Counts a call that ended.
    pub(super) fn ended(&self, result: CallResult, duration: Duration) {
        if let Some((_, counter)) = self.results.iter().find(|(other, _)| *other == result) {
            counter.increment(1);
        }
        self.duration.record(duration);
    }
}

impl Drop for CallInFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl KeyMetrics {
    pub(super) fn new(project: &ProjectName) -> Self {
        let metrics = Self {
            rejected: gauge!(KEY_REJECTED, "project" => project.to_string()),
            loaded: gauge!(KEY_LOADED, "project" => project.to_string()),
            file_errors: counter!(KEY_FILE_ERRORS, "project" => project.to_string()),
        };
        metrics.set_rejected(false);
        metrics
    }

    pub(super) fn set_rejected(&self, rejected: bool) {
        self.rejected.set(if rejected { 1.0 } else { 0.0 });
    }

    /// Records that another key was loaded now.
    pub(super) fn loaded(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.loaded.set(now.as_secs_f64());
    }

    pub(super) fn file_error(&self) {
        self.file_errors.increment(1);
    }
}

/// The gauge that is 1 while a project's circuit breaker for links is open.
pub(super) fn circuit_open(project: &ProjectName) -> Gauge {
    gauge!(CIRCUIT_OPEN, "project" => project.to_string())
}

/// Describes each metric.
pub(super) fn describe() {
    describe_counter!(REQUESTS, "Calls to Nebuly, by result");
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Duration of a call to Nebuly");
    describe_gauge!(IN_FLIGHT, "Calls to Nebuly in flight");
    describe_gauge!(CIRCUIT_OPEN, "1 while the project's circuit breaker for links is open or half-open");
    describe_gauge!(KEY_REJECTED, "1 while Nebuly rejects the project's key");
    describe_gauge!(
        KEY_LOADED,
        Unit::Seconds,
        "Time at which the project's key was last loaded, as Unix time"
    );
    describe_counter!(KEY_FILE_ERRORS, "Reads of the project's key file that found no key");
}
