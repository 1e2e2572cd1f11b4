//! What a resolution draws on, and what it leaves behind: memory, shared cache, projects, and the rules over them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::project_query::ProjectQuery;
use super::projects::ResolverProjects;
use super::resolution::{AnswerSource, Found, Mode, Outcome, Resolution};
use crate::domain::{
    AbsentLink, Answer, CachedLink, CallFailure, CallOptions, Cause, Clock, Freshness, Item, Lifetimes,
    LinkCache, ProjectIndex, ProjectSet, Refreshed, Refreshes, ResolvedLink, Scope, SharedLink, SharedLinks,
};

/// All of it; shared by every resolution.
pub(super) struct LinkStore {
    pub(super) memory: Arc<dyn LinkCache>,
    pub(super) shared: Option<Arc<dyn SharedLinks>>,
    pub(super) projects: ResolverProjects,
    pub(super) lifetimes: Lifetimes,
    pub(super) clock: Arc<dyn Clock>,
}

/// A usable answer from memory.
pub(super) struct Remembered {
    pub(super) resolution: Resolution,
    /// Whether it is time to ask for it again.
    pub(super) refresh_due: bool,
}

/// Where an item leads: one link, or one for each of several projects that have it. Never none.
type Links = Arc<[ResolvedLink]>;

