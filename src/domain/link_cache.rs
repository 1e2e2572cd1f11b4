//! What is remembered of a link, and the interface of what remembers it.

use std::time::Duration;

use super::{Answer, Item, TargetUrl, Timestamp};

/// How far apart two answers must be that end a link which was resolved: a wrong route in front of Nebuly also answers
/// 404, but seldom for long.
const GONE_APART: Duration = Duration::from_secs(60);

/// A link as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedLink {
    /// What became of it.
    pub state: LinkState,
    /// When that was.
    pub resolved_at: Timestamp,
    /// When Nebuly first said that the item of this resolved link is gone, if it has not been found since.
    pub gone_since: Option<Timestamp>,
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It leads here.
    Resolved(TargetUrl),
    /// Nebuly does not know the item.
    Absent,
}

impl CachedLink {
    /// What is known once Nebuly has answered, given what was known before and may still be used.
    ///
    /// A link that was resolved stays so until Nebuly has said twice, a minute or more apart, that its item is gone.
    #[must_use]
    pub fn settle(before: Option<Self>, answer: Answer, now: Timestamp) -> Self {
        let gone = answer.is_gone();
        match (answer, before) {
            (Answer::Found(url), _) => {
                Self { state: LinkState::Resolved(url), resolved_at: now, gone_since: None }
            }
            (Answer::Absent { .. }, Some(known @ Self { state: LinkState::Resolved(_), .. })) => {
                match known.gone_since {
                    Some(since) if gone && now.since(since) >= GONE_APART => Self::absent(now),
                    Some(_) => known,
                    None => Self { gone_since: gone.then_some(now), ..known },
                }
            }
            (Answer::Absent { .. }, _) => Self::absent(now),
        }
    }

    const fn absent(now: Timestamp) -> Self {
        Self { state: LinkState::Absent, resolved_at: now, gone_since: None }
    }
}

/// A memory of links. It may forget any of them at any time.
pub trait LinkCache: Send + Sync + 'static {
    /// The link of this item, however old.
    fn get(&self, item: &Item<'_>) -> Option<CachedLink>;

    /// Remembers a link in place of any earlier one of the same item.
    fn insert(&self, item: Item<'static>, link: CachedLink);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AllowedHosts;

    const NOT_FOUND: Answer = Answer::Absent { status: 404 };

    fn url() -> TargetUrl {
        let mut hosts = AllowedHosts::default();
        hosts.allow("go.example").unwrap();
        TargetUrl::accept("https://go.example/", &hosts, |_| false).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_resolved_link_ends_only_when_its_item_is_gone_twice_a_minute_apart() {
        let link = CachedLink::settle(None, Answer::Found(url()), at(0));
        let once = CachedLink::settle(Some(link.clone()), NOT_FOUND, at(100));
        assert_eq!(once, CachedLink { gone_since: Some(at(100)), ..link.clone() });
        let too_soon = CachedLink::settle(Some(once.clone()), NOT_FOUND, at(159));
        assert_eq!(too_soon, once);
        let gone = CachedLink::settle(Some(once.clone()), Answer::Absent { status: 410 }, at(160));
        assert_eq!(gone, CachedLink::absent(at(160)));
        let found = CachedLink::settle(Some(once), Answer::Found(url()), at(160));
        assert_eq!(found, CachedLink { resolved_at: at(160), ..link });
    }

    #[test]
    fn other_refusals_never_end_a_resolved_link() {
        let link = CachedLink::settle(None, Answer::Found(url()), at(0));
        for status in [400, 403, 422] {
            let mut known = link.clone();
            for minutes in 1..5 {
                known = CachedLink::settle(Some(known), Answer::Absent { status }, at(minutes * 60));
            }
            assert_eq!(known, link, "{status}");
        }
    }

    #[test]
    fn an_item_that_was_never_found_is_absent_at_once() {
        assert_eq!(
            CachedLink::settle(None, Answer::Absent { status: 422 }, at(1)),
            CachedLink::absent(at(1))
        );
        let absent = Some(CachedLink::absent(at(1)));
        assert_eq!(CachedLink::settle(absent, NOT_FOUND, at(2)), CachedLink::absent(at(2)));
    }
}
