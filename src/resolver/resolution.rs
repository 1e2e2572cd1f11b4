//! The request of a caller, its outcome, and the source of the answer.

use std::time::Duration;

use crate::domain::{
    CallFailure, Cause, IdCandidates, LazyCaller, ProjectIndex, Scope, TargetUrl, Timestamp,
};

/// A link that a caller asks for.
pub struct ResolveRequest<'a> {
    /// The items that the caller's text may mean.
    pub candidates: &'a IdCandidates<'a>,
    /// The projects in which it is looked for.
    pub scope: Scope,
    /// Decides whether a cache may answer.
    pub mode: Mode,
    /// The time for which to wait for an item that Nebuly does not have yet.
    pub wait: Duration,
    /// The caller.
    pub caller: &'a dyn LazyCaller,
}

/// The way in which a caller wants a link to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From a cache, if possible.
    Cached,
    /// By asking Nebuly, even if the link is cached; if that fails, from the cache.
    Refresh,
}

/// The answer to a request: by default, for a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution<T = Found> {
    /// The result.
    pub outcome: Outcome<T>,
    /// Where the answer came from.
    pub source: AnswerSource,
    /// The position of the candidate that it is about, counted from 0: see [`IdCandidates::at`].
    pub candidate: usize,
}

/// The result of a resolution: by default, the URL that the link leads to, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T = Found> {
    /// The link leads to a URL.
    Resolved(T),
    /// No project has the item.
    Absent,
    /// Several projects have a conversation of this id, or an item with this tag.
    Ambiguous(Vec<T>),
    /// It could not be found out: Nebuly could not be asked, or its answer was not usable.
    Failed(CallFailure),
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The URL.
    pub url: TargetUrl,
    /// The project that has the item.
    pub project: ProjectIndex,
    /// The time at which Nebuly said so, if it did.
    pub resolved_at: Option<Timestamp>,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSource {
    /// The memory of this process; the answer is fresh.
    Memory,
    /// The shared cache; the answer is fresh.
    Shared,
    /// A cache; the answer is stale, and a refresh has been started or has failed.
    Stale,
    /// Built from known ids; Nebuly did not say it.
    Constructed,
    /// Calls to Nebuly that this request waited for, or that could not be made.
    Nebuly(Calls),
}

/// Calls to Nebuly that a request waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// The mode of the request that waited for them.
    pub mode: Mode,
    /// True if the request followed the flight of another one, which made the calls.
    pub collapsed: bool,
    /// True if a project could not be asked that may have an item with the tag, too.
    pub is_incomplete: bool,
    /// The status of the answer that decided, if there was one.
    pub status: Option<u16>,
    /// The time that they took.
    pub duration: Duration,
}

impl AnswerSource {
    /// The source of an answer in a flight. [`Resolution::for_caller`] adds the caller's own part.
    pub(super) const fn nebuly(status: Option<u16>, duration: Duration) -> Self {
        Self::Nebuly(Calls { mode: Mode::Cached, collapsed: false, is_incomplete: false, status, duration })
    }
}

impl<T> Resolution<T> {
    /// A resolution of the first candidate.
    pub(super) const fn new(outcome: Outcome<T>, source: AnswerSource) -> Self {
        Self { outcome, source, candidate: 0 }
    }

    /// The same, of the candidate at this position.
    pub(super) const fn of_candidate(mut self, position: usize) -> Self {
        self.candidate = position;
        self
    }

    /// The time was up before a call could begin.
    pub(super) const OUT_OF_TIME: Self = Self::failed(Cause::Overloaded { retry_after: None });

    /// A resolution that failed before or without an answer of Nebuly's.
    pub(super) const fn failed(cause: Cause) -> Self {
        let outcome = Outcome::Failed(CallFailure { cause, status: None });
        Self::new(outcome, AnswerSource::nebuly(None, Duration::ZERO))
    }

    /// The same for one of the callers that waited for it: in its mode, and `collapsed` if it was not the leader.
    pub(super) const fn for_caller(mut self, mode: Mode, collapsed: bool) -> Self {
        if let AnswerSource::Nebuly(calls) = &mut self.source {
            calls.mode = mode;
            calls.collapsed = collapsed;
        }
        self
    }

    /// Returns true if the link leads somewhere.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        matches!(self.outcome, Outcome::Resolved(_))
    }

    /// Returns true if the time was up before a call could begin.
    pub(super) const fn is_out_of_time(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Failed(CallFailure { cause: Cause::Overloaded { retry_after: None }, status: None })
        )
    }

    /// Returns true if the rate limit of the caller that led the flight refused it.
    pub(super) const fn is_rate_limited(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(CallFailure { cause: Cause::RateLimited { .. }, .. }))
    }

    /// This resolution, after another candidate was found absent. Calls that the request waited for still count if this
    /// candidate is a cached absence.
    pub(super) fn after(mut self, earlier: AnswerSource) -> Self {
        match (&mut self.source, earlier) {
            (AnswerSource::Nebuly(calls), AnswerSource::Nebuly(before)) => calls.duration += before.duration,
            (source @ AnswerSource::Memory, AnswerSource::Nebuly(before))
                if matches!(self.outcome, Outcome::Absent) =>
            {
                *source = AnswerSource::Nebuly(before);
            }
            _ => {}
        }
        self
    }
}
