//! How an answer came about, as `cache-status` (RFC 9211) and `server-timing` say it.

use http::{HeaderName, HeaderValue};

use crate::resolver::{AnswerSource, Calls, Mode, Outcome, Resolution};

pub(in crate::web) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(in crate::web) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The value of `cache-status` (the table in section 4 of the design).
pub(in crate::web) fn cache_status(resolution: &Resolution) -> HeaderValue {
    let fixed = match (&resolution.outcome, resolution.source) {
        (Outcome::Absent, AnswerSource::Memory) => "nebulink; hit; detail=negative",
        (_, AnswerSource::Memory) => "nebulink; hit",
        (_, AnswerSource::Shared) => "nebulink; hit; detail=shared",
        (_, AnswerSource::Stale) => "nebulink; hit; detail=stale",
        (_, AnswerSource::Constructed) => "nebulink; detail=constructed",
        (
            Outcome::Resolved(_) | Outcome::Ambiguous(_),
            AnswerSource::Nebuly(Calls { collapsed: true, .. }),
        ) => "nebulink; fwd=miss; fwd-status=200; collapsed",
        (
            Outcome::Resolved(_) | Outcome::Ambiguous(_),
            AnswerSource::Nebuly(Calls { mode: Mode::Refresh, .. }),
        ) => "nebulink; fwd=request; fwd-status=200; stored",
        (Outcome::Resolved(_) | Outcome::Ambiguous(_), AnswerSource::Nebuly(_)) => {
            "nebulink; fwd=miss; fwd-status=200; stored"
        }
        (Outcome::Absent, AnswerSource::Nebuly(Calls { status, .. })) => {
            let status = status.unwrap_or(404);
            return value(format!("nebulink; fwd=miss; fwd-status={status}; stored"));
        }
        (Outcome::Failed(_), AnswerSource::Nebuly(Calls { status: Some(status), .. })) => {
            return value(format!("nebulink; fwd=miss; fwd-status={status}"));
        }
        (Outcome::Failed(_), AnswerSource::Nebuly(_)) => "nebulink; fwd=miss",
    };
    HeaderValue::from_static(fixed)
}

/// The value of `server-timing` of an answer that waited for Nebuly.
pub(in crate::web) fn server_timing(source: AnswerSource) -> Option<HeaderValue> {
    match source {
        AnswerSource::Nebuly(calls) => {
            Some(value(format!("nebuly;dur={:.3}", calls.duration.as_secs_f64() * 1000.0)))
        }
        AnswerSource::Memory | AnswerSource::Shared | AnswerSource::Stale | AnswerSource::Constructed => None,
    }
}

fn value(text: String) -> HeaderValue {
    // Digits and the words above always make a header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("nebulink"))
}
