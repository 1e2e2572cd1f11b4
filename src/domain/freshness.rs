//! How long an answer may be used.

use std::time::Duration;

use super::{CachedLink, LinkState, Timestamp};

/// How a cached link may be used at a given moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It may be answered.
    Fresh,
    /// It has to be asked for again.
    Expired,
}

/// How long links stay fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// A resolved link.
    pub ttl: Duration,
    /// An absent one: short, because Nebuly may ingest the item any moment.
    pub negative_ttl: Duration,
}

impl Lifetimes {
    /// How a link may be used now.
    #[must_use]
    pub fn freshness(&self, link: &CachedLink, now: Timestamp) -> Freshness {
        let lifetime = match link.state {
            LinkState::Resolved(_) => self.ttl,
            LinkState::Absent => self.negative_ttl,
        };
        if now.since(link.resolved_at) < lifetime { Freshness::Fresh } else { Freshness::Expired }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AllowedHosts, TargetUrl};

    const LIFETIMES: Lifetimes =
        Lifetimes { ttl: Duration::from_secs(60), negative_ttl: Duration::from_secs(5) };

    fn resolved() -> LinkState {
        let mut hosts = AllowedHosts::default();
        hosts.allow("go.example").unwrap();
        LinkState::Resolved(TargetUrl::accept("https://go.example/", &hosts, |_| false).unwrap())
    }

    fn freshness(state: LinkState, age_in_millis: u64) -> Freshness {
        let resolved_at = Timestamp::from_millis(1_000_000);
        let now = Timestamp::from_millis(1_000_000 + age_in_millis);
        LIFETIMES.freshness(&CachedLink { state, resolved_at, gone_since: None }, now)
    }

    #[test]
    fn a_resolved_link_is_fresh_for_its_ttl() {
        assert_eq!(freshness(resolved(), 0), Freshness::Fresh);
        assert_eq!(freshness(resolved(), 59_999), Freshness::Fresh);
        assert_eq!(freshness(resolved(), 60_000), Freshness::Expired);
    }

    #[test]
    fn an_absent_link_is_fresh_for_its_own_shorter_ttl() {
        assert_eq!(freshness(LinkState::Absent, 4_999), Freshness::Fresh);
        assert_eq!(freshness(LinkState::Absent, 5_000), Freshness::Expired);
    }

    #[test]
    fn a_clock_that_was_set_back_expires_nothing() {
        let link = CachedLink {
            state: resolved(),
            resolved_at: Timestamp::from_millis(9_000_000),
            gone_since: None,
        };
        assert_eq!(LIFETIMES.freshness(&link, Timestamp::from_millis(1)), Freshness::Fresh);
    }
}
