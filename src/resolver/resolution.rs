//! What resolving came to, and how.

use std::time::Duration;

use crate::domain::{CallFailure, TargetUrl};

/// How a caller wants a link to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From the cache, if it can be.
    Cached,
    /// By asking Nebuly, even though the cache may know it; if that fails, from the cache.
    Refresh,
}

/// What became of a link, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What became of it.
    pub outcome: Outcome,
    /// How that is known.
    pub via: Via,
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It leads here.
    Resolved(TargetUrl),
    /// Nebuly does not know the item.
    Absent,
    /// It could not be found out.
    Failed(CallFailure),
}

/// How an outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// From memory, fresh.
    Cache,
    /// From a call to Nebuly that this request waited for.
    Call(Call),
}

/// A call to Nebuly that a request waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Why it was made.
    pub mode: Mode,
    /// Whether another request had begun it.
    pub collapsed: bool,
    /// The status of its answer, if there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
}

impl Resolution {
    /// Whether the link leads somewhere.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        matches!(self.outcome, Outcome::Resolved(_))
    }

    /// This resolution, reached after another item was found absent in this way: a call that was waited for is not
    /// forgotten over a later hit on another absence.
    pub(super) fn after(mut self, earlier: Via) -> Self {
        match (&mut self.via, earlier) {
            (Via::Call(call), Via::Call(before)) => call.duration += before.duration,
            (via @ Via::Cache, Via::Call(before)) if self.outcome == Outcome::Absent => {
                *via = Via::Call(before)
            }
            _ => {}
        }
        self
    }
}
