//! Requests of the public listener and how long they took, as metrics.
//!
//! The labels come from the closed sets below, so callers can create no series. A series is registered when it is first
//! counted, which keeps the scrape small, and found by its place in a table from then on: a redirect neither hashes nor
//! locks nor formats for it. The histogram itself takes a block of memory for every 64 samples until the next upkeep.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use super::standard_method;
use super::standard_method::STANDARD_METHODS;
use crate::web::route::Route;

/// Where a series is registered that is counted for the first time.
pub type Recorder = Arc<dyn metrics::Recorder + Send + Sync>;

const REQUESTS: &str = "nebulink_http_requests_total";
const DURATION: &str = "nebulink_http_request_duration_seconds";

/// What any method counts as that is not a standard one.
const OTHER: &str = "other";

/// The standard methods, and the others together.
const METHODS: usize = STANDARD_METHODS.len() + 1;

/// What we answer, the commonest first, and 499 for those that left before. Another status would be counted as well, at the price of a look-up each time.
const STATUSES: [u16; 15] = [302, 404, 200, 429, 400, 401, 403, 405, 409, 204, 499, 500, 502, 503, 504];

/// A table of all the series that there may be.
pub(in crate::web) struct RequestMetrics {
    recorder: Recorder,
    series: Box<[OnceLock<Series>]>,
}

struct Series {
    requests: Counter,
    duration: Histogram,
}

impl RequestMetrics {
    /// Counts at this recorder.
    pub(in crate::web) fn new(recorder: Recorder) -> Self {
        metrics::with_local_recorder(&*recorder, || {
            describe_counter!(
                REQUESTS,
                "Requests that were answered, and with status 499 those that ended before"
            );
            describe_histogram!(
                DURATION,
                Unit::Seconds,
                "Time from the complete head of a request until its answer was ready to be sent, or its connection ended"
            );
        });
        let places = Route::NUMBERS * METHODS * STATUSES.len();
        Self { recorder, series: std::iter::repeat_with(OnceLock::new).take(places).collect() }
    }

    /// Counts a request that began when its head was complete, and whose answer is ready now, or will never be.
    pub(in crate::web) fn count(&self, route: Route, method: &Method, status: StatusCode, began: Instant) {
        let duration = began.elapsed();
        match place(route, method, status).and_then(|place| self.series.get(place)) {
            Some(series) => {
                series.get_or_init(|| self.register(route, method, status)).count(duration);
            }
            None => self.register(route, method, status).count(duration),
        }
    }

    fn register(&self, route: Route, method: &Method, status: StatusCode) -> Series {
        let labels = [
            ("route", route.pattern().to_owned()),
            ("method", standard_method::name_of(method).unwrap_or(OTHER).to_owned()),
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

fn place(route: Route, method: &Method, status: StatusCode) -> Option<usize> {
    let status = STATUSES.iter().position(|own| *own == status.as_u16())?;
    Some((route.number() * METHODS + place_of_method(method)) * STATUSES.len() + status)
}

fn place_of_method(method: &Method) -> usize {
    standard_method::place_of(method).unwrap_or(STANDARD_METHODS.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_series_has_a_place_of_its_own_and_the_table_has_no_other() {
        let mut places = HashSet::new();
        for route in Route::all() {
            for method in STANDARD_METHODS.into_iter().chain([OTHER]) {
                for status in STATUSES {
                    let status = StatusCode::from_u16(status).unwrap();
                    places.insert(place(route, &method.parse().unwrap(), status).unwrap());
                }
            }
        }
        let table = RequestMetrics::new(Arc::new(metrics::NoopRecorder)).series.len();
        assert_eq!(places, (0..table).collect());
    }
}
