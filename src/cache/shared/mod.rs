//! Links that replicas share, on Redis or Valkey.
//!
//! The server may be slow or unreachable, or return invalid data, at any time. A look-up is then a miss, within its
//! timeout. The shared cache never fails a request, never delays an answer in order to write, never shares that an item
//! is absent, and never uses an entry that does not itself name the item and the project that it is about.

mod entry;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod options;
mod redis_breaker;
mod redis_client;
mod redis_connection;
mod redis_key;
mod reply_limit;

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, counter, describe_counter};
use tokio::sync::mpsc;

use self::entry::{EntryReader, SharedEntry};
pub use self::options::{SharedCacheError, SharedCacheOptions};
use self::redis_client::{NoAnswer, PendingWrite, RedisClient, RedisValue};
use self::redis_key::RedisKeys;
use crate::domain::{
    Clock, ContainsKey, Freshness, Item, Lifetimes, ProjectIndex, ProjectName, Scope, SharedFuture,
    SharedLink, SharedLinks,
};

/// The most by which a time to live is shortened, in thousandths: links that were found together do not all expire
/// together.
const JITTER: u32 = 50;

/// The most links that wait to be written. Each takes a few hundred bytes, 8 KiB at worst.
const MAX_WAITING: usize = 512;

/// The most links that are written at once, in one round trip.
const BATCH: usize = 64;

const REQUESTS: &str = "nebulink_shared_cache_requests_total";

/// The links that replicas share.
///
/// It connects lazily, and again when it must. While the server does not answer, a circuit breaker skips it for growing
/// pauses, so that it costs nothing.
pub struct SharedCache {
    redis: Arc<RedisClient>,
    to_write: mpsc::Sender<PendingWrite>,
    lookups: LookupCounters,
    writes: WriteCounters,
    keys: RedisKeys,
    reader: EntryReader,
    projects: Vec<ProjectName>,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
}

/// The task that writes the links that a [`SharedCache`] is given.
///
/// It has to run, or nothing is shared. It ends once the cache is dropped and everything is written, and may be dropped at
/// any time before.
#[must_use = "nothing is shared unless it runs"]
pub struct SharedCacheWriter {
    redis: Arc<RedisClient>,
    writes: WriteCounters,
    waiting: mpsc::Receiver<PendingWrite>,
}

/// Counts look-ups, by result.
struct LookupCounters {
    /// A link was found.
    hit: Counter,
    /// No link was found.
    miss: Counter,
    /// There was an entry, and none that is valid.
    invalid: Counter,
    /// The server could not be reached, or answered with an error.
    failed: Counter,
    /// The server did not answer in time.
    timeout: Counter,
    /// The server was not asked: the circuit breaker is open, or too many look-ups are in flight.
    skipped: Counter,
}

/// Counts writes, by result.
#[derive(Clone)]
struct WriteCounters {
    /// The link was written.
    ok: Counter,
    /// The server could not be reached, or answered with an error.
    failed: Counter,
    /// The server did not answer in time.
    timeout: Counter,
    /// The link was not sent: the circuit breaker is open, or the link cannot be shared.
    skipped: Counter,
    /// Too many links were waiting to be written.
    dropped: Counter,
}

impl SharedCache {
    /// A cache, not yet connected, and the task that writes for it.
    ///
    /// The recorder of the metrics must be installed before.
    pub fn new(
        options: SharedCacheOptions,
        contains_key: ContainsKey,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, SharedCacheWriter), SharedCacheError> {
        let redis = Arc::new(RedisClient::new(options.address()?, options.timeout));
        describe_counter!(REQUESTS, "Reads and writes of the shared cache");
        let counters = WriteCounters::new();
        let (to_write, waiting) = mpsc::channel(MAX_WAITING);
        let writer = SharedCacheWriter { redis: Arc::clone(&redis), writes: counters.clone(), waiting };
        let cache = Self {
            redis,
            to_write,
            lookups: LookupCounters::new(),
            writes: counters,
            keys: RedisKeys::new(options.key_prefix, options.api_base_url),
            reader: EntryReader { allowed_hosts: options.allowed_hosts, contains_key },
            projects: options.projects,
            lifetimes: options.lifetimes,
            clock,
        };
        Ok((cache, writer))
    }

    async fn look_up(&self, scope: Scope, item: &Item<'static>) -> Vec<SharedLink> {
        let lookups = &self.lookups;
        let wanted = self.wanted(scope);
        if wanted.is_empty() {
            lookups.miss.increment(1);
            return Vec::new();
        }
        let keys: Vec<_> = wanted.iter().map(|(scope, _, name)| self.keys.key(*scope, name, item)).collect();
        let values = match self.redis.read(&keys).await {
            Ok(values) => values,
            Err(no_answer) => {
                match no_answer {
                    NoAnswer::Skipped => lookups.skipped.increment(1),
                    NoAnswer::Timeout => lookups.timeout.increment(1),
                    NoAnswer::Failed(_) => lookups.failed.increment(1),
                }
                return Vec::new();
            }
        };
        let now = self.clock.now();
        let mut links: Vec<SharedLink> = Vec::new();
        let mut is_any_invalid = false;
        for (value, (_, project, name)) in values.into_iter().zip(wanted) {
            let entry = match value {
                RedisValue::Empty => continue,
                RedisValue::Bytes(bytes) => self.reader.read(&bytes, name, item, now),
                RedisValue::Unusable => None,
            };
            let Some(SharedEntry { url, resolved_at }) = entry else {
                is_any_invalid = true;
                continue;
            };
            // Entries expire in Redis by themselves, unless an operator changed that or our lifetimes were shortened.
            if self.lifetimes.freshness(resolved_at, now) == Freshness::Expired {
                continue;
            }
            let link = SharedLink { url, project, resolved_at };
            match links.iter_mut().find(|known| known.project == project) {
                Some(known) if known.resolved_at < resolved_at => *known = link,
                Some(_) => {}
                None => links.push(link),
            }
        }
        let result = match (links.is_empty(), is_any_invalid) {
            (false, _) => &lookups.hit,
            (true, true) => &lookups.invalid,
            (true, false) => &lookups.miss,
        };
        result.increment(1);
        links
    }

