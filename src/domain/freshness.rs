//! The rules of freshness: [`Lifetimes::freshness`] decides whether a link is fresh, stale or expired, and
//! [`ResolvedLink::answered`] and [`ResolvedLink::failed`] what a refresh makes of it.
//!
//! They are rules over given moments: nothing here reads a clock.

use std::time::Duration;

use super::{
    AbsentLink, Answer, CLOCK_SKEW, MonotonicTime, ProjectIndex, ProjectSet, Refreshes, ResolvedLink,
    TargetUrl, Timestamp,
};

/// The time between two not-found answers after which a link is removed: a wrong route in front of Nebuly also answers
/// 404, but seldom for long.
const GONE_APART: Duration = Duration::from_secs(60);

/// The pause after the first refresh that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause between refreshes.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// The state of a resolved link at a given moment, which decides how it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is served.
    Fresh,
    /// It is served, while it is refreshed in the background.
    Stale,
    /// It is not served: Nebuly has to be asked.
    Expired,
}

/// The lifetimes of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The time for which a resolved link is fresh.
    pub ttl: Duration,
    /// The time for which it is stale after that.
    pub stale: Duration,
    /// The time for which an absence counts: short, because Nebuly may ingest the item any moment.
    pub negative_ttl: Duration,
}

impl Lifetimes {
    /// Decides whether a link that was resolved at one time is fresh, stale or expired at another.
    ///
    /// A link from the future is stale: the clock was set back since, so its age is unknown. It is served, and refreshed.
    #[must_use]
    pub fn freshness(&self, resolved_at: Timestamp, now: Timestamp) -> Freshness {
        let is_from_the_future = resolved_at.since(now) > CLOCK_SKEW;
        let age = if is_from_the_future { self.ttl } else { now.since(resolved_at) };
        if age < self.ttl {
            Freshness::Fresh
        } else if age < self.max_age() {
            Freshness::Stale
        } else {
            Freshness::Expired
        }
    }

    /// The age from which a resolved link is expired.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.ttl.saturating_add(self.stale)
    }

    /// The projects whose answer that they do not have an item still counts.
    #[must_use]
    pub fn absent_in(&self, link: &AbsentLink, now: MonotonicTime) -> ProjectSet {
        if now.since(link.said_at) < self.negative_ttl { link.said_by } else { ProjectSet::default() }
    }
}

/// The result of a refresh of a resolved link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It leads somewhere; its URL may be the same.
    Link(ResolvedLink),
    /// Its item is gone for good.
    Gone,
}

impl ResolvedLink {
    /// A link that was just resolved.
    #[must_use]
    pub fn new(url: TargetUrl, project: ProjectIndex, now: Timestamp) -> Self {
        Self { url, project, resolved_at: now, refreshes: Refreshes::default() }
    }

    /// Returns true if a refresh may be tried now.
    #[must_use]
    pub fn may_refresh(&self, now: MonotonicTime) -> bool {
        now >= self.refreshes.not_before
    }

    /// The link after a refresh that was answered. `at` is the present on the wall clock, `now` on the monotonic one.
    ///
    /// A link is removed only when Nebuly has said twice, a minute or more apart, that its item is gone.
    #[must_use]
    pub fn answered(self, answer: Answer, at: Timestamp, now: MonotonicTime) -> Refreshed {
        let gone = answer.is_gone();
        match answer {
            Answer::Found(url) => Refreshed::Link(Self::new(url, self.project, at)),
            Answer::Absent { .. } => match self.refreshes.gone_since {
                Some(since) if gone && now.since(since) >= GONE_APART => Refreshed::Gone,
                _ => {
                    let mut paused = self.failed(now);
                    if gone {
                        paused.refreshes.gone_since.get_or_insert(now);
                    }
                    Refreshed::Link(paused)
                }
            },
        }
    }

    /// The link after a refresh that failed: as before, with a growing pause until the next refresh.
    #[must_use]
    pub fn failed(mut self, now: MonotonicTime) -> Self {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.refreshes.failures.min(16));
        self.refreshes.failures = self.refreshes.failures.saturating_add(1);
        self.refreshes.not_before = now.after(doubled.min(LONGEST_PAUSE));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AllowedHosts;

