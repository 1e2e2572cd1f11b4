//! The table of callers behind its lock, with the clock and the counter.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;

use super::RateLimits;
use super::bucket::{Rate, TheoreticalArrivalTime};
use super::caller_key::Key;
use super::table::Table;
use crate::domain::{self, Caller, CallerKey, FairnessKey, RateLimit};

/// How many times as much a caller with an API token may cost.
const WITH_API_TOKEN: u64 = 10;

/// The number of those who came while the table was full.
const NEWCOMERS: u64 = 0;

/// What each caller may still cost.
///
/// A caller that goes away is remembered at least until everything that it spent has come back: coming under other
/// names and addresses pushes nobody's debts out of the table. While it is full of callers who owe, newcomers share one
/// balance.
///
/// Asked only when a call to Nebuly may be needed. One lock is enough for that: it is held for a look into a table.
pub struct RateLimiter {
    table: Mutex<Table>,
    newcomers: Arc<Account>,
    next_number: AtomicU64,
    common: Arc<Common>,
}

/// What one caller has spent.
pub(super) struct Account {
    theoretical_arrival_time: AtomicU64,
    number: u64,
    has_api_token: bool,
    common: Arc<Common>,
}

/// What all accounts share.
struct Common {
    rate: Rate,
    rate_with_api_token: Rate,
    overdraft: u32,
    /// What moments count from.
    epoch: Instant,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    refused: Counter,
}

impl RateLimiter {
    /// Nobody has spent anything yet. The metrics recorder must be there already.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        Self::with_clock(limits, Instant::now)
    }

    /// The same, with another clock.
    pub fn with_clock(limits: RateLimits, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let RateLimits { per_second, burst, overdraft, capacity } = limits;
        let (per_second, burst) = (u64::from(per_second.max(1)), u64::from(burst.max(1)));
        metrics::describe_counter!(
            "nebulink_rate_limited_total",
            "Resolutions that were refused because their caller asked for too many cold links"
        );
        let common = Arc::new(Common {
            rate: Rate::new(per_second, burst),
            rate_with_api_token: Rate::new(per_second * WITH_API_TOKEN, burst * WITH_API_TOKEN),
            overdraft,
            epoch: now(),
            now: Box::new(now),
            refused: metrics::counter!("nebulink_rate_limited_total"),
        });
        Self {
            table: Mutex::new(Table::new(capacity)),
            newcomers: Arc::new(Account::new(NEWCOMERS, false, &common)),
            next_number: AtomicU64::new(NEWCOMERS + 1),
            common,
        }
    }

    /// The caller with this key.
    #[must_use]
    pub fn of(&self, key: &CallerKey<'_>) -> Caller {
        let account = self.account(key.into());
        Caller { fairness_key: FairnessKey::Caller(account.number), rate_limit: account }
    }

    fn account(&self, key: Key<&str>) -> Arc<Account> {
        // A panic leaves the table whole: each change of it is one step.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(&key) {
            return known;
        }
        if !table.has_room(self.common.now()) {
            return Arc::clone(&self.newcomers);
        }
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let account = Arc::new(Account::new(number, key.has_api_token(), &self.common));
        table.insert(key.into_owned(), Arc::clone(&account));
        account
    }
}

impl domain::Callers for RateLimiter {
    fn of(&self, key: &CallerKey<'_>) -> Caller {
        self.of(key)
    }
}

/// Without who they are.
impl fmt::Debug for RateLimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

impl Account {
    fn new(number: u64, has_api_token: bool, common: &Arc<Common>) -> Self {
        Self {
            theoretical_arrival_time: AtomicU64::new(0),
            number,
            has_api_token,
            common: Arc::clone(common),
        }
    }

    pub(super) fn is_full(&self, now: u64) -> bool {
        TheoreticalArrivalTime(self.theoretical_arrival_time.load(Ordering::Relaxed)).is_full(now)
    }

    fn rate(&self) -> Rate {
        if self.has_api_token { self.common.rate_with_api_token } else { self.common.rate }
    }

    /// Looks and takes in one step: takes these tokens if one is there within `at_most`, or would be with so many more, and
    /// returns in how long it is.
    fn take(&self, tokens: u32, overdraft: u32, at_most: Duration) -> Result<Duration, Duration> {
        let (rate, now) = (self.rate(), self.common.now());
        let mut wait = Duration::ZERO;
        let take = |bucket| {
            let bucket = TheoreticalArrivalTime(bucket);
            wait = bucket.until_a_token(rate, overdraft, now);
            (wait <= at_most).then(|| bucket.take(rate, tokens, now).0)
        };
        // Nothing else is read by it, so the order to other memory does not matter.
        let taken =
            self.theoretical_arrival_time.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if taken { Ok(wait) } else { Err(wait) }
    }
}

impl RateLimit for Account {
    /// Each refusal counts in `nebulink_rate_limited_total`.
    fn try_acquire(&self, calls: u32) -> Result<(), Duration> {
        self.take(calls, 0, Duration::ZERO).map(drop).inspect_err(|_| self.common.refused.increment(1))
    }

    fn acquire(&self, at_most: Duration) -> Result<Duration, Duration> {
        self.take(1, self.common.overdraft, at_most)
    }

    fn release(&self, calls: u32) {
        let rate = self.rate();
        let given_back = |bucket| Some(TheoreticalArrivalTime(bucket).give_back(rate, calls).0);
        // Never `None`, so it always changes.
        self.theoretical_arrival_time.fetch_update(Ordering::Relaxed, Ordering::Relaxed, given_back).ok();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Common {
    /// Nanoseconds since the start: 64 bits hold centuries of them.
    fn now(&self) -> u64 {
        let since = (self.now)().saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[path = "rate_limiter_tests.rs"]
mod tests;
