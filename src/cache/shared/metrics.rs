//! What is counted.

use metrics::{Counter, counter, describe_counter};

const REQUESTS: &str = "nebulink_shared_cache_requests_total";

/// The counters, each resolved once.
pub(super) struct Metrics {
    pub(super) gets: Gets,
    pub(super) puts: Puts,
}

/// What came of asking for a link.
pub(super) struct Gets {
    /// One was found.
    pub(super) hit: Counter,
    /// There was none.
    pub(super) miss: Counter,
    /// There was something, and nothing that counts.
    pub(super) invalid: Counter,
    /// The server could not be reached, or refused.
    pub(super) failed: Counter,
    /// The server did not answer in time.
    pub(super) timeout: Counter,
    /// The server was not asked: it is left alone, or too many ask.
    pub(super) skipped: Counter,
}

/// What came of sharing a link.
pub(super) struct Puts {
    /// It was written.
    pub(super) ok: Counter,
    /// The server could not be reached, or refused.
    pub(super) failed: Counter,
    /// The server did not answer in time.
    pub(super) timeout: Counter,
    /// It was not sent: the server is left alone, or the link cannot be shared.
    pub(super) skipped: Counter,
    /// Too many were waiting to be written.
    pub(super) dropped: Counter,
}

impl Metrics {
    /// Counts at the recorder that is installed now.
    pub(super) fn new() -> Self {
        describe_counter!(REQUESTS, "Links that the shared cache was asked for, or was given");
        let get = |result| counter!(REQUESTS, "operation" => "get", "result" => result);
        let put = |result| counter!(REQUESTS, "operation" => "put", "result" => result);
        Self {
            gets: Gets {
                hit: get("hit"),
                miss: get("miss"),
                invalid: get("invalid"),
                failed: get("failed"),
                timeout: get("timeout"),
                skipped: get("skipped"),
            },
            puts: Puts {
                ok: put("ok"),
                failed: put("failed"),
                timeout: put("timeout"),
                skipped: put("skipped"),
                dropped: put("dropped"),
            },
        }
    }
}
