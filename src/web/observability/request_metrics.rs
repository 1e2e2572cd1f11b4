//! Requests of the public listener and how long they took, as metrics.
//!
//! The labels come from the closed sets below, so callers can create no series. A series is registered when it is first
//! counted, which keeps the scrape small, and found by its index in a table from then on: a redirect neither hashes nor
//! locks nor formats for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::web::route::Route;

/// The recorder that registers a series when it is counted for the first time.
pub type MetricsRecorder = Arc<dyn metrics::Recorder + Send + Sync>;

const REQUESTS: &str = "nebulink_http_requests_total";
const DURATION: &str = "nebulink_http_request_duration_seconds";

/// The methods that metrics and traces may name: any other is a word of the caller's. The commonest one comes first.
static STANDARD_METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// The label of every other method.
const OTHER: &str = "other";

/// The standard methods, and the others together.
const METHODS: usize = STANDARD_METHODS.len() + 1;

/// Our statuses, the commonest first, and 499 for clients that disconnected. Another status would be counted as well,
/// at the price of a look-up each time.
const STATUSES: [u16; 18] =
    [302, 404, 200, 429, 400, 401, 403, 405, 409, 413, 415, 422, 204, 499, 500, 502, 503, 504];

/// The name of a method, if it is a standard one.
pub(super) fn standard_name(method: &Method) -> Option<&'static str> {
    STANDARD_METHODS.iter().find(|standard| *standard == method).map(Method::as_str)
}

/// A table of all the series that there may be.
pub(in crate::web) struct RequestMetrics {
    recorder: MetricsRecorder,
    series: Box<[OnceLock<Series>]>,
}

struct Series {
    requests: Counter,
    duration: Histogram,
}

impl RequestMetrics {
    /// Counts at this recorder.
    pub(in crate::web) fn new(recorder: MetricsRecorder) -> Self {
        metrics::with_local_recorder(&*recorder, || {
            describe_counter!(
                REQUESTS,
                "Answered requests to the public listener; with status 499, requests whose connection ended before the \
                 answer"
            );
            describe_histogram!(
                DURATION,
                Unit::Seconds,
                "Time from the complete head of a request until its answer was ready to be sent, or its connection ended"
            );
        });
        let len = Route::PATTERNS * METHODS * STATUSES.len();
        Self { recorder, series: std::iter::repeat_with(OnceLock::new).take(len).collect() }
    }

    /// Counts a request, and the time from its complete head to its answer or its end.
    pub(in crate::web) fn count(
        &self,
        route: Route,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        match index(route, method, status).and_then(|index| self.series.get(index)) {
            Some(series) => {
                series.get_or_init(|| self.register(route, method, status)).count(duration);
            }
            None => self.register(route, method, status).count(duration),
        }
    }

    fn register(&self, route: Route, method: &Method, status: StatusCode) -> Series {
        let labels = [
            ("route", route.pattern().to_owned()),
            ("method", standard_name(method).unwrap_or(OTHER).to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        metrics::with_local_recorder(&*self.recorder, || Series {
            requests: counter!(REQUESTS, &labels),
            duration: histogram!(DURATION, &labels),
        })
    }
}

impl Series {
    fn count(&self, duration: Duration) {
        self.requests.increment(1);
        self.duration.record(duration);
    }
}

/// The index of a series in the table; `None` for a status that is not in [`STATUSES`].
fn index(route: Route, method: &Method, status: StatusCode) -> Option<usize> {
    let status = STATUSES.iter().position(|own| *own == status.as_u16())?;
    let method = STANDARD_METHODS.iter().position(|standard| standard == method);
    let method = method.unwrap_or(STANDARD_METHODS.len());
    Some((route.pattern_index() * METHODS + method) * STATUSES.len() + status)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_series_has_an_index_of_its_own_and_the_table_has_no_other() {
        let mut indices = HashSet::new();
        for route in Route::all() {
            for method in STANDARD_METHODS.iter().cloned().chain([OTHER.parse().unwrap()]) {
                for status in STATUSES {
                    let status = StatusCode::from_u16(status).unwrap();
                    indices.insert(index(route, &method, status).unwrap());
                }
            }
        }
        let table = RequestMetrics::new(Arc::new(metrics::NoopRecorder)).series.len();
        assert_eq!(indices, (0..table).collect());
    }

    #[test]
    fn a_standard_method_has_its_name_and_another_has_none() {
        for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] {
            assert_eq!(standard_name(&name.parse().unwrap()), Some(name));
        }
        for other in ["get", "PROPFIND"] {
            assert_eq!(standard_name(&other.parse().unwrap()), None);
        }
    }
}
