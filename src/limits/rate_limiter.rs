//! The rate limits of the callers that are remembered: their table, with its lock, clock and counter.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use metrics::Counter;
use parking_lot::Mutex;

use super::bucket::{Rate, TheoreticalArrivalTime};
use super::caller_key::TableKey;
use crate::domain::{Caller, CallerKey, Callers, Clock, FairnessKey, MonotonicTime, RateLimit};

/// The factor by which the limits of a caller with an API token are higher.
const WITH_API_TOKEN: u64 = 10;

/// The number of the callers that came while the table was full: they share it.
const NEWCOMERS: u64 = 0;

/// The number of callers that are looked at to make room for a new one: that bounds what a new caller costs when the
/// table is full.
///
/// Nearly all callers have all their tokens again a few seconds after their last call, so the first look usually finds
/// one. Each new caller goes on where the one before stopped, so that all are looked at in turn.
const LOOKS: usize = 8;

/// The rate limit of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls to Nebuly per second; 0 counts as 1. Ten times as many with an API token.
    pub per_second: u32,
    /// Calls at once after a pause; 0 counts as 1. Ten times as many with an API token.
    pub burst: u32,
    /// Calls that one resolution may cost: its further calls may take the balance so far below zero. Beyond that, as when
    /// many resolutions of one caller are under way, they wait for their tokens.
    pub overdraft: u32,
    /// Callers that are remembered at once; 0 counts as 1.
    pub capacity: usize,
}

/// Gives each caller its rate limit.
///
/// A caller is remembered at least until all tokens that it used have come back, so a caller that comes under many names
/// and addresses cannot make the table forget used tokens. While the table is full of callers with used tokens, new
/// callers share one balance.
///
/// Asked only when a call to Nebuly may be needed. One lock is enough for that: it is held for a look into a table.
pub struct RateLimiter {
    table: Mutex<CallerTable>,
    newcomers: Arc<Account>,
    next_number: AtomicU64,
    common: Arc<Common>,
}

/// The callers that are remembered: a bounded number. None whose tokens have not all come back is forgotten.
struct CallerTable {
    accounts: IndexMap<TableKey<Box<str>>, Arc<Account>>,
    capacity: usize,
    /// The index of the account that is checked next for room.
    next_to_check: usize,
}

/// The balance of one caller.
struct Account {
    theoretical_arrival_time: AtomicU64,
    number: u64,
    rate: Rate,
    common: Arc<Common>,
}

/// The limits, clock and counter that all accounts share.
struct Common {
    rate: Rate,
    rate_with_api_token: Rate,
    overdraft: u32,
    /// The moment from which `theoretical_arrival_time` counts.
    epoch: MonotonicTime,
    clock: Arc<dyn Clock>,
    refused: Counter,
}

impl RateLimiter {
    /// Nobody has spent anything yet. The metrics recorder must be there already.
    #[must_use]
    pub fn new(limits: RateLimits, clock: Arc<dyn Clock>) -> Self {
        let RateLimits { per_second, burst, overdraft, capacity } = limits;
        let (per_second, burst) = (u64::from(per_second.max(1)), u64::from(burst.max(1)));
        metrics::describe_counter!(
            "nebulink_rate_limited_total",
            "Rate-limited requests: their caller asked for too many links that are not cached"
        );
        let common = Arc::new(Common {
            rate: Rate::new(per_second, burst),
            rate_with_api_token: Rate::new(per_second * WITH_API_TOKEN, burst * WITH_API_TOKEN),
            overdraft,
            epoch: clock.monotonic(),
            clock,
            refused: metrics::counter!("nebulink_rate_limited_total"),
        });
        Self {
            table: Mutex::new(CallerTable::new(capacity)),
            newcomers: Arc::new(Account::new(NEWCOMERS, common.rate, &common)),
            next_number: AtomicU64::new(NEWCOMERS + 1),
            common,
        }
    }

    fn account(&self, key: TableKey<&str>) -> Arc<Account> {
        let mut table = self.table.lock();
        if let Some(known) = table.accounts.get(&key) {
            return Arc::clone(known);
        }
        if !table.has_room(self.common.now()) {
            return Arc::clone(&self.newcomers);
        }
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let common = &self.common;
        let rate = if key.has_api_token() { common.rate_with_api_token } else { common.rate };
        let account = Arc::new(Account::new(number, rate, common));
        table.accounts.insert(key.into_owned(), Arc::clone(&account));
        account
    }
}

impl Callers for RateLimiter {
    fn of(&self, key: &CallerKey<'_>) -> Caller {
        let account = self.account(key.into());
        Caller { fairness_key: FairnessKey::Caller(account.number), rate_limit: account }
    }
}

/// Without who they are.
impl fmt::Debug for RateLimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

impl CallerTable {
    /// Allocates the whole capacity, so that no caller waits while the table grows. The unused part takes addresses, and no
    /// memory.
    fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { accounts: IndexMap::with_capacity(capacity), capacity, next_to_check: 0 }
    }

    /// Returns true if another account may be added now; drops one for it if the table is full.
    fn has_room(&mut self, now: u64) -> bool {
        self.accounts.len() < self.capacity || self.make_room(now)
    }

    /// Drops an account that is as good as a new one: nothing is owed, and no request holds it that may still spend.
    fn make_room(&mut self, now: u64) -> bool {
        for _ in 0..LOOKS {
            if self.next_to_check >= self.accounts.len() {
                self.next_to_check = 0;
            }
            let Some((_, account)) = self.accounts.get_index(self.next_to_check) else { return false };
            if Arc::strong_count(account) == 1 && account.is_full(now) {
                // The last one takes its place, and is looked at next.
                self.accounts.swap_remove_index(self.next_to_check);
                return true;
            }
            self.next_to_check += 1;
        }
        false
    }
}

impl Account {
    fn new(number: u64, rate: Rate, common: &Arc<Common>) -> Self {
        Self { theoretical_arrival_time: AtomicU64::new(0), number, rate, common: Arc::clone(common) }
    }

    fn is_full(&self, now: u64) -> bool {
        TheoreticalArrivalTime(self.theoretical_arrival_time.load(Ordering::Relaxed)).is_full(now)
    }

    /// Takes these tokens if at least one is there within `at_most`, or would be, given the overdraft. Returns the time
    /// until then; as an error if nothing was taken. Checks and takes in one step.
    fn take(&self, tokens: u32, overdraft: u32, at_most: Duration) -> Result<Duration, Duration> {
        let (rate, now) = (self.rate, self.common.now());
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
        let given_back = |bucket| Some(TheoreticalArrivalTime(bucket).give_back(self.rate, calls).0);
        // Never `None`, so it always changes.
        self.theoretical_arrival_time.fetch_update(Ordering::Relaxed, Ordering::Relaxed, given_back).ok();
    }
}

impl Common {
    /// Nanoseconds since the start: 64 bits hold centuries of them.
    fn now(&self) -> u64 {
        let since = self.clock.monotonic().since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[path = "rate_limiter_tests.rs"]
mod tests;
