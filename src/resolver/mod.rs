//! The policy of resolving: what is answered from the cache, when Nebuly is asked, and what is kept of what it says.
//!
//! In this order, stopping at the first answer: fresh in memory; Nebuly; an error. A text that may mean several items
//! asks for each of them only while Nebuly does not know those before.

mod flight;
mod resolution;

use std::sync::Arc;

use self::flight::{Flights, Landing};
pub use self::resolution::{Call, Mode, Outcome, Resolution, Via};
use crate::domain::{
    AbsentLink, Answer, CachedLink, CallFailure, Clock, DeepLinks, Freshness, Item, Lifetimes, LinkCache,
    ProjectIndex, ProjectSet, Refreshed, ResolvedLink, Scope, Share, Spellings, Terms, Unlimited,
};

/// Finds out where links lead.
///
/// However many callers ask for one item at once, and whichever of them goes away, one call is made, and what it finds
/// is kept. Errors are not kept.
pub struct Resolver {
    knowledge: Arc<Knowledge>,
    flights: Flights,
}

/// What every resolution draws on.
struct Knowledge {
    cache: Box<dyn LinkCache>,
    source: Box<dyn DeepLinks>,
    lifetimes: Lifetimes,
    clock: Box<dyn Clock>,
}

impl Resolver {
    /// A resolver over this memory and this source.
    pub fn new(
        cache: impl LinkCache,
        source: impl DeepLinks,
        lifetimes: Lifetimes,
        clock: impl Clock,
    ) -> Self {
        let knowledge =
            Knowledge { cache: Box::new(cache), source: Box::new(source), lifetimes, clock: Box::new(clock) };
        Self { knowledge: Arc::new(knowledge), flights: Flights::default() }
    }

    /// What a text means, and where that leads.
    pub async fn resolve(&self, spellings: &Spellings<'_>, mode: Mode) -> Resolution {
        let first = spellings.first();
        let known = match mode {
            Mode::Cached => self.cached(first),
            Mode::Refresh => None,
        };
        match known {
            Some(hit) if hit.outcome != Outcome::Absent => hit,
            known => self.resolve_cold(spellings, known, mode).await,
        }
    }

    /// The fresh answer for an item, without asking anybody.
    fn cached(&self, item: &Item<'_>) -> Option<Resolution> {
        let link = self.knowledge.fresh(item)?;
        Some(Resolution { outcome: link.into(), via: Via::Cache })
    }

    /// Goes on where the first item is not in the cache, or is known to be absent.
    async fn resolve_cold(
        &self,
        spellings: &Spellings<'_>,
        known: Option<Resolution>,
        mode: Mode,
    ) -> Resolution {
        let others = spellings.others();
        if known.is_none() && !spellings.kind_was_named() && mode == Mode::Cached {
            // A conversation whose id is a UUID: as it has been found, its interaction need not be asked for again.
            let twin = others.first().filter(|_| matches!(spellings.first(), Item::Interaction(_)));
            if let Some(hit) = twin.and_then(|item| self.cached(item)).filter(Resolution::is_resolved) {
                return hit;
            }
        }
        let mut resolution = match known {
            Some(absent) => absent,
            None => self.ask(spellings.first(), mode).await,
        };
        for other in &others {
            match resolution.outcome {
                Outcome::Resolved(_) => break,
                Outcome::Absent => {
                    let cached = if mode == Mode::Cached { self.cached(other) } else { None };
                    let next = match cached {
                        Some(hit) => hit,
                        None => self.ask(other, mode).await,
                    };
                    resolution = next.after(resolution.via);
                }
                // It may be known under another spelling, even though the first could not be asked for.
                Outcome::Failed(_) => {
                    if let Some(hit) = self.cached(other).filter(Resolution::is_resolved) {
                        resolution = hit;
                    }
                }
            }
        }
        resolution
    }

    /// Asks Nebuly, together with whoever else is asking for the same item just now.
    async fn ask(&self, item: &Item<'_>, mode: Mode) -> Resolution {
        let knowledge = Arc::clone(&self.knowledge);
        let recheck = (mode == Mode::Cached).then_some(|item: &Item<'_>| self.cached(item));
        let (flight, collapsed) =
            match self.flights.join(item, recheck, |item| async move { knowledge.ask(item).await }) {
                flight::Joined::Known(hit) => return hit,
                flight::Joined::Began(flight) => (flight, false),
                flight::Joined::Underway(flight) => (flight, true),
            };
        let Landing { outcome, status, duration, kept } = flight.land().await;
        if kept {
            return Resolution { outcome, via: Via::Cache };
        }
        if let (Outcome::Failed(_), Mode::Refresh) = (&outcome, mode)
            && let Some(hit) = self.cached(item)
        {
            return hit;
        }
        Resolution { outcome, via: Via::Call(Call { mode, collapsed, status, duration }) }
    }
}

impl Knowledge {
    fn fresh(&self, item: &Item<'_>) -> Option<CachedLink> {
        let now = self.clock.now();
        let link = self.cache.get(Scope::All, item)?;
        let fresh = match &link {
            CachedLink::Resolved(link) => self.lifetimes.freshness(link.resolved_at, now) == Freshness::Fresh,
            CachedLink::Absent(link) => self.lifetimes.absent_in(link, now) != ProjectSet::default(),
        };
        fresh.then_some(link)
    }

    /// Asks once, and keeps what settles the link.
    async fn ask(&self, item: Item<'static>) -> Landing {
        let began = std::time::Instant::now();
        let terms = Terms {
            share: Share::Caller(0),
            deadline: began + std::time::Duration::from_secs(10),
            may_retry: false,
            tokens: Arc::new(Unlimited),
        };
        let answer = self.source.resolve(&item, &terms).await;
        let duration = began.elapsed();
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                return Landing {
                    outcome: Outcome::Failed(failure),
                    status: failure.status,
                    duration,
                    kept: false,
                };
            }
        };
        let status = Some(match &answer {
            Answer::Found(_) => 200,
            Answer::Absent { status } => *status,
        });
        let now = self.clock.now();
        let project = ProjectIndex::default();
        let absent =
            CachedLink::Absent(AbsentLink { said_by: [project].into_iter().collect(), said_at: now });
        let (link, kept) = match (self.fresh(&item), &answer) {
            (Some(CachedLink::Resolved(known)), Answer::Absent { .. }) => match known.answered(answer, now) {
                Refreshed::Link(link) => (CachedLink::Resolved(link), true),
                Refreshed::Gone => (absent, false),
            },
            (_, Answer::Absent { .. }) => (absent, false),
            (_, Answer::Found(url)) => {
                (CachedLink::Resolved(ResolvedLink::new(url.clone(), project, now)), false)
            }
        };
        let outcome = Outcome::from(link.clone());
        self.cache.insert(Scope::All, item, link);
        Landing { outcome, status, duration, kept }
    }
}

impl From<CachedLink> for Outcome {
    fn from(link: CachedLink) -> Self {
        match link {
            CachedLink::Resolved(link) => Self::Resolved(link.url),
            CachedLink::Absent(_) => Self::Absent,
        }
    }
}

impl From<CallFailure> for Outcome {
    fn from(failure: CallFailure) -> Self {
        Self::Failed(failure)
    }
}
