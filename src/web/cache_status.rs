//! How an answer came about, as `cache-status` (RFC 9211) and `server-timing` say it.

use http::{HeaderName, HeaderValue};

use crate::resolver::{Call, Mode, Outcome, Resolution, Via};

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The value of `cache-status`.
pub(super) fn cache_status(resolution: &Resolution) -> HeaderValue {
    match (&resolution.outcome, resolution.via) {
        (Outcome::Absent, Via::Cache) => HeaderValue::from_static("nebulink; hit; detail=negative"),
        (_, Via::Cache) => HeaderValue::from_static("nebulink; hit"),
        (Outcome::Resolved(_), Via::Call(Call { collapsed: true, .. })) => {
            HeaderValue::from_static("nebulink; fwd=miss; fwd-status=200; collapsed")
        }
        (Outcome::Resolved(_), Via::Call(Call { mode: Mode::Refresh, .. })) => {
            HeaderValue::from_static("nebulink; fwd=request; fwd-status=200; stored")
        }
        (Outcome::Resolved(_), Via::Call(_)) => {
            HeaderValue::from_static("nebulink; fwd=miss; fwd-status=200; stored")
        }
        (Outcome::Absent, Via::Call(Call { status, .. })) => {
            let status = status.unwrap_or(404);
            value(format!("nebulink; fwd=miss; fwd-status={status}; stored"))
        }
        (Outcome::Failed(_), Via::Call(Call { status: Some(status), .. })) => {
            value(format!("nebulink; fwd=miss; fwd-status={status}"))
        }
        (Outcome::Failed(_), Via::Call(_)) => HeaderValue::from_static("nebulink; fwd=miss"),
    }
}

/// The value of `server-timing` of an answer that waited for Nebuly.
pub(super) fn server_timing(via: Via) -> Option<HeaderValue> {
    match via {
        Via::Cache => None,
        Via::Call(call) => Some(value(format!("nebuly;dur={:.3}", call.duration.as_secs_f64() * 1000.0))),
    }
}

/// What became of a link, in the words of the metrics (section 11 of the design).
pub(super) const fn outcome(resolution: &Resolution) -> &'static str {
    match (&resolution.outcome, resolution.via) {
        (Outcome::Absent, Via::Cache) => "negative",
        (_, Via::Cache) => "hit",
        (Outcome::Resolved(_), Via::Call(Call { collapsed: true, .. })) => "collapsed",
        (Outcome::Resolved(_), Via::Call(_)) => "resolved",
        (Outcome::Absent, Via::Call(_)) => "absent",
        (Outcome::Failed(_), Via::Call(_)) => "failed",
    }
}

fn value(text: String) -> HeaderValue {
    // Digits and the words above always make a header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("nebulink"))
}
