//! Look-ups by tag: the newest item that the customer gave a tag, from the cache or from the projects; and then the link of
//! that item, which is resolved like any other.
//!
//! All projects are asked at once and waited for, since several may have an item with the tag. What cannot be asked now is
//! taken from what is remembered, which is marked as stale.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::prepaid_rate_limit::PrepaidRateLimit;
use super::resolution::{AnswerSource, Calls, Mode, Outcome, Resolution};
use super::single_flight::{Lead, SingleFlight};
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{
    AbsentLink, Answer, CachedTag, CallFailure, Caller, Cause, Clock, Item, Kind, LazyCaller, Lifetimes,
    ProjectIndex, ProjectSet, Scope, Tag, TagCache, TagKey, TagSearch, TaggedItem, TaggedItems, TimeRange,
    retry_after,
};

/// The longest that a caller waits for an answer in place of a remembered one, unless it wants Nebuly to be asked. The
/// look-up goes on without the caller.
const PATIENCE: Duration = Duration::from_secs(2);

/// The status of an answer that lists items, also if there are none.
const LISTED: u16 = 200;

/// The projects that are searched for tags, and the cache of the answers.
pub struct ResolverTags {
    /// The projects; their order is that of [`ProjectIndex`].
    pub projects: Vec<Box<dyn TaggedItems>>,
    /// The cache.
    pub cache: Arc<dyn TagCache>,
    /// The age of the oldest item that is found without a range.
    pub window: Duration,
}

/// A tag that a caller looks up.
pub struct TagLookup<'a> {
    /// The tag.
    pub tag: Tag,
    /// The kind of the item.
    pub kind: Kind,
    /// The time that the item is of. `None`: the last `lookup.window`.
    pub range: Option<TimeRange>,
    /// The projects in which it is looked for.
    pub scope: Scope,
    /// Decides whether a cache may answer.
    pub mode: Mode,
    /// The time for which to wait for an item that Nebuly does not have yet.
    pub wait: Duration,
    /// The caller.
    pub caller: &'a dyn LazyCaller,
}

/// An item that a tag led to, and the link of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedLink {
    /// The item.
    pub item: Item<'static>,
    /// The projects in which its link was looked for.
    pub scope: Scope,
    /// Its link. The source is that of both answers together: if either was stale, it is.
    pub link: Resolution,
}

/// Look-ups by tag of one resolver.
pub(super) struct TagResolver {
    store: Arc<TagStore>,
    flights: SingleFlight<TagKey, TaggedItem>,
}

/// The answers of projects about tags.
struct TagStore {
    tags: ResolverTags,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
}

/// One question to several projects, and what they said.
#[derive(Default)]
struct TagQuery {
    /// The newest item of each project that has one.
    found: Vec<(ProjectIndex, Item<'static>)>,
    /// The projects that list none.
    absent: ProjectSet,
    /// The projects that refuse the question in a way that means that they have none. An item that is remembered does not
    /// end by that: a wrong route in front of Nebuly also answers so.
    refused: ProjectSet,
    /// The status of the first answer that decides. None of a list without items, which says no more than a 404.
    status: Option<u16>,
    /// The first failure.
    failure: Option<CallFailure>,
    /// All that were asked.
    asked: ProjectSet,
}

impl Resolution<TaggedLink> {
    /// Returns true if Nebuly does not know the tag, or not the item that it listed.
    pub(super) fn is_absent(&self) -> bool {
        match &self.outcome {
            Outcome::Absent => true,
            Outcome::Resolved(found) => found.link.outcome == Outcome::Absent,
            Outcome::Ambiguous(_) | Outcome::Failed(_) => false,
        }
    }

    /// The same, with the source of each link together with that of the look-up. If there are several and one waited for a
    /// call, the answer did.
    pub(super) fn with_sources_together(mut self) -> Self {
        match &mut self.outcome {
            Outcome::Resolved(link) => link.link.source = together(self.source, &link.link),
            Outcome::Ambiguous(links) => {
                for link in &mut *links {
                    link.link.source = together(self.source, &link.link);
                }
                let mut sources = links.iter().map(|link| link.link.source);
                if self.source == AnswerSource::Memory
                    && let Some(call) = sources.find(|source| matches!(source, AnswerSource::Nebuly(_)))
                {
                    self.source = call;
                }
            }
            Outcome::Absent | Outcome::Failed(_) => {}
        }
        self
    }
}

/// The source of a link together with that of the look-up that found its item.
fn together(look_up: AnswerSource, link: &Resolution) -> AnswerSource {
    match (look_up, link.source) {
        // A link that is not there, or was built from known ids, is so whatever the look-up said.
        (AnswerSource::Stale, source) if link.is_resolved() && source != AnswerSource::Constructed => {
            AnswerSource::Stale
        }
        (AnswerSource::Nebuly(first), AnswerSource::Nebuly(then)) => AnswerSource::Nebuly(Calls {
            collapsed: first.collapsed && then.collapsed,
            is_incomplete: first.is_incomplete,
            duration: first.duration + then.duration,
            ..then
        }),
        (AnswerSource::Nebuly(first), AnswerSource::Memory | AnswerSource::Shared) => {
            // The status of the look-up says nothing of an item that is absent.
            AnswerSource::Nebuly(Calls { status: first.status.filter(|_| link.is_resolved()), ..first })
        }
        (_, source) => source,
    }
}

impl TagResolver {
    pub(super) fn new(
        tags: ResolverTags,
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
        background: BackgroundRuntime,
    ) -> Self {
        Self { store: Arc::new(TagStore { tags, lifetimes, clock }), flights: SingleFlight::new(background) }
    }

