//! The interface of the one who knows where links lead: Nebuly.

use std::future::Future;
use std::pin::Pin;

use super::{Item, TargetUrl};

/// Asks for the URL of an item.
pub trait DeepLinks: Send + Sync + 'static {
    /// Asks once. It ends within the deadline that the implementation was given, and never panics on any answer.
    fn resolve<'a>(&'a self, item: &'a Item<'static>) -> CallFuture<'a>;
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
    /// Nebuly asks us to slow down. Becomes 503.
    Overloaded {
        /// How many seconds it asks us to wait, if it says.
        retry_after: Option<u32>,
    },
    /// Nothing came in time. Becomes 504.
    Timeout,
    /// A defect of ours. Becomes 500.
    Internal,
}
