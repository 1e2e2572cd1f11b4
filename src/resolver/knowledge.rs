//! What a resolution draws on, and what it leaves behind: memory, shared cache, projects, and the rules over them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::flight::{Landing, Source};
use super::projects::Projects;
use super::resolution::{Found, Mode, Outcome, Resolution, Via};
use super::survey::{Survey, survey};
use crate::domain::{
    AbsentLink, Answer, CachedLink, CallFailure, Cause, Clock, Freshness, Item, Lifetimes, LinkCache,
    ProjectIndex, ProjectSet, Refreshed, Refreshes, ResolvedLink, Scope, SharedLink, SharedLinks, Terms,
};

/// All of it; shared by every resolution.
pub(super) struct Knowledge {
    pub(super) memory: Arc<dyn LinkCache>,
    pub(super) shared: Option<Arc<dyn SharedLinks>>,
    pub(super) projects: Projects,
    pub(super) lifetimes: Lifetimes,
    pub(super) clock: Arc<dyn Clock>,
}

/// A usable answer from memory.
pub(super) struct Remembered {
    pub(super) resolution: Resolution,
    /// Whether it is time to ask for it again.
    pub(super) refresh_due: bool,
}

/// What was known of an item before the projects were asked.
enum Before {
    Unknown,
    /// Some projects do not have it.
    Absent(AbsentLink),
    /// It led somewhere, and still may.
    Resolved(ResolvedLink),
}

