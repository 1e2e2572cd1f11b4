//! What Nebuly sends, and what it is taken for.

use serde::{Deserialize, Serialize};

use crate::domain::Cause;

/// The body of a deep link. Members that may come later are ignored.
#[derive(Deserialize)]
pub(super) struct DeepLink {
    pub(super) url: String,
}

/// The smallest question that a listing takes: used to see whether a key is valid.
#[derive(Serialize)]
pub(super) struct ListInteractions<'a> {
    pub(super) time_range: TimeRange,
    pub(super) filters: &'a [()],
    pub(super) limit: u32,
    pub(super) offset: u32,
}

/// Both ends as RFC 3339.
#[derive(Serialize)]
pub(super) struct TimeRange {
    pub(super) start: String,
    pub(super) end: String,
}

/// What the status of a deep link's answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The body has the URL.
    Found,
    /// This key's project has no such item.
    Absent,
    /// Nothing is settled.
    Failed(Cause),
}

/// Reads a status as the last section of the notes on Nebuly's API does.
pub(super) const fn verdict(status: u16, retry_after: Option<u32>) -> Verdict {
    match status {
        200 => Verdict::Found,
        // 400 and 422: the id is of no form that Nebuly knows. 403: this key may not see it, and no other one is left.
        400 | 403 | 404 | 410 | 422 => Verdict::Absent,
        401 => Verdict::Failed(Cause::KeyRejected),
        429 => Verdict::Failed(Cause::Overloaded { retry_after }),
        500..=599 => Verdict::Failed(Cause::Unavailable),
        // A redirect among them: it is never followed, so that the key never travels.
        _ => Verdict::Failed(Cause::BadAnswer),
    }
}

/// Reads a `Retry-After` in seconds (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &str) -> Option<u32> {
    value.trim().parse().ok()
}
