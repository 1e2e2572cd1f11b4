//! How an answer came about, as `cache-status` (RFC 9211) and `server-timing` say it.

use http::{HeaderName, HeaderValue};

use crate::resolver::{Calls, Mode, Outcome, Resolution, Via};

pub(in crate::web) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(in crate::web) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The value of `cache-status` (the table in section 4 of the design).
pub(in crate::web) fn cache_status(resolution: &Resolution) -> HeaderValue {
    let fixed = match (&resolution.outcome, resolution.via) {
        (Outcome::Absent, Via::Memory) => "nebulink; hit; detail=negative",
        (_, Via::Memory) => "nebulink; hit",
        (_, Via::Shared) => "nebulink; hit; detail=shared",
        (_, Via::Stale) => "nebulink; hit; detail=stale",
        (_, Via::Constructed) => "nebulink; detail=constructed",
        (Outcome::Resolved(_) | Outcome::Ambiguous(_), Via::Calls(Calls { collapsed: true, .. })) => {
            "nebulink; fwd=miss; fwd-status=200; collapsed"
        }
        (Outcome::Resolved(_) | Outcome::Ambiguous(_), Via::Calls(Calls { mode: Mode::Refresh, .. })) => {
            "nebulink; fwd=request; fwd-status=200; stored"
        }
        (Outcome::Resolved(_) | Outcome::Ambiguous(_), Via::Calls(_)) => {
            "nebulink; fwd=miss; fwd-status=200; stored"
        }
        (Outcome::Absent, Via::Calls(Calls { status, .. })) => {
            let status = status.unwrap_or(404);
            return value(format!("nebulink; fwd=miss; fwd-status={status}; stored"));
        }
        (Outcome::Failed(_), Via::Calls(Calls { status: Some(status), .. })) => {
            return value(format!("nebulink; fwd=miss; fwd-status={status}"));
        }
        (Outcome::Failed(_), Via::Calls(_)) => "nebulink; fwd=miss",
    };
    HeaderValue::from_static(fixed)
}

/// The value of `server-timing` of an answer that waited for Nebuly.
pub(in crate::web) fn server_timing(via: Via) -> Option<HeaderValue> {
    match via {
        Via::Calls(calls) => Some(value(format!("nebuly;dur={:.3}", calls.duration.as_secs_f64() * 1000.0))),
        Via::Memory | Via::Shared | Via::Stale | Via::Constructed => None,
    }
}

fn value(text: String) -> HeaderValue {
    // Digits and the words above always make a header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("nebulink"))
}