    const LIFETIMES: Lifetimes = Lifetimes {
        ttl: Duration::from_secs(60),
        stale: Duration::from_secs(600),
        negative_ttl: Duration::from_secs(5),
    };
    const NOT_FOUND: Answer = Answer::Absent { status: 404 };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn after(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_millis(seconds * 1000)
    }

    fn project(position: usize) -> ProjectIndex {
        ProjectIndex::new(position).unwrap()
    }

    fn url() -> TargetUrl {
        let mut hosts = AllowedHosts::default();
        hosts.allow("go.example").unwrap();
        TargetUrl::accept("https://go.example/", &hosts, |_| false).unwrap()
    }

    fn link() -> ResolvedLink {
        ResolvedLink::new(url(), project(0), at(0))
    }

    #[track_caller]
    fn still_there(refreshed: Refreshed) -> ResolvedLink {
        match refreshed {
            Refreshed::Link(link) => link,
            Refreshed::Gone => panic!("the link is gone"),
        }
    }

    #[test]
    fn a_link_is_fresh_then_stale_then_expired() {
        for (millis, expected) in [
            (0, Freshness::Fresh),
            (59_999, Freshness::Fresh),
            (60_000, Freshness::Stale),
            (659_999, Freshness::Stale),
            (660_000, Freshness::Expired),
        ] {
            let now = Timestamp::from_millis(1_000_000 + millis);
            assert_eq!(LIFETIMES.freshness(at(1000), now), expected, "{millis}");
        }
    }

    #[test]
    fn a_link_from_the_future_is_stale_and_a_clock_that_is_a_little_ahead_does_no_harm() {
        for (resolved_at, expected) in
            [(1060, Freshness::Fresh), (1061, Freshness::Stale), (1_000_000, Freshness::Stale)]
        {
            assert_eq!(LIFETIMES.freshness(at(resolved_at), at(1000)), expected, "{resolved_at}");
        }
        let never_stale = Lifetimes { stale: Duration::ZERO, ..LIFETIMES };
        assert_eq!(never_stale.freshness(at(9000), at(1)), Freshness::Expired);
    }

    #[test]
    fn an_absence_counts_for_its_own_shorter_time() {
        let said_by = ProjectSet::from_iter([project(0), project(127)]);
        let link = AbsentLink { said_by, said_at: after(10) };
        assert_eq!(LIFETIMES.absent_in(&link, MonotonicTime::from_millis(14_999)), said_by);
        assert_eq!(LIFETIMES.absent_in(&link, after(15)), ProjectSet::default());
        assert!(said_by.contains(project(127)) && !said_by.contains(project(1)));
    }

    #[test]
    fn a_resolved_link_ends_only_when_its_item_is_gone_twice_a_minute_apart() {
        let once = still_there(link().answered(NOT_FOUND, at(100), after(100)));
        assert_eq!(once.refreshes.gone_since, Some(after(100)));
        let too_soon = still_there(once.clone().answered(NOT_FOUND, at(159), after(159)));
        assert_eq!(too_soon.refreshes.gone_since, Some(after(100)));
        assert_eq!(too_soon.answered(Answer::Absent { status: 410 }, at(160), after(160)), Refreshed::Gone);
        let found = still_there(once.answered(Answer::Found(url()), at(160), after(160)));
        assert_eq!(found, ResolvedLink::new(url(), project(0), at(160)));
    }

    #[test]
    fn other_refusals_never_end_a_resolved_link() {
        for status in [400, 403, 422] {
            let mut known = link();
            for minutes in 1..5 {
                known = still_there(known.answered(
                    Answer::Absent { status },
                    at(minutes * 60),
                    after(minutes * 60),
                ));
            }
            assert_eq!((known.refreshes.gone_since, known.resolved_at), (None, at(0)), "{status}");
        }
    }

    #[test]
    fn the_pause_after_a_refresh_that_failed_grows_up_to_a_bound() {
        let mut known = link();
        let mut pauses = Vec::new();
        for _ in 0..300 {
            known = known.failed(after(1000));
            assert!(!known.may_refresh(after(1000)));
            pauses.push(known.refreshes.not_before.since(after(1000)));
        }
        assert_eq!(pauses[..3], [5, 10, 20].map(Duration::from_secs));
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert!(known.may_refresh(after(1600)));
    }
}
