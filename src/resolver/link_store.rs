//! The links that are known, in memory and in the shared cache: reads them, asks the projects for those that are missing
//! or due for a refresh, and stores the answers.
//!
//! [`Lifetimes::freshness`] decides whether a link is fresh, stale or expired.

use std::sync::Arc;
use std::time::Instant;

use super::project_query::ProjectQuery;
use super::projects::ResolverProjects;
use super::resolution::{AnswerSource, Found, Mode, Outcome, Resolution};
use crate::domain::{
    AbsentLink, Answer, CachedLink, CallFailure, CallOptions, Cause, Clock, Freshness, Item, Lifetimes,
    LinkCache, ProjectIndex, ProjectSet, Refreshed, Refreshes, ResolvedLink, Scope, SharedLink, SharedLinks,
};

/// The caches and projects, shared by all resolutions.
pub(super) struct LinkStore {
    pub(super) memory: Arc<dyn LinkCache>,
    pub(super) shared: Option<Arc<dyn SharedLinks>>,
    pub(super) projects: ResolverProjects,
    pub(super) lifetimes: Lifetimes,
    pub(super) clock: Arc<dyn Clock>,
}

/// An answer from memory that may be used now.
pub(super) struct MemoryHit {
    pub(super) resolution: Resolution,
    /// True if the link is stale and may be refreshed now.
    pub(super) refresh_due: bool,
}

/// The links of an item: one, or one for each of several projects that have it. Never none.
type ResolvedLinks = Arc<[ResolvedLink]>;