    /// The scopes and projects to look under. A caller who named a project may have what was found there for callers who
    /// named none, but not the other way round.
    fn wanted(&self, scope: Scope) -> Vec<(Scope, ProjectIndex, &ProjectName)> {
        match scope {
            Scope::All => {
                let projects = self.projects.iter().enumerate();
                projects
                    .filter_map(|(position, name)| Some((Scope::All, ProjectIndex::new(position)?, name)))
                    .collect()
            }
            Scope::Only(project) => {
                let name = self.projects.get(project.position());
                name.into_iter()
                    .flat_map(|name| [(scope, project, name), (Scope::All, project, name)])
                    .collect()
            }
        }
    }

    /// The write for a link, or `None` if the link cannot be shared or has expired.
    fn to_write(&self, scope: Scope, item: &Item<'static>, link: SharedLink) -> Option<PendingWrite> {
        let name = self.projects.get(link.project.position())?;
        let age = self.clock.now().since(link.resolved_at);
        let time_to_live = time_to_live(self.lifetimes, age, fastrand::u32(0..=JITTER))?;
        let value = SharedEntry { url: link.url, resolved_at: link.resolved_at }.encode(name, item)?;
        Some(PendingWrite { key: self.keys.key(scope, name, item), value, time_to_live })
    }
}

impl SharedLinks for SharedCache {
    fn get<'a>(&'a self, scope: Scope, item: &'a Item<'static>) -> SharedFuture<'a> {
        Box::pin(self.look_up(scope, item))
    }

    fn put(&self, scope: Scope, item: &Item<'static>, link: SharedLink) {
        let writes = &self.writes;
        match self.to_write(scope, item, link).map(|write| self.to_write.try_send(write)) {
            Some(Ok(())) => {}
            Some(Err(_full)) => writes.dropped.increment(1),
            None => writes.skipped.increment(1),
        }
    }
}

impl SharedCacheWriter {
    /// Runs until the cache is dropped. Needs a tokio runtime.
    pub async fn run(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_refused = false;
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.write(&batch, &mut is_refused).await;
            batch.clear();
        }
    }

    async fn write(&self, batch: &[PendingWrite], is_refused: &mut bool) {
        let writes = &self.writes;
        let all = batch.len() as u64;
        match self.redis.write(batch).await {
            Err(NoAnswer::Skipped) => writes.skipped.increment(all),
            Err(NoAnswer::Timeout) => writes.timeout.increment(all),
            Err(NoAnswer::Failed(_)) => writes.failed.increment(all),
            Ok(written) => {
                for written in written {
                    match &written {
                        Ok(()) => writes.ok.increment(1),
                        Err(_) => writes.failed.increment(1),
                    }
                    // A server that is full, or lets itself only be read, answers everything else.
                    if let (Err(fault), false) = (&written, *is_refused) {
                        tracing::warn!(cause = fault.0, "Redis refused a write");
                    }
                    *is_refused = written.is_err();
                }
            }
        }
    }
}

impl LookupCounters {
    fn new() -> Self {
        let get = |result| counter!(REQUESTS, "operation" => "get", "result" => result);
        Self {
            hit: get("hit"),
            miss: get("miss"),
            invalid: get("invalid"),
            failed: get("failed"),
            timeout: get("timeout"),
            skipped: get("skipped"),
        }
    }
}

impl WriteCounters {
    fn new() -> Self {
        let put = |result| counter!(REQUESTS, "operation" => "put", "result" => result);
        Self {
            ok: put("ok"),
            failed: put("failed"),
            timeout: put("timeout"),
            skipped: put("skipped"),
            dropped: put("dropped"),
        }
    }
}

/// The time to live of a link of this age, shortened by so many thousandths, or `None` if the link has expired.
fn time_to_live(lifetimes: Lifetimes, age: Duration, shortened_by: u32) -> Option<Duration> {
    let left = lifetimes.max_age().saturating_sub(age);
    let kept = left.saturating_sub(left / 1000 * shortened_by);
    (kept.as_millis() > 0).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        ttl: Duration::from_secs(60),
        stale: Duration::from_secs(540),
        negative_ttl: Duration::from_secs(5),
    };

    #[test]
    fn a_time_to_live_is_both_lifetimes_less_the_age_and_a_little_shorter() {
        for (age, shortened_by, expected) in [(0, 0, 600_000), (0, JITTER, 570_000), (500, 10, 99_000)] {
            let age = Duration::from_secs(age);
            let expected = Duration::from_millis(expected);
            assert_eq!(time_to_live(LIFETIMES, age, shortened_by), Some(expected));
        }
    }

    #[test]
    fn a_link_that_has_expired_is_not_kept() {
        for age in [600, 601, u64::MAX] {
            assert_eq!(time_to_live(LIFETIMES, Duration::from_secs(age), 0), None);
        }
        let almost = Duration::from_secs(600) - Duration::from_micros(999);
        assert_eq!(time_to_live(LIFETIMES, almost, 0), None);
    }
}