impl LinkStore {
    /// What memory can answer, without asking anybody.
    pub(super) fn remembered(&self, scope: Scope, item: &Item<'_>) -> Option<Remembered> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => {
                let (source, refresh_due) = self.usable(&link)?;
                let outcome = Outcome::Resolved(link.into());
                Some(Remembered { resolution: Resolution { outcome, source }, refresh_due })
            }
            CachedLink::Ambiguous(links) => {
                let (source, refresh_due) = self.usable(links.first()?)?;
                let outcome = Outcome::Ambiguous(links.iter().cloned().map(Found::from).collect());
                Some(Remembered { resolution: Resolution { outcome, source }, refresh_due })
            }
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                let resolution = Resolution { outcome: Outcome::Absent, source: AnswerSource::Memory };
                (said_by == self.projects.of(scope)).then_some(Remembered { resolution, refresh_due: false })
            }
        }
    }

    /// How a link that was resolved may be used now, and whether it is time to ask for it again; nothing if it is too old.
    fn usable(&self, link: &ResolvedLink) -> Option<(AnswerSource, bool)> {
        match self.lifetimes.freshness(link.resolved_at, self.clock.now()) {
            Freshness::Fresh => Some((AnswerSource::Memory, false)),
            Freshness::Stale => Some((AnswerSource::Stale, link.may_refresh(self.clock.monotonic()))),
            Freshness::Expired => None,
        }
    }

    /// How many calls a resolution of this item begins with.
    pub(super) fn first_calls(&self, scope: Scope, item: &Item<'_>) -> u32 {
        if item.is_unique() {
            return 1;
        }
        let absent = self.absence(scope, item).map(|absent| absent.said_by).unwrap_or_default();
        u32::try_from(self.projects.to_ask(scope, absent).len()).unwrap_or(u32::MAX)
    }

    /// Resolves an item that memory could not answer, or that is to be asked for again: from memory, if the answer has
    /// come there meanwhile; from the shared cache, unless Nebuly itself is wanted; from Nebuly. What it finds is kept.
    pub(super) async fn resolve(
        &self,
        scope: Scope,
        item: Item<'static>,
        mode: Mode,
        options: CallOptions,
    ) -> Resolution {
        if mode == Mode::Cached {
            if let Some(remembered) = self.remembered(scope, &item) {
                return remembered.resolution;
            }
            if let Some(result) = self.take_shared(scope, &item).await {
                return result;
            }
        }
        self.ask_again(scope, item, &options).await
    }

    /// Asks again for a stale link, if that is still due.
    pub(super) async fn refresh_if_due(
        &self,
        scope: Scope,
        item: Item<'static>,
        options: CallOptions,
    ) -> Resolution {
        match self.remembered(scope, &item) {
            Some(remembered) if !remembered.refresh_due => return remembered.resolution,
            Some(_) | None => {}
        }
        if let Some(result) = self.take_shared(scope, &item).await {
            return result;
        }
        self.ask_again(scope, item, &options).await
    }

    async fn ask_again(&self, scope: Scope, item: Item<'static>, options: &CallOptions) -> Resolution {
        match self.known_resolved(scope, &item) {
            Some(known) => self.refresh(scope, item, known, options).await,
            None => self.ask(scope, item, options).await,
        }
    }

    /// What the shared cache can answer, taken over into memory.
    ///
    /// A link that memory holds longer than the shared cache does is no answer to asking for it again.
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
        Some(Resolution { outcome: Outcome::Resolved(link.into()), source })
    }

    /// Asks every project that has not said that it does not have the item.
    async fn ask(&self, scope: Scope, item: Item<'static>, options: &CallOptions) -> Resolution {
        let before = self.absence(scope, &item);
        let but = before.map(|absent| absent.said_by).unwrap_or_default();
        let began = Instant::now();
        let order = self.projects.to_ask(scope, but);
        let query = ProjectQuery::run(&self.projects, &order, &item, options).await;
        let duration = began.elapsed();
        let failed = query.failure;
        let status = query.status;
        let outcome = if query.found.is_empty() {
            self.settle_absent(scope, item, before, query.absent, failed)
        } else {
            self.settle_found(scope, item, &[], query)
        };
        let status = match (&outcome, failed) {
            (Outcome::Failed(failure), _) => failure.status,
            _ => status,
        };
        Resolution { outcome, source: AnswerSource::nebuly(status, duration) }
    }

    /// Draws the conclusion from the projects that have the item, and keeps it. What was `known` before stays known where a
    /// project neither confirmed nor ended it.
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
            // The first that knows it wins.
            found.truncate(1);
        }
        let found: Vec<_> =
            found.into_iter().map(|(project, url)| ResolvedLink::new(url, project, now)).collect();
        if found.len() + kept.len() > 1 {
            // Each is what its project says: kept for whoever chooses it.
            for link in &found {
                let only = Scope::Only(link.project);
                self.memory.insert(only, item.clone(), CachedLink::Resolved(link.clone()));
            }
        }
        let is_certain = kept.is_empty() && !incomplete;
        let mut links = [found, kept].concat();
        // In the order of the settings, not in that of the answers.
        links.sort_by_key(|link| link.project);
        let links = Links::from(links);
        if is_certain {
            self.keep(scope, item, &links);
            return outcome(&links);
        }
        // It is answered now, and asked for again at its next use; if that was so before, after the pause of a refresh that
        // failed.
        let pause = self.paused(known).first().map(|link| link.refreshes).unwrap_or_default();
        let resolved_at = now.before(self.lifetimes.ttl);
        let due = links.iter().cloned().map(|link| {
            let refreshes = Refreshes { gone_since: link.refreshes.gone_since, ..pause };
            ResolvedLink { resolved_at, refreshes, ..link }
        });
        self.remember(scope, item, &due.collect());
        outcome(&links)
    }

    /// The links whose projects have not found them again, and have not said twice that their items are gone.
    fn still_known(&self, known: &[ResolvedLink], query: &ProjectQuery) -> Vec<ResolvedLink> {
        let (at, now) = (self.clock.now(), self.clock.monotonic());
        let lost =
            known.iter().filter(|link| query.found.iter().all(|(project, _)| *project != link.project));
        let still_there = lost.cloned().filter_map(|link| {
            // As long as one cannot be asked, none is ended.
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

    /// Keeps which projects do not have an item that none was found to have.
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

    /// Asks again for a link that may still be used.
    async fn refresh(
        &self,
        scope: Scope,
        item: Item<'static>,
        known: Links,
        options: &CallOptions,
    ) -> Resolution {
        let began = Instant::now();
        // An id that several projects may have is asked for everywhere, so that a second one comes to light.
        let order = match known.first() {
            Some(link) if item.is_unique() => vec![link.project],
            _ => self.projects.to_ask(scope, ProjectSet::default()),
        };
        let query = ProjectQuery::run(&self.projects, &order, &item, options).await;
        let nebuly = |status| AnswerSource::nebuly(status, began.elapsed());
        if !query.found.is_empty() {
            let status = query.status;
            let outcome = self.settle_found(scope, item, &known, query);
            return Resolution { outcome, source: nebuly(status) };
        }
        let links = Links::from(self.still_known(&known, &query));
        if links.is_empty() {
            let absent = AbsentLink { said_by: query.absent, said_at: self.clock.monotonic() };
            self.memory.insert(scope, item.clone(), CachedLink::Absent(absent));
            if absent.said_by == self.projects.of(scope) {
                return Resolution { outcome: Outcome::Absent, source: nebuly(query.status) };
            }
            // Another project may have it.
            return self.ask(scope, item, options).await;
        }
        let now = self.clock.now();
        let source = match links.first().map(|link| self.lifetimes.freshness(link.resolved_at, now)) {
            Some(Freshness::Fresh) => AnswerSource::Memory,
            Some(Freshness::Stale | Freshness::Expired) | None => AnswerSource::Stale,
        };
        self.remember(scope, item, &links);
        Resolution { outcome: outcome(&links), source }
    }

    /// Links whose refresh has failed: as before, but not to be asked for again for a growing pause.
    fn paused(&self, links: &[ResolvedLink]) -> Links {
        let now = self.clock.monotonic();
        links.iter().cloned().map(|link| link.failed(now)).collect()
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

    /// Keeps a link that is certain, also for the other replicas. That several projects have an item is not shared.
    fn keep(&self, scope: Scope, item: Item<'static>, links: &Links) {
        if let (Some(shared), [link]) = (&self.shared, &**links) {
            let ResolvedLink { url, project, resolved_at, .. } = link.clone();
            shared.put(scope, &item, SharedLink { url, project, resolved_at });
        }
        self.remember(scope, item, links);
    }

    fn remember(&self, scope: Scope, item: Item<'static>, links: &Links) {
        let link = match &**links {
            [link] => CachedLink::Resolved(link.clone()),
            _ => CachedLink::Ambiguous(Arc::clone(links)),
        };
        self.memory.insert(scope, item, link);
    }

    /// The link of an item that may still be used; several, if several projects have it.
    fn known_resolved(&self, scope: Scope, item: &Item<'_>) -> Option<Links> {
        let links: Links = match self.memory.get(scope, item)? {
            CachedLink::Resolved(link) => [link].into(),
            CachedLink::Ambiguous(links) => links,
            CachedLink::Absent(_) => return None,
        };
        let freshness = self.lifetimes.freshness(links.first()?.resolved_at, self.clock.now());
        (freshness != Freshness::Expired).then_some(links)
    }

    /// The absences of an item that still count.
    fn absence(&self, scope: Scope, item: &Item<'_>) -> Option<AbsentLink> {
        match self.memory.get(scope, item)? {
            CachedLink::Resolved(_) | CachedLink::Ambiguous(_) => None,
            CachedLink::Absent(link) => {
                let said_by = self.lifetimes.absent_in(&link, self.clock.monotonic());
                // If all of them said so, this is asked for again on purpose.
                let open = said_by != ProjectSet::default() && said_by != self.projects.of(scope);
                open.then_some(AbsentLink { said_by, ..link })
            }
        }
    }
}

fn outcome(links: &Links) -> Outcome {
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

/// How long a call may take for its answer to be of use.
pub(super) fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}