impl LinkStore {
    /// Looks an item up in memory. An expired link is no hit.
    pub(super) fn in_memory(&self, scope: Scope, item: &Item<'_>) -> Option<MemoryHit> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => {
                let (source, refresh_due) = self.usable(&link)?;
                let outcome = Outcome::Resolved(link.into());
                Some(MemoryHit { resolution: Resolution::new(outcome, source), refresh_due })
            }
            CachedLink::Ambiguous(links) => {
                let (source, refresh_due) = self.usable(links.first()?)?;
                let outcome = Outcome::Ambiguous(links.iter().cloned().map(Found::from).collect());
                Some(MemoryHit { resolution: Resolution::new(outcome, source), refresh_due })
            }
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                let resolution = Resolution::new(Outcome::Absent, AnswerSource::Memory);
                (said_by == self.projects.of(scope)).then_some(MemoryHit { resolution, refresh_due: false })
            }
        }
    }

    /// Decides how a resolved link may be used now, and whether it is due for a refresh; `None` if it is expired.
    fn usable(&self, link: &ResolvedLink) -> Option<(AnswerSource, bool)> {
        match self.lifetimes.freshness(link.resolved_at, self.clock.now()) {
            Freshness::Fresh => Some((AnswerSource::Memory, false)),
            Freshness::Stale => Some((AnswerSource::Stale, link.may_refresh(self.clock.monotonic()))),
            Freshness::Expired => None,
        }
    }

    /// The number of calls with which a resolution of this item begins.
    pub(super) fn first_calls(&self, scope: Scope, item: &Item<'_>) -> u32 {
        if item.is_unique() {
            return 1;
        }
        let absent = self.absence(scope, item).map(|absent| absent.said_by).unwrap_or_default();
        u32::try_from(self.projects.to_ask(scope, absent).len()).unwrap_or(u32::MAX)
    }

    /// Resolves an item after a miss in memory, or when the caller wants Nebuly to be asked: from memory, if the answer is
    /// there by now; from the shared cache, unless the mode is [`Mode::Refresh`]; from Nebuly. Stores the answer.
    pub(super) async fn resolve(
        &self,
        scope: Scope,
        item: Item<'static>,
        mode: Mode,
        options: CallOptions,
    ) -> Resolution {
        if mode == Mode::Cached {
            if let Some(hit) = self.in_memory(scope, &item) {
                return hit.resolution;
            }
            if let Some(result) = self.take_shared(scope, &item).await {
                return result;
            }
        }
        self.ask_nebuly(scope, item, &options).await
    }

    /// Refreshes a stale link, if that is still due.
    pub(super) async fn refresh_if_due(
        &self,
        scope: Scope,
        item: Item<'static>,
        options: CallOptions,
    ) -> Resolution {
        if let Some(hit) = self.in_memory(scope, &item)
            && !hit.refresh_due
        {
            return hit.resolution;
        }
        if let Some(result) = self.take_shared(scope, &item).await {
            return result;
        }
        self.ask_nebuly(scope, item, &options).await
    }

    async fn ask_nebuly(&self, scope: Scope, item: Item<'static>, options: &CallOptions) -> Resolution {
        match self.known_resolved(scope, &item) {
            Some(known) => self.refresh(scope, item, known, options).await,
            None => self.ask(scope, item, options).await,
        }
    }

    /// Looks an item up in the shared cache, and stores a hit in memory.
    ///
    /// A link that is no newer than the one in memory is no hit, because that link needs the refresh.
    pub(super) async fn take_shared(&self, scope: Scope, item: &Item<'static>) -> Option<Resolution> {
        let mut links = self.shared.as_ref()?.get(scope, item).await;
        let now = self.clock.now();
        let known_at =
            self.known_resolved(scope, item).and_then(|known| known.first().map(|link| link.resolved_at));
        links.retain(|link| {
            self.lifetimes.freshness(link.resolved_at, now) != Freshness::Expired
                && known_at.is_none_or(|known_at| link.resolved_at > known_at)
        });
        if links.len() > 1 && !item.is_unique() && scope == Scope::All {
            return None;
        }
        let link = links.into_iter().max_by_key(|link| link.resolved_at)?;
        let source = match self.lifetimes.freshness(link.resolved_at, now) {
            Freshness::Fresh => AnswerSource::Shared,
            Freshness::Stale | Freshness::Expired if known_at.is_some() => return None,
            Freshness::Stale | Freshness::Expired => AnswerSource::Stale,
        };
        let link = ResolvedLink::new(link.url, link.project, link.resolved_at);
        self.memory.insert(scope, item.clone(), CachedLink::Resolved(link.clone()));
        Some(Resolution::new(Outcome::Resolved(link.into()), source))
    }

    /// Asks every project, except those that have said a short time ago that they do not have the item.
    async fn ask(&self, scope: Scope, item: Item<'static>, options: &CallOptions) -> Resolution {
        let before = self.absence(scope, &item);
        let but = before.map(|absent| absent.said_by).unwrap_or_default();
        let began = Instant::now();
        let order = self.projects.to_ask(scope, but);
        let query = ProjectQuery::run(&self.projects, &order, &item, options).await;
        let duration = began.elapsed();
        let status = query.status;
        let outcome = if query.found.is_empty() {
            self.settle_absent(scope, item, before, query.absent, query.failure)
        } else {
            self.settle_found(scope, item, &[], query)
        };
        let status = if let Outcome::Failed(failure) = &outcome { failure.status } else { status };
        Resolution::new(outcome, AnswerSource::nebuly(status, duration))
    }

    /// Stores the links of the projects that have the item. A link that was `known` before stays if its project neither
    /// found it again nor ended it.
    fn settle_found(
        &self,
        scope: Scope,
        item: Item<'static>,
        known: &[ResolvedLink],
        query: ProjectQuery,
    ) -> Outcome {
        let now = self.clock.now();
        let incomplete = query.is_incomplete() && !item.is_unique() && self.projects.only(scope).is_none();
        let kept = self.still_known(known, &query);
        let mut found = query.found;
        for (project, url) in &found {
            self.projects.note_found(*project, &item, url);
        }
        if item.is_unique() {
            // The first project that finds it wins.
            found.truncate(1);
        }
        let found: Vec<_> =
            found.into_iter().map(|(project, url)| ResolvedLink::new(url, project, now)).collect();
        if found.len() + kept.len() > 1 {
            // Stored under its own project as well, for callers who choose it.
            for link in &found {
                let only = Scope::Only(link.project);
                self.memory.insert(only, item.clone(), CachedLink::Resolved(link.clone()));
            }
        }
        let is_certain = kept.is_empty() && !incomplete;
        let mut links = [found, kept].concat();
        // In the order of the settings, not in that of the answers.
        links.sort_by_key(|link| link.project);
        let links = ResolvedLinks::from(links);
        if is_certain {
            self.store(scope, item, &links);
            return outcome(&links);
        }
        // Stored as stale: answered now, and refreshed at its next use; if it was so stored before, after the pause of a
        // refresh that failed.
        let paused = known.first().map(|link| link.clone().failed(self.clock.monotonic()));
        let pause = paused.map(|link| link.refreshes).unwrap_or_default();
        let resolved_at = now.before(self.lifetimes.ttl);
        let due = links.iter().cloned().map(|link| {
            let refreshes = Refreshes { gone_since: link.refreshes.gone_since, ..pause };
            ResolvedLink { resolved_at, refreshes, ..link }
        });
        self.store_in_memory(scope, item, &due.collect());
        outcome(&links)
    }

    /// The known links that their projects have not found again, without those that have ended.
    fn still_known(&self, known: &[ResolvedLink], query: &ProjectQuery) -> Vec<ResolvedLink> {
        let (at, now) = (self.clock.now(), self.clock.monotonic());
        let lost =
            known.iter().filter(|link| query.found.iter().all(|(project, _)| *project != link.project));
        let still_there = lost.cloned().filter_map(|link| {
            // While a project cannot be asked, no link ends.
            if query.is_incomplete() || !query.gone.contains(link.project) {
                return Some(link.failed(now));
            }
            match link.answered(Answer::Absent { status: 404 }, at, now) {
                Refreshed::Link(link) => Some(link),
                Refreshed::Gone => None,
            }
        });
        still_there.collect()
    }

    /// Stores which projects do not have an item that no project was found to have.
    fn settle_absent(
        &self,
        scope: Scope,
        item: Item<'static>,
        before: Option<AbsentLink>,
        absent_in: ProjectSet,
        failure: Option<CallFailure>,
    ) -> Outcome {
        let said_at = self.clock.monotonic();
        let mut absent = before.unwrap_or(AbsentLink { said_by: ProjectSet::default(), said_at });
        absent.said_by = absent.said_by.union(absent_in);
        let everywhere = absent.said_by == self.projects.of(scope);
        if absent.said_by != ProjectSet::default() {
            self.memory.insert(scope, item, CachedLink::Absent(absent));
        }
        if everywhere {
            return Outcome::Absent;
        }
        Outcome::Failed(failure.unwrap_or(CallFailure { cause: Cause::Internal, status: None }))
    }

    /// Refreshes links that may still be used.
    async fn refresh(
        &self,
        scope: Scope,
        item: Item<'static>,
        known: ResolvedLinks,
        options: &CallOptions,
    ) -> Resolution {
        let began = Instant::now();
        // An id that several projects may have is asked for everywhere, so that a second one is found.
        let order = match known.first() {
            Some(link) if item.is_unique() => vec![link.project],
            _ => self.projects.to_ask(scope, ProjectSet::default()),
        };
        let query = ProjectQuery::run(&self.projects, &order, &item, options).await;
        let nebuly = |status| AnswerSource::nebuly(status, began.elapsed());
        if !query.found.is_empty() {
            let status = query.status;
            let outcome = self.settle_found(scope, item, &known, query);
            return Resolution::new(outcome, nebuly(status));
        }
        let links = ResolvedLinks::from(self.still_known(&known, &query));
        if links.is_empty() {
            let absent = AbsentLink { said_by: query.absent, said_at: self.clock.monotonic() };
            self.memory.insert(scope, item.clone(), CachedLink::Absent(absent));
            if absent.said_by == self.projects.of(scope) {
                return Resolution::new(Outcome::Absent, nebuly(query.status));
            }
            // Another project may have it.
            return self.ask(scope, item, options).await;
        }
        let usable = links.first().and_then(|link| self.usable(link));
        let source = usable.map_or(AnswerSource::Stale, |(source, _)| source);
        self.store_in_memory(scope, item, &links);
        Resolution::new(outcome(&links), source)
    }

    /// Builds the URL that Nebuly would give from known ids, if the project is certain.
    pub(super) fn construct(&self, scope: Scope, item: &Item<'_>) -> Option<Found> {
        let project = self.projects.only(scope)?;
        self.construct_in(project, item)
    }

    /// The same, in a project.
    pub(super) fn construct_in(&self, project: ProjectIndex, item: &Item<'_>) -> Option<Found> {
        let url = self.projects.construct(project, item)?;
        Some(Found { url, project, resolved_at: None })
    }

    /// Stores a link that is certain, in the shared cache as well. That several projects have an item is not shared.
    fn store(&self, scope: Scope, item: Item<'static>, links: &ResolvedLinks) {
        if let (Some(shared), [link]) = (&self.shared, &**links) {
            let ResolvedLink { url, project, resolved_at, .. } = link.clone();
            shared.put(scope, &item, SharedLink { url, project, resolved_at });
        }
        self.store_in_memory(scope, item, links);
    }

    fn store_in_memory(&self, scope: Scope, item: Item<'static>, links: &ResolvedLinks) {
        let link = match &**links {
            [link] => CachedLink::Resolved(link.clone()),
            _ => CachedLink::Ambiguous(Arc::clone(links)),
        };
        self.memory.insert(scope, item, link);
    }

    /// The links of an item in memory that are not expired.
    fn known_resolved(&self, scope: Scope, item: &Item<'_>) -> Option<ResolvedLinks> {
        let links: ResolvedLinks = match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => [link].into(),
            CachedLink::Ambiguous(links) => links,
            CachedLink::Absent(_) => return None,
        };
        let freshness = self.lifetimes.freshness(links.first()?.resolved_at, self.clock.now());
        (freshness != Freshness::Expired).then_some(links)
    }

    /// The projects that have said a short time ago that they do not have an item, unless all have.
    fn absence(&self, scope: Scope, item: &Item<'_>) -> Option<AbsentLink> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(_) | CachedLink::Ambiguous(_) => None,
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                // If all of them said so, the caller wants them to be asked again.
                let open = said_by != ProjectSet::default() && said_by != self.projects.of(scope);
                open.then_some(AbsentLink { said_by, ..link })
            }
        }
    }
}

fn outcome(links: &ResolvedLinks) -> Outcome {
    match &**links {
        [link] => Outcome::Resolved(link.clone().into()),
        links => Outcome::Ambiguous(links.iter().cloned().map(Found::from).collect()),
    }
}

impl From<ResolvedLink> for Found {
    fn from(link: ResolvedLink) -> Self {
        Self { url: link.url, project: link.project, resolved_at: Some(link.resolved_at) }
    }
}
