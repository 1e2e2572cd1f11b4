//! Callers, their rate limits, and their shares of the calls in flight.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The identity of a caller. Callers of different variants are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKey<'a> {
    /// The person that a trusted proxy names.
    Identity(&'a str),
    /// The same, with an API token: its limits are others, and so is its balance.
    IdentityWithApiToken(&'a str),
    /// The name of an API token, never the token.
    ApiToken(&'a str),
    /// The address of the nearest hop that is not trusted. Of IPv6 only the /64 counts: whoever has one has all of it.
    Address(IpAddr),
}

/// A caller, as far as its calls to Nebuly are concerned.
#[derive(Clone)]
pub struct Caller {
    /// The key under which its calls in flight are counted.
    pub fairness_key: FairnessKey,
    /// The rate limit that its calls count against.
    pub rate_limit: Arc<dyn RateLimit>,
}

/// Tells apart those among whom the calls in flight are shared, so that nobody takes all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FairnessKey {
    /// The caller with this number, which stands for its identity, token or address.
    Caller(u64),
    /// The batches of the caller with this number.
    Batch(u64),
    /// All refreshes of stale links together.
    Refresh,
    /// All listings and details together. Among themselves, their callers share them by keys of their own.
    ListingsAndDetails,
}

impl Caller {
    /// The same caller, for the links of a batch.
    #[must_use]
    pub fn of_batch(self) -> Self {
        let fairness_key = match self.fairness_key {
            FairnessKey::Caller(number) => FairnessKey::Batch(number),
            other => other,
        };
        Self { fairness_key, ..self }
    }
}

/// The rate limit of one caller: a token bucket. Every call that is made to Nebuly for the caller costs a token.
pub trait RateLimit: Send + Sync + 'static {
    /// Takes a token for each of the first `calls` of a resolution, if there is at least one token. The balance may go
    /// negative. Without a token nothing is taken, and the error is the time until there is one.
    fn try_acquire(&self, calls: u32) -> Result<(), Duration>;

    /// Takes a token for a further call, and returns the time that the call must wait. It is zero while the balance is
    /// negative by no more than what one resolution costs. If the call would have to wait longer than `at_most`, nothing
    /// is taken, and the error is the time.
    fn acquire(&self, at_most: Duration) -> Result<Duration, Duration>;

    /// Gives tokens back, for calls that were not made.
    fn release(&self, calls: u32);
}

/// No limit, for what no caller asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl RateLimit for Unlimited {
    fn try_acquire(&self, _calls: u32) -> Result<(), Duration> {
        Ok(())
    }

    fn acquire(&self, _at_most: Duration) -> Result<Duration, Duration> {
        Ok(Duration::ZERO)
    }

    fn release(&self, _calls: u32) {}
}

/// Gives each caller its rate limit.
pub trait Callers: Send + Sync + 'static {
    /// The caller with this key.
    fn of(&self, key: &CallerKey<'_>) -> Caller;
}

/// The caller of one request, determined only when a call to Nebuly may be needed: a cache hit costs it nothing.
pub trait LazyCaller: Send + Sync {
    /// The caller. It is determined by the first call, and kept.
    fn caller(&self) -> &Caller;
}

impl LazyCaller for Caller {
    fn caller(&self) -> &Caller {
        self
    }
}