    /// See [`TagStore::last_window`].
    pub(super) fn last_window(&self) -> TimeRange {
        self.store.last_window()
    }

    /// The newest item with a tag, in each project that has one: from the cache, or by asking them in one flight with all
    /// others who look it up now.
    pub(super) async fn newest(
        &self,
        lookup: &TagLookup<'_>,
        mode: Mode,
        until: Instant,
    ) -> Resolution<TaggedItem> {
        let TagLookup { tag, kind, range, scope, .. } = lookup;
        let key = TagKey { scope: *scope, tag: tag.clone(), kind: *kind, range: *range };
        if mode == Mode::Cached
            && let Some(hit) = self.store.hit(&key)
        {
            return hit;
        }
        let Caller { fairness_key, rate_limit } = lookup.caller.caller().clone();
        let tokens = Arc::new(PrepaidRateLimit::new(rate_limit));
        let caller = Caller { fairness_key, rate_limit: Arc::clone(&tokens) as _ };
        let pay = || tokens.prepay(u32::try_from(self.store.to_ask(&key, mode).len()).unwrap_or(u32::MAX));
        // Unlike the call for a link, which is made at whichever caller's turn comes first, the calls of a look-up wait in the
        // turns of its leader alone: they are several, in several projects, and rarely does anybody follow. A follower
        // whose leader ran out of time leads a look-up of its own.
        let begin = |_lead: &Lead<_, _>| {
            let (store, key, caller) = (Arc::clone(&self.store), key.clone(), caller.clone());
            async move { store.ask(key, mode, &caller).await }
        };
        let asking = self.flights.resolve(&key, &caller, mode, until, pay, begin);
        let answer = if mode == Mode::Cached && self.store.remembered(&key).is_some() {
            // Nobody waits long for what is probably known.
            tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Ok(Resolution::OUT_OF_TIME))
        } else {
            asking.await
        };
        let answer = answer.unwrap_or_else(|wait| {
            Resolution::failed(Cause::RateLimited { retry_after: retry_after(wait) }).for_caller(mode, false)
        });
        match answer.outcome {
            // A refresh that failed does not change a cached answer.
            Outcome::Failed(_) => self.store.fallback(&key).unwrap_or(answer),
            _ => answer,
        }
    }
}

impl TagStore {
    /// The answer that is cached and may be used without asking.
    fn hit(&self, key: &TagKey) -> Option<Resolution<TaggedItem>> {
        let cached = self.tags.cache.get(key)?;
        let now = self.clock.monotonic();
        let outcome = if cached.is_fresh(now) {
            outcome(cached.items.clone())?
        } else if self.lifetimes.absent_in(&cached.absent, now) == self.projects(key.scope) {
            Outcome::Absent
        } else {
            return None;
        };
        Some(Resolution::new(outcome, AnswerSource::Memory))
    }

    /// The answer that is remembered for the time when Nebuly cannot be asked.
    fn remembered(&self, key: &TagKey) -> Option<Resolution<TaggedItem>> {
        let cached = self.tags.cache.get(key)?;
        let items = cached.remembered(self.clock.monotonic()).cloned().collect();
        Some(Resolution::new(outcome(items)?, AnswerSource::Stale))
    }

    /// The answer that is used in place of a failure.
    fn fallback(&self, key: &TagKey) -> Option<Resolution<TaggedItem>> {
        self.hit(key).or_else(|| self.remembered(key))
    }

    /// All projects of a scope.
    fn projects(&self, scope: Scope) -> ProjectSet {
        match scope {
            Scope::All => (0..self.tags.projects.len()).filter_map(ProjectIndex::new).collect(),
            Scope::Only(project) => [project].into_iter().collect(),
        }
    }

    /// The projects to ask: all of the scope but those that have said a short time ago that they have none.
    fn to_ask(&self, key: &TagKey, mode: Mode) -> Vec<ProjectIndex> {
        let wanted = self.projects(key.scope);
        let absent = if mode == Mode::Cached { self.absent_in(key) } else { ProjectSet::default() };
        let all = (0..self.tags.projects.len()).filter_map(ProjectIndex::new);
        all.filter(|project| wanted.contains(*project) && !absent.contains(*project)).collect()
    }

    fn absent_in(&self, key: &TagKey) -> ProjectSet {
        let cached = self.tags.cache.get(key);
        cached
            .map(|cached| self.lifetimes.absent_in(&cached.absent, self.clock.monotonic()))
            .unwrap_or_default()
    }

