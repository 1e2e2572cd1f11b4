//! Links that replicas share, on Redis or Valkey.
//!
//! The server may be slow, gone or full of nonsense at any time: then this knows nothing, and says so within its time
//! limit. What it never does: fail a request, hold up an answer to write something, share that an item is absent, or
//! believe an entry that does not say itself what it is about.

mod entry;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod metrics;
mod options;
mod redis_breaker;
mod redis_client;
mod redis_connection;
mod redis_key;
mod reply_limit;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::entry::{Entry, Reader};
use self::metrics::Metrics;
pub use self::options::{SharedCacheError, SharedCacheOptions};
use self::redis_client::{Content, NoAnswer, Server, Write};
use self::redis_key::{Keys, Place};
pub use self::writer::SharedCacheWriter;
use crate::domain::{
    Clock, ContainsKey, Freshness, Item, Lifetimes, ProjectIndex, ProjectName, Scope, SharedFuture,
    SharedLink, SharedLinks,
};

/// By how much a time to live is shortened at most, in thousandths: links that were found together do not all expire
/// together.
const JITTER: u32 = 50;

/// The links that replicas share.
///
/// It connects when it is first asked, and again when it must. A server that does not answer is left alone for a
/// growing pause, so that it costs nothing.
pub struct SharedCache {
    server: Arc<Server>,
    to_write: mpsc::Sender<Write>,
    metrics: Arc<Metrics>,
    keys: Keys,
    reader: Reader,
    projects: Vec<ProjectName>,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
}

impl SharedCache {
    /// A cache, not yet connected, and what writes for it. `contains_key` says whether a text holds one of our keys.
    ///
    /// For the counts, the recorder of the metrics must be installed before.
    pub fn new(
        options: SharedCacheOptions,
        contains_key: ContainsKey,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, SharedCacheWriter), SharedCacheError> {
        let server = Arc::new(Server::new(options.address()?, options.timeout));
        let metrics = Arc::new(Metrics::new());
        let (to_write, waiting) = mpsc::channel(writer::WAITING);
        let writer =
            SharedCacheWriter { server: Arc::clone(&server), metrics: Arc::clone(&metrics), waiting };
        let cache = Self {
            server,
            to_write,
            metrics,
            keys: Keys::new(options.key_prefix, options.api_base_url),
            reader: Reader { allowed_hosts: options.allowed_hosts, contains_key },
            projects: options.projects,
            lifetimes: options.lifetimes,
            clock,
        };
        Ok((cache, writer))
    }

    async fn look_up(&self, scope: Scope, item: &Item<'static>) -> Vec<SharedLink> {
        let gets = &self.metrics.gets;
        let wanted = self.wanted(scope);
        if wanted.is_empty() {
            gets.miss.increment(1);
            return Vec::new();
        }
        let keys: Vec<_> = wanted.iter().map(|(place, _, name)| self.keys.key(*place, name, item)).collect();
        let contents = match self.server.read(&keys).await {
            Ok(contents) => contents,
            Err(no_answer) => {
                match no_answer {
                    NoAnswer::Skipped => gets.skipped.increment(1),
                    NoAnswer::Timeout => gets.timeout.increment(1),
                    NoAnswer::Failed(_) => gets.failed.increment(1),
                }
                return Vec::new();
            }
        };
        let now = self.clock.now();
        let mut links: Vec<SharedLink> = Vec::new();
        let mut is_any_invalid = false;
        for (content, (_, project, name)) in contents.into_iter().zip(wanted) {
            let entry = match content {
                Content::Empty => continue,
                Content::Bytes(bytes) => self.reader.read(&bytes, name, item, now),
                Content::Unusable => None,
            };
            let Some(Entry { url, resolved_at }) = entry else {
                is_any_invalid = true;
                continue;
            };
            // The server forgets in time by itself, unless somebody told it not to, or our lifetimes were shortened.
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
            (false, _) => &gets.hit,
            (true, true) => &gets.invalid,
            (true, false) => &gets.miss,
        };
        result.increment(1);
        links
    }

    /// Where to look. Who named a project may have what was found for others there, but not the other way round.
    fn wanted(&self, scope: Scope) -> Vec<(Place, ProjectIndex, &ProjectName)> {
        match scope {
            Scope::All => {
                let projects = self.projects.iter().enumerate();
                projects
                    .filter_map(|(position, name)| Some((Place::All, ProjectIndex::new(position)?, name)))
                    .collect()
            }
            Scope::Only(project) => {
                let name = self.projects.get(project.position());
                name.into_iter()
                    .flat_map(|name| [(Place::Only, project, name), (Place::All, project, name)])
                    .collect()
            }
        }
    }

    /// A link as it is to be written; nothing if there is no use in it.
    fn to_write(&self, scope: Scope, item: &Item<'static>, link: SharedLink) -> Option<Write> {
        let name = self.projects.get(link.project.position())?;
        let age = self.clock.now().since(link.resolved_at);
        let time_to_live = time_to_live(self.lifetimes, age, fastrand::u32(0..=JITTER))?;
        let place = match scope {
            Scope::All => Place::All,
            Scope::Only(_) => Place::Only,
        };
        let value = Entry { url: link.url, resolved_at: link.resolved_at }.encode(name, item)?;
        Some(Write { key: self.keys.key(place, name, item), value, time_to_live })
    }
}

impl SharedLinks for SharedCache {
    fn get<'a>(&'a self, scope: Scope, item: &'a Item<'static>) -> SharedFuture<'a> {
        Box::pin(self.look_up(scope, item))
    }

    fn put(&self, scope: Scope, item: &Item<'static>, link: SharedLink) {
        let puts = &self.metrics.puts;
        match self.to_write(scope, item, link).map(|write| self.to_write.try_send(write)) {
            Some(Ok(())) => {}
            Some(Err(_full)) => puts.dropped.increment(1),
            None => puts.skipped.increment(1),
        }
    }
}

/// How long a link of this age is to be kept, shortened by some thousandths; nothing if it is of no use any more.
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
    fn a_link_that_is_of_no_use_any_more_is_not_kept() {
        for age in [600, 601, u64::MAX] {
            assert_eq!(time_to_live(LIFETIMES, Duration::from_secs(age), 0), None);
        }
        let almost = Duration::from_secs(600) - Duration::from_micros(999);
        assert_eq!(time_to_live(LIFETIMES, almost, 0), None);
    }
}
