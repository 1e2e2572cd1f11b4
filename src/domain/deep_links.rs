//! The interface to Nebuly, which knows where links lead.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Caller, Item, TargetUrl};

/// Asks one project of Nebuly's for the URLs of items.
pub trait DeepLinks: Send + Sync + 'static {
    /// Asks, in one attempt or more. It ends by the deadline, and never panics on any answer.
    fn resolve<'a>(&'a self, item: &'a Item<'static>, options: &'a CallOptions) -> CallFuture<'a>;
}

/// The callers on whose behalf Nebuly is asked, and the bounds of the call.
#[derive(Clone)]
pub struct CallOptions {
    /// Those who wait for the answer: each call is made at the turn of whichever of them comes first.
    pub callers: Arc<dyn WaitingCallers>,
    /// The time from which nobody waits for the answer any more.
    pub deadline: Instant,
    /// True if a failed attempt may be retried.
    pub may_retry: bool,
}

/// The callers that wait for one resolution, in the order in which they came. More may join while it runs.
pub trait WaitingCallers: Send + Sync + 'static {
    /// The caller at this position, counted from 0; waits until there is one. There is always a first.
    fn at(&self, position: usize) -> CallerFuture<'_>;
}

/// The future that [`WaitingCallers::at`] returns.
pub type CallerFuture<'a> = Pin<Box<dyn Future<Output = Caller> + Send + 'a>>;

/// One caller, who waits alone.
impl WaitingCallers for Caller {
    fn at(&self, position: usize) -> CallerFuture<'_> {
        if position == 0 { Box::pin(ready(self.clone())) } else { Box::pin(pending()) }
    }
}

/// The future that [`DeepLinks::resolve`] returns.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, CallFailure>> + Send + 'a>>;

/// A conclusive answer about an item: by default, its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T = TargetUrl> {
    /// The item is there.
    Found(T),
    /// The item is not there for our key.
    Absent {
        /// The status that said so, for the `fwd-status` of RFC 9211.
        status: u16,
    },
}

impl Answer {
    /// Returns true if an item that was there before is gone now. Other statuses that make an item absent may be about the
    /// call instead.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Absent { status: 404 | 410 })
    }
}

/// A call without a conclusive answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFailure {
    /// Why.
    pub cause: Cause,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

/// The reason why a call had no conclusive answer. The web layer has one table that turns these into statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nebuly rejects our key: the operator must act. Becomes 502.
    KeyRejected,
    /// The answer is no URL that may be used. Becomes 502.
    BadAnswer,
    /// No connection, a reset, or 5xx. Becomes 502.
    Unavailable,
    /// Nebuly rate-limits us (429), its circuit breaker is open, too many calls are queued, or there is too little time
    /// left to begin a call. Becomes 503.
    Overloaded {
        /// The seconds after which asking again may succeed. Without it, the time was up before the call could begin.
        retry_after: Option<u32>,
    },
    /// This caller asked for too many cold links. Becomes 429.
    RateLimited {
        /// The seconds after which it may ask again.
        retry_after: u32,
    },
    /// Nothing came in time. Becomes 504.
    Timeout,
    /// A defect of ours. Becomes 500.
    Internal,
}

/// A pause in the whole seconds of `Retry-After`: at least one, rounded up.
#[must_use]
pub fn retry_after(pause: Duration) -> u32 {
    let seconds = pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0));
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_in_whole_seconds_rather_too_long_and_never_zero() {
        for (milliseconds, told) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (300_000, 300)] {
            assert_eq!(retry_after(Duration::from_millis(milliseconds)), told);
        }
        assert_eq!(retry_after(Duration::MAX), u32::MAX);
    }
}
