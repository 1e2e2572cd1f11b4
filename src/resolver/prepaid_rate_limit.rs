//! The rate limit of a caller during one resolution.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::domain::RateLimit;

/// The rate limit of a caller, with tokens that were taken in advance for the first calls of one resolution. Further
/// calls take theirs as they come. Tokens that are left at the end are given back.
pub(super) struct PrepaidRateLimit {
    rate_limit: Arc<dyn RateLimit>,
    tokens: AtomicU32,
}

impl PrepaidRateLimit {
    /// Without tokens at first.
    pub(super) fn new(rate_limit: Arc<dyn RateLimit>) -> Self {
        Self { rate_limit, tokens: AtomicU32::new(0) }
    }

    /// Takes the tokens for the first calls in advance, unless some are left. Without a token nothing is taken, and the error
    /// is the time until there is one.
    pub(super) fn prepay(&self, calls: u32) -> Result<(), Duration> {
        if self.tokens.load(Ordering::Relaxed) == 0 {
            self.rate_limit.try_acquire(calls)?;
            self.tokens.fetch_add(calls, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl RateLimit for PrepaidRateLimit {
    /// Takes them as [`Self::acquire`] does, at once: the resolution has begun.
    fn try_acquire(&self, calls: u32) -> Result<(), Duration> {
        (0..calls).try_for_each(|_| self.acquire(Duration::ZERO).map(drop))
    }

    fn acquire(&self, at_most: Duration) -> Result<Duration, Duration> {
        let one_less = |tokens: u32| tokens.checked_sub(1);
        match self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => Ok(Duration::ZERO),
            Err(_none_left) => self.rate_limit.acquire(at_most),
        }
    }

    fn release(&self, calls: u32) {
        self.rate_limit.release(calls);
    }
}

impl Drop for PrepaidRateLimit {
    fn drop(&mut self) {
        self.rate_limit.release(*self.tokens.get_mut());
    }
}