impl Knowledge {
    /// What memory can answer, without asking anybody.
    pub(super) fn remembered(&self, scope: Scope, item: &Item<'_>) -> Option<Remembered> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => {
                let now = self.clock.now();
                let (via, refresh_due) = match self.lifetimes.freshness(link.resolved_at, now) {
                    Freshness::Fresh => (Via::Memory, false),
                    Freshness::Stale => (Via::Stale, link.may_refresh(self.clock.monotonic())),
                    Freshness::Expired => return None,
                };
                let outcome = Outcome::Resolved(link.into());
                Some(Remembered { resolution: Resolution { outcome, via }, refresh_due })
            }
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                let resolution = Resolution { outcome: Outcome::Absent, via: Via::Memory };
                (said_by == self.projects.of(scope)).then_some(Remembered { resolution, refresh_due: false })
            }
        }
    }

    /// Resolves an item that memory cannot answer, or that is to be asked for again: from the shared cache, unless Nebuly
    /// itself is wanted, then from Nebuly. What it finds is kept.
    pub(super) async fn resolve(
        &self,
        scope: Scope,
        item: Item<'static>,
        mode: Mode,
        terms: Terms,
    ) -> Landing {
        if mode == Mode::Cached
            && let Some(landing) = self.take_shared(scope, &item).await
        {
            return landing;
        }
        match self.known_resolved(scope, &item) {
            Some(known) => self.refresh(scope, item, known, &terms).await,
            None => self.ask(scope, item, &terms).await,
        }
    }

    /// What the shared cache can answer, taken over into memory.
    ///
    /// A link that memory holds longer than the shared cache does is no answer to asking for it again.
    pub(super) async fn take_shared(&self, scope: Scope, item: &Item<'static>) -> Option<Landing> {
        let mut links = self.shared.as_ref()?.get(scope, item).await;
        let now = self.clock.now();
        let known_at = self.known_resolved(scope, item).map(|known| known.resolved_at);
        links.retain(|link| {
            self.lifetimes.freshness(link.resolved_at, now) != Freshness::Expired
                && known_at.is_none_or(|known_at| link.resolved_at > known_at)
        });
        if links.len() > 1 && !item.is_unique() && scope == Scope::All {
            return None;
        }
        let link = links.into_iter().max_by_key(|link| link.resolved_at)?;
        let source = match self.lifetimes.freshness(link.resolved_at, now) {
            Freshness::Fresh => Source::Shared,
            Freshness::Stale | Freshness::Expired if known_at.is_some() => return None,
            Freshness::Stale | Freshness::Expired => Source::Stale,
        };
        let link = ResolvedLink::new(link.url, link.project, link.resolved_at);
        self.memory.insert(scope, item.clone(), CachedLink::Resolved(link.clone()));
        Some(Landing { outcome: Outcome::Resolved(link.into()), source })
    }

    /// Asks every project that has not said that it does not have the item.
    async fn ask(&self, scope: Scope, item: Item<'static>, terms: &Terms) -> Landing {
        let before = self.absence(scope, &item);
        let but = before.map(|absent| absent.said_by).unwrap_or_default();
        let began = Instant::now();
        let order = self.projects.to_ask(scope, but);
        let survey = survey(&self.projects, &order, &item, terms).await;
        let duration = began.elapsed();
        let failed = survey.failure;
        let status = survey.status;
        let outcome = self.settle(scope, item, before.map_or(Before::Unknown, Before::Absent), survey);
        let status = match (&outcome, failed) {
            (Outcome::Failed(failure), _) => failure.status,
            _ => status,
        };
        Landing { outcome, source: Source::Nebuly { status, duration } }
    }

    /// Draws the conclusion from what the projects said, and keeps it.
    fn settle(&self, scope: Scope, item: Item<'static>, before: Before, survey: Survey) -> Outcome {
        let now = self.clock.now();
        let incomplete = survey.is_incomplete() && !item.is_unique() && self.projects.only(scope).is_none();
        let mut found = survey.found;
        for (project, url) in &found {
            self.projects.note_found(*project, &item, url);
        }
        if found.len() > 1 && !item.is_unique() {
            // In the order of the settings, not in that of the answers.
            found.sort_by_key(|(project, _)| *project);
            // What was known before named one of them, and is not to be answered any more.
            let nothing = AbsentLink { said_by: ProjectSet::default(), said_at: self.clock.monotonic() };
            self.memory.insert(scope, item.clone(), CachedLink::Absent(nothing));
            let links = found.into_iter().map(|(project, url)| ResolvedLink::new(url, project, now));
            // Each is what its project says: kept for whoever chooses it.
            let kept = links.inspect(|link| {
                let only = Scope::Only(link.project);
                self.memory.insert(only, item.clone(), CachedLink::Resolved(link.clone()));
            });
            return Outcome::Ambiguous(kept.map(Found::from).collect());
        }
        if !found.is_empty() {
            let (project, url) = found.swap_remove(0);
            if incomplete {
                // Another project may have it, too: it is answered now, and asked for again at its next use; if that was
                // so before, after the pause of a refresh that failed.
                let refreshes = match before {
                    Before::Resolved(known) => known.failed(self.clock.monotonic()).refreshes,
                    Before::Absent(_) | Before::Unknown => Refreshes::default(),
                };
                let stale_since = now.before(self.lifetimes.ttl);
                let due = ResolvedLink { refreshes, ..ResolvedLink::new(url, project, stale_since) };
                self.memory.insert(scope, item, CachedLink::Resolved(due.clone()));
                return Outcome::Resolved(Found { resolved_at: Some(now), ..due.into() });
            }
            let link = ResolvedLink::new(url, project, now);
            self.keep(scope, item, link.clone());
            return Outcome::Resolved(link.into());
        }
        let mut absent = match before {
            Before::Absent(absent) => absent,
            Before::Resolved(_) | Before::Unknown => {
                AbsentLink { said_by: ProjectSet::default(), said_at: self.clock.monotonic() }
            }
        };
        absent.said_by = absent.said_by.union(survey.absent);
        let everywhere = absent.said_by == self.projects.of(scope);
        if absent.said_by != ProjectSet::default() {
            self.memory.insert(scope, item, CachedLink::Absent(absent));
        }
        if everywhere {
            return Outcome::Absent;
        }
        Outcome::Failed(survey.failure.unwrap_or(CallFailure { cause: Cause::Internal, status: None }))
    }

    /// Asks again for a link that may still be used.
    async fn refresh(
        &self,
        scope: Scope,
        item: Item<'static>,
        known: ResolvedLink,
        terms: &Terms,
    ) -> Landing {
        let began = Instant::now();
        // An id that several projects may have is asked for everywhere, so that a second one comes to light.
        let order = if item.is_unique() {
            vec![known.project]
        } else {
            self.projects.to_ask(scope, ProjectSet::default())
        };
        let survey = survey(&self.projects, &order, &item, terms).await;
        let nebuly = |status| Source::Nebuly { status, duration: began.elapsed() };
        let now = self.clock.now();
        if !survey.found.is_empty() {
            let status = survey.status;
            return Landing {
                outcome: self.settle(scope, item, Before::Resolved(known), survey),
                source: nebuly(status),
            };
        }
        let refreshed = if survey.is_incomplete() {
            Refreshed::Link(known.failed(self.clock.monotonic()))
        } else {
            let status = survey.status.filter(|_| survey.gone).unwrap_or(403);
            known.answered(Answer::Absent { status }, now, self.clock.monotonic())
        };
        match refreshed {
            Refreshed::Link(link) => {
                let source = match self.lifetimes.freshness(link.resolved_at, now) {
                    Freshness::Fresh => Source::Kept,
                    Freshness::Stale | Freshness::Expired => Source::Stale,
                };
                self.memory.insert(scope, item, CachedLink::Resolved(link.clone()));
                Landing { outcome: Outcome::Resolved(link.into()), source }
            }
            Refreshed::Gone => {
                let said_by = self.projects.of(scope);
                self.memory.insert(
                    scope,
                    item,
                    CachedLink::Absent(AbsentLink { said_by, said_at: self.clock.monotonic() }),
                );
                Landing { outcome: Outcome::Absent, source: nebuly(survey.status) }
            }
        }
    }

    /// The URL that Nebuly would give, built from known ids: only where the project is certain.
    pub(super) fn construct(&self, scope: Scope, item: &Item<'_>) -> Option<Found> {
        let project = self.projects.only(scope)?;
        self.construct_in(project, item)
    }

    /// The same, in a project.
    pub(super) fn construct_in(&self, project: ProjectIndex, item: &Item<'_>) -> Option<Found> {
        let url = self.projects.construct(project, item)?;
        Some(Found { url, project, resolved_at: None })
    }

    fn keep(&self, scope: Scope, item: Item<'static>, link: ResolvedLink) {
        if let Some(shared) = &self.shared {
            let ResolvedLink { url, project, resolved_at, .. } = link.clone();
            shared.put(scope, &item, SharedLink { url, project, resolved_at });
        }
        self.memory.insert(scope, item, CachedLink::Resolved(link));
    }

    fn known_resolved(&self, scope: Scope, item: &Item<'_>) -> Option<ResolvedLink> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => {
                let freshness = self.lifetimes.freshness(link.resolved_at, self.clock.now());
                (freshness != Freshness::Expired).then_some(link)
            }
            CachedLink::Absent(_) => None,
        }
    }

    /// The absences of an item that still count.
    fn absence(&self, scope: Scope, item: &Item<'_>) -> Option<AbsentLink> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(_) => None,
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                // If all of them said so, this is asked for again on purpose.
                let open = said_by != ProjectSet::default() && said_by != self.projects.of(scope);
                open.then_some(AbsentLink { said_by, ..link })
            }
        }
    }
}

impl From<ResolvedLink> for Found {
    fn from(link: ResolvedLink) -> Self {
        Self { url: link.url, project: link.project, resolved_at: Some(link.resolved_at) }
    }
}

/// How long a call may take for its answer to be of use.
pub(super) fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}