    /// Asks the projects, unless the answer has come by now, and keeps what they say.
    async fn ask(&self, key: TagKey, mode: Mode, caller: &Caller) -> Resolution<TaggedItem> {
        if mode == Mode::Cached
            && let Some(hit) = self.hit(&key)
        {
            return hit;
        }
        let range = key.range.unwrap_or_else(|| self.last_window());
        let search = TagSearch { tag: key.tag.clone(), kind: key.kind, range };
        let began = Instant::now();
        let query = self.query(&self.to_ask(&key, mode), &search, caller).await;
        self.settle(key, query, began.elapsed())
    }

    /// The time that is searched now without a range.
    fn last_window(&self) -> TimeRange {
        let now = self.clock.now();
        TimeRange { start: now.before(self.tags.window), end: now }
    }

    /// Asks projects, all at once, and waits for all of them: another one may have an item, too. Each answers or fails by
    /// `nebuly.deadline`.
    async fn query(&self, projects: &[ProjectIndex], search: &TagSearch, caller: &Caller) -> TagQuery {
        let mut query = TagQuery { asked: projects.iter().copied().collect(), ..TagQuery::default() };
        let ask = |project: ProjectIndex| async move {
            let answer = match self.tags.projects.get(project.position()) {
                Some(source) => source.newest(search, caller).await,
                None => Err(CallFailure { cause: Cause::Internal, status: None }),
            };
            (project, answer)
        };
        let mut asked: FuturesUnordered<_> = projects.iter().copied().map(ask).collect();
        while let Some((project, answer)) = asked.next().await {
            query.note(project, answer);
        }
        query
    }

    /// Keeps the answers, beside what is remembered of projects that could not be asked.
    fn settle(&self, key: TagKey, query: TagQuery, duration: Duration) -> Resolution<TaggedItem> {
        let now = self.clock.monotonic();
        let before = self.tags.cache.get(&key);
        let not_asked = self.projects(key.scope).without(query.asked);
        let ended = query.absent.union(not_asked);
        let found: Vec<_> = query
            .found
            .into_iter()
            .map(|(project, item)| TaggedItem { project, item, found_at: now })
            .collect();
        let is_kept = |item: &&TaggedItem| {
            !ended.contains(item.project) && found.iter().all(|found| found.project != item.project)
        };
        let remembered = before.iter().flat_map(|before| before.remembered(now));
        let kept: Vec<_> = remembered.filter(is_kept).cloned().collect();
        let refused = query.refused.without(kept.iter().map(|item| item.project).collect());
        let is_incomplete = query.failure.is_some() || !kept.is_empty();
        let calls =
            Calls { mode: Mode::Cached, collapsed: false, is_incomplete, status: query.status, duration };
        if found.is_empty() && query.absent.union(refused) == ProjectSet::default() {
            // Nobody has said anything new: what is cached stays as it is.
            let outcome = query.failure.map_or(Outcome::Absent, Outcome::Failed);
            let failed = Resolution::new(outcome, AnswerSource::Nebuly(calls));
            return self.fallback(&key).unwrap_or(failed);
        }
        let said_at = match &before {
            // The moment at which the first of them said so.
            Some(before) if not_asked != ProjectSet::default() => before.absent.said_at,
            _ => now,
        };
        let absent = AbsentLink { said_by: ended.union(refused), said_at };
        let source = if found.is_empty() && !kept.is_empty() {
            AnswerSource::Stale
        } else {
            AnswerSource::Nebuly(calls)
        };
        if found.len() + kept.len() > 1 {
            // Kept under its own project as well, for callers who choose it.
            for item in &found {
                let only = TagKey { scope: Scope::Only(item.project), ..key.clone() };
                let absent = AbsentLink { said_by: ProjectSet::default(), said_at: now };
                let tag = CachedTag { items: vec![item.clone()], absent, complete_at: Some(now) };
                self.tags.cache.insert(only, tag, now);
            }
        }
        let mut items = [found, kept].concat();
        // In the order of the settings, not in that of the answers.
        items.sort_by_key(|item| item.project);
        let outcome =
            outcome(items.clone()).unwrap_or_else(|| query.failure.map_or(Outcome::Absent, Outcome::Failed));
        if !items.is_empty() || absent.said_by != ProjectSet::default() {
            let complete_at = (!is_incomplete).then_some(now);
            self.tags.cache.insert(key, CachedTag { items, absent, complete_at }, now);
        }
        Resolution::new(outcome, source)
    }
}

impl TagQuery {
    fn note(&mut self, project: ProjectIndex, answer: Result<Answer<Item<'static>>, CallFailure>) {
        match answer {
            Ok(Answer::Found(item)) => {
                if self.found.is_empty() {
                    self.status = Some(200);
                }
                self.found.push((project, item));
            }
            Ok(Answer::Absent { status }) => {
                if status == LISTED {
                    self.absent.insert(project);
                } else {
                    self.status.get_or_insert(status);
                    self.refused.insert(project);
                }
            }
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }
}

fn outcome(mut items: Vec<TaggedItem>) -> Option<Outcome<TaggedItem>> {
    match items.len() {
        0 => None,
        1 => items.pop().map(Outcome::Resolved),
        _ => Some(Outcome::Ambiguous(items)),
    }
}
