//! The interface of the one who knows where links lead: Nebuly.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::{Item, TargetUrl};

/// Asks one project of Nebuly's for the URLs of items.
pub trait DeepLinks: Send + Sync + 'static {
    /// Asks, in one attempt or more. It ends by the deadline, and never panics on any answer.
    fn resolve<'a>(&'a self, item: &'a Item<'static>, terms: &'a Terms) -> CallFuture<'a>;
}

/// On whose behalf, and on what terms, Nebuly is asked.
#[derive(Clone)]
pub struct Terms {
    /// Who shares the calls in flight.
    pub share: Share,
    /// When the answer is of no more use.
    pub deadline: Instant,
    /// Whether an attempt that failed may be made again.
    pub may_retry: bool,
    /// Pays for each attempt.
    pub tokens: Arc<dyn Tokens>,
}

/// Who the calls in flight are shared among, so that nobody takes all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// The caller with this number, which stands for its identity, token or address.
    Caller(u64),
    /// All refreshes of stale links together.
    Refresh,
}

/// What a caller may still cost: every call that is made to Nebuly for it takes one.
pub trait Tokens: Send + Sync + 'static {
    /// Takes one. A resolution once begun is finished, so there may be fewer than none afterwards.
    fn spend(&self);

    /// Whether another resolution may begin; if not, in how many seconds it may.
    fn afford(&self) -> Result<(), u32>;
}

/// Tokens without end, for what no caller asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Tokens for Unlimited {
    fn spend(&self) {}

    fn afford(&self) -> Result<(), u32> {
        Ok(())
    }
}

/// What [`DeepLinks::resolve`] returns.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, CallFailure>> + Send + 'a>>;

/// An answer that settles what becomes of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The item is there.
    Found(TargetUrl),
    /// The item is not there for our key.
    Absent {
        /// The status that said so, for the `fwd-status` of RFC 9211.
        status: u16,
    },
}

impl Answer {
    /// Whether it says that an item is gone that was there before: other refusals may be about the call (what Nebuly's
    /// answers are taken for is in the last section of its notes).
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Absent { status: 404 | 410 })
    }
}

/// A call that settled nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFailure {
    /// Why.
    pub cause: Cause,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

/// Why a call settled nothing. The web layer has one table that turns these into statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nebuly refuses our key: the operator must act. Becomes 502.
    KeyRejected,
    /// The answer is no URL that may be used. Becomes 502.
    BadAnswer,
    /// No connection, a reset, or 5xx. Becomes 502.
    Unavailable,
    /// Nebuly asks us to slow down, its circuit is open, or too many calls wait already. Becomes 503.
    Overloaded {
        /// In how many seconds it may be worth to ask again, if that is known.
        retry_after: Option<u32>,
    },
    /// This caller asked for too many cold links. Becomes 429.
    RateLimited {
        /// In how many seconds it may ask again.
        retry_after: u32,
    },
    /// Nothing came in time. Becomes 504.
    Timeout,
    /// A defect of ours. Becomes 500.
    Internal,
}
