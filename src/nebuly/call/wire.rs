//! What Nebuly sends, and what it is taken for.

use serde::{Deserialize, Serialize};

/// The body of a deep link. Members that may come later are ignored.
#[derive(Deserialize)]
pub(in crate::nebuly) struct DeepLink {
    pub(in crate::nebuly) url: String,
}

/// The smallest question that a listing takes: used to see whether a key is valid.
#[derive(Serialize)]
pub(in crate::nebuly) struct ListInteractions<'a> {
    pub(in crate::nebuly) time_range: TimeRange,
    pub(in crate::nebuly) filters: &'a [()],
    pub(in crate::nebuly) limit: u32,
    pub(in crate::nebuly) offset: u32,
}

/// Both ends as RFC 3339.
#[derive(Serialize)]
pub(in crate::nebuly) struct TimeRange {
    pub(in crate::nebuly) start: String,
    pub(in crate::nebuly) end: String,
}

/// What the status of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) enum Verdict {
    /// The body has what was asked for.
    Found,
    /// This key's project has no such item.
    Absent,
    /// The key is refused.
    KeyRefused,
    /// Nebuly asks us to slow down.
    Throttled,
    /// What stands before Nebuly cannot reach it, which may pass.
    Outage,
    /// Nebuly failed, which may be the id's fault.
    Failed,
    /// No answer of this API's.
    Strange,
}

/// Reads a status as the last section of the notes on Nebuly's API does.
pub(in crate::nebuly) const fn verdict(status: u16) -> Verdict {
    match status {
        200 => Verdict::Found,
        // 400 and 422: the id is of no form that Nebuly knows. 403: this key may not see it, but another one may.
        400 | 403 | 404 | 410 | 422 => Verdict::Absent,
        401 => Verdict::KeyRefused,
        429 => Verdict::Throttled,
        502..=504 => Verdict::Outage,
        500..=599 => Verdict::Failed,
        // A redirect among them: it is never followed, so that the key never travels.
        _ => Verdict::Strange,
    }
}
