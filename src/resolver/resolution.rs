//! What a caller wants to know, what came of it, and how.

use std::time::Duration;

use crate::domain::{CallFailure, LazyCaller, ProjectIndex, Scope, Spellings, TargetUrl, Timestamp};

/// What a caller wants to know.
pub struct Inquiry<'a> {
    /// What the caller's text may mean.
    pub spellings: &'a Spellings<'a>,
    /// Where it is looked for.
    pub scope: Scope,
    /// From where it may be answered.
    pub mode: Mode,
    /// How long an item that Nebuly does not know yet is waited for.
    pub wait: Duration,
    /// Who asks.
    pub caller: &'a dyn LazyCaller,
}

/// How a caller wants a link to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From a cache, if it can be.
    Cached,
    /// By asking Nebuly, even though a cache may know it; if that fails, from the cache.
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
    /// It leads somewhere.
    Resolved(Found),
    /// No project has the item.
    Absent,
    /// Several projects have a conversation of this id, and nobody guesses.
    Ambiguous(Vec<Found>),
    /// It could not be found out.
    Failed(CallFailure),
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The URL.
    pub url: TargetUrl,
    /// The project that has the item.
    pub project: ProjectIndex,
    /// When Nebuly said so; nothing if it did not.
    pub resolved_at: Option<Timestamp>,
}

/// How an outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// From memory, fresh.
    Memory,
    /// From the shared cache, fresh.
    Shared,
    /// From a cache, past its time; a refresh has been started, or has failed.
    Stale,
    /// Not from Nebuly: built from known ids.
    Constructed,
    /// From calls to Nebuly that this request waited for, or that could not be made.
    Calls(Calls),
}

/// Calls to Nebuly that a request waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Why they were made.
    pub mode: Mode,
    /// Whether another request had begun them.
    pub collapsed: bool,
    /// The status of the answer that decided, if there was one.
    pub status: Option<u16>,
    /// How long they took.
    pub duration: Duration,
}

impl Resolution {
    /// Whether the link leads somewhere.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        matches!(self.outcome, Outcome::Resolved(_))
    }

    /// This resolution, reached after another item was found absent in this way: calls that were waited for are not
    /// forgotten over a later hit on another absence.
    pub(super) fn after(mut self, earlier: Via) -> Self {
        match (&mut self.via, earlier) {
            (Via::Calls(calls), Via::Calls(before)) => calls.duration += before.duration,
            (via @ Via::Memory, Via::Calls(before)) if self.outcome == Outcome::Absent => {
                *via = Via::Calls(before);
            }
            _ => {}
        }
        self
    }
}
