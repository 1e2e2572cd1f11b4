//! Resolves links: decides from where a request is answered, when Nebuly is asked, and what is cached of its answers. The
//! details of items come from here as well, and the items that a tag leads to.
//!
//! In this order, stopping at the first answer: fresh in memory; stale in memory, with one refresh in the background; the
//! shared cache; Nebuly; a constructed URL; an error. If a text may mean several items, they are tried in their
//! order until a project has one.
//!
//! | file | job |
//! |---|---|
//! | `resolution` | the request of a caller, and the answer |
//! | `single_flight` | one resolution per item at a time, however many callers wait |
//! | `prepaid_rate_limit` | a caller's rate limit, with tokens taken in advance for one resolution |
//! | `link_store` | memory and shared cache, and the rules by which links are used and kept |
//! | `project_query` | asking several projects |
//! | `projects` | the projects' order, and the ids from which their URLs are built |
//! | `details` | the details of items, from the cache or from Nebuly |
//! | `tags` | look-ups by tag, from the cache or from Nebuly |

mod details;
#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
mod link_store;
mod prepaid_rate_limit;
mod project_query;
mod projects;
mod resolution;
mod single_flight;
mod tags;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests;

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

pub use self::details::ResolverDetails;
use self::link_store::LinkStore;
use self::prepaid_rate_limit::PrepaidRateLimit;
pub use self::projects::ResolverProject;
use self::projects::ResolverProjects;
pub use self::resolution::{AnswerSource, Calls, Found, Mode, Outcome, Resolution, ResolveRequest};
use self::single_flight::{Joined, Lead, SingleFlight};
use self::tags::TagResolver;
pub use self::tags::{ResolverTags, TagLookup, TaggedLink};
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{
    Answer, CallFailure, Caller, Cause, Clock, Construction, Details, FairnessKey, IdCandidates, Item,
    LazyCaller, Lifetimes, LinkCache, ProjectIndex, ProjectSet, Scope, SharedLinks, TaggedItem, TimeRange,
    Timestamp, Unlimited, retry_after,
};

/// The first pause of a request that waits for an item before it asks again; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest such pause.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Resolves links.
///
/// However many callers ask for one item at once, and whichever of them disconnects, one resolution runs, and its answer is
/// cached. Errors are not cached.
pub struct Resolver {
    store: Arc<LinkStore>,
    flights: SingleFlight<(Scope, Item<'static>), Found>,
    policy: Policy,
    details: Option<ResolverDetails>,
    tags: Option<TagResolver>,
}

/// The choices of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The lifetimes of links.
    pub lifetimes: Lifetimes,
    /// The longest that a resolution may take.
    pub deadline: Duration,
    /// Decides when URLs are built from known ids rather than asked for.
    pub construct: Construct,
}

/// Decides when URLs are built from known ids rather than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Construct {
    /// Never.
    Never,
    /// While Nebuly cannot be asked.
    InOutages,
    /// Always: Nebuly is never asked.
    Always,
}

/// The caches, projects and clock that a resolver works with.
pub struct ResolverDependencies {
    /// The memory of this process.
    pub memory: Arc<dyn LinkCache>,
    /// The memory that replicas share.
    pub shared: Option<Arc<dyn SharedLinks>>,
    /// The projects; their order is that of [`crate::domain::ProjectIndex`].
    pub projects: Vec<ResolverProject>,
    /// Builds URLs from known ids.
    pub construction: Construction,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where resolutions run.
    pub background: BackgroundRuntime,
    /// Where the details of items come from. `None`: nobody sees any.
    pub details: Option<ResolverDetails>,
    /// Where tags are looked up. `None`: nowhere.
    pub tags: Option<ResolverTags>,
}

impl Resolver {
    /// A resolver that follows this policy.
    #[must_use]
    pub fn new(dependencies: ResolverDependencies, policy: Policy) -> Self {
        let clock = Arc::clone(&dependencies.clock);
        let tags = dependencies
            .tags
            .map(|tags| TagResolver::new(tags, policy.lifetimes, clock, dependencies.background.clone()));
        let store = LinkStore {
            memory: dependencies.memory,
            shared: dependencies.shared,
            projects: ResolverProjects::new(dependencies.projects, dependencies.construction),
            lifetimes: policy.lifetimes,
            clock: dependencies.clock,
        };
        Self {
            store: Arc::new(store),
            flights: SingleFlight::new(dependencies.background),
            policy,
            details: dependencies.details,
            tags,
        }
    }

    /// The present, on the clock that decides what is fresh.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    /// Answers a request.
    pub async fn resolve(&self, request: &ResolveRequest<'_>) -> Resolution {
        if request.mode == Mode::Cached
            && self.policy.construct != Construct::Always
            && let Some(hit) = self.cached(request.scope, request.candidates.first())
            && hit.is_resolved()
        {
            return hit;
        }
        // Boxed, so that the future of a hit stays small: everything else costs a call, or is an error.
        Box::pin(self.resolve_cold(request)).await
    }

    /// The answer to a request that has no time for a call, not even for one in the background: the link, its absence or
    /// its choices, as they are in memory, whatever the mode. `None` if memory does not tell.
    #[must_use]
    pub fn known(&self, request: &ResolveRequest<'_>) -> Option<Resolution> {
        if self.policy.construct == Construct::Always {
            return Some(self.construct_always(request));
        }
        let others = request.candidates.others();
        let mut all_absent = None;
        let mut is_one_unknown = false;
        for (position, item) in iter::once(request.candidates.first()).chain(&others).enumerate() {
            let hit = self.store.in_memory(request.scope, item);
            match hit.map(|hit| hit.resolution.of_candidate(position)) {
                Some(hit) if hit.is_resolved() => return Some(hit),
                Some(hit) if hit.outcome == Outcome::Absent => all_absent = Some(hit),
                Some(hit) if !is_one_unknown => return Some(hit),
                _ => is_one_unknown = true,
            }
        }
        all_absent.filter(|_| !is_one_unknown)
    }

    /// Returns true if the details of items may be asked for.
    #[must_use]
    pub const fn has_details(&self) -> bool {
        self.details.is_some()
    }

    /// The details of an item that were read a short time ago: they cost no call.
    #[must_use]
    pub fn cached_details(&self, project: ProjectIndex, item: &Item<'_>) -> Option<Arc<Details>> {
        self.details.as_ref()?.cached(project, &item.clone().into_owned(), &*self.store.clock)
    }

    /// The details of an item in the project that has it. They cost a call, and so a token of the caller's rate limit,
    /// unless they were read a short time ago.
    ///
    /// They take at most two seconds. Without [`Self::has_details`] it is a defect to ask for them.
    pub async fn details(
        &self,
        project: ProjectIndex,
        item: &Item<'_>,
        caller: &dyn LazyCaller,
    ) -> Result<Answer<Arc<Details>>, CallFailure> {
        let details = self.details.as_ref();
        let details = details.ok_or(CallFailure { cause: Cause::Internal, status: None })?;
        details.of(project, item.clone().into_owned(), caller, &*self.store.clock).await
    }

    /// Returns true if tags can be looked up.
    #[must_use]
    pub const fn has_tags(&self) -> bool {
        self.tags.is_some()
    }

    /// The time that is searched now for a tag without a range. `None` without [`Self::has_tags`].
    #[must_use]
    pub fn last_tag_window(&self) -> Option<TimeRange> {
        Some(self.tags.as_ref()?.last_window())
    }

    /// Looks a tag up, and resolves the link of the item that is found. Without [`Self::has_tags`] it is a defect to ask.
    ///
    /// If several projects have an item with the tag, there is a link for each. The source of the answer is that of the
    /// look-up alone; for several links, that of one which waited for a call, if any did.
    pub async fn look_up(&self, lookup: &TagLookup<'_>) -> Resolution<TaggedLink> {
        let Some(tags) = &self.tags else { return Resolution::failed(Cause::Internal) };
        let mut pauses = Pauses::of(lookup.wait);
        let mut answer = self.look_up_once(tags, lookup, lookup.mode).await;
        while answer.is_absent() && pauses.wait().await {
            let again = self.look_up_once(tags, lookup, Mode::Refresh).await;
            if again.is_rate_limited() {
                break;
            }
            answer = again.after(answer.source);
        }
        answer.with_sources_together()
    }

    async fn resolve_cold(&self, request: &ResolveRequest<'_>) -> Resolution {
        if self.policy.construct == Construct::Always {
            return self.construct_always(request);
        }
        let attempt_until = || deadline(self.policy.deadline);
        let mut pauses = Pauses::of(request.wait);
        let mut resolution = self.resolve_once(request, request.mode, attempt_until(), false).await;
        while resolution.outcome == Outcome::Absent && pauses.wait().await {
            let again = self.resolve_once(request, Mode::Refresh, attempt_until(), false).await;
            if again.is_rate_limited() {
                break;
            }
            resolution = again.after(resolution.source);
        }
        self.or_constructed(request, resolution)
    }

    /// The resolution, or the URL that may be constructed in its place.
    fn or_constructed(&self, request: &ResolveRequest<'_>, resolution: Resolution) -> Resolution {
        match resolution.outcome {
            Outcome::Failed(failure) => self.construct_in_outage(request, failure).unwrap_or(resolution),
            _ => resolution,
        }
    }

    /// Resolves one candidate after the other by this deadline, until a project has one. `begun` if calls were made for this
    /// request already: then its rate limit is not asked again.
    async fn resolve_once(
        &self,
        request: &ResolveRequest<'_>,
        mode: Mode,
        until: Instant,
        begun: bool,
    ) -> Resolution {
        let ResolveRequest { candidates, scope, .. } = *request;
        let others = candidates.others();
        let cached = |item: &Item<'_>| (mode == Mode::Cached).then(|| self.cached(scope, item)).flatten();
        let known = cached(candidates.first());
        if known.is_none() && matches!(candidates.first(), Item::Interaction(_)) {
            // A known conversation whose id is a UUID: there is no need to ask for an interaction of that id.
            if let Some(hit) = others.first().and_then(cached).filter(Resolution::is_resolved) {
                return hit.of_candidate(1);
            }
        }
        let mut resolution = match known {
            Some(known) => known,
            None => self.ask(request, candidates.first(), mode, until, begun).await,
        };
        for (position, other) in (1..).zip(&others) {
            match resolution.outcome {
                Outcome::Resolved(_) | Outcome::Ambiguous(_) => break,
                Outcome::Absent => {
                    let next = if let Some(hit) = cached(other) {
                        hit
                    } else {
                        // A request whose first call was made is finished, whatever it costs.
                        let begun = begun || matches!(resolution.source, AnswerSource::Nebuly(_));
                        self.ask(request, other, mode, until, begun).await
                    };
                    resolution = next.after(resolution.source).of_candidate(position);
                }
                // Another candidate may be cached, even though the first could not be asked for.
                Outcome::Failed(_) => {
                    if let Some(hit) = self.cached(scope, other).filter(Resolution::is_resolved) {
                        resolution = hit.of_candidate(position);
                    }
                }
            }
        }
        resolution
    }

    async fn look_up_once(
        &self,
        tags: &TagResolver,
        lookup: &TagLookup<'_>,
        mode: Mode,
    ) -> Resolution<TaggedLink> {
        let until = deadline(self.policy.deadline);
        let Resolution { outcome, source, candidate } = tags.newest(lookup, mode, until).await;
        let link = async |found: TaggedItem| {
            // The only project's links are shared with callers who name an id.
            let scope = match self.store.projects.only(Scope::All) {
                Some(_) => Scope::All,
                None => Scope::Only(found.project),
            };
            let request = ResolveRequest {
                candidates: &IdCandidates::of_item(found.item.clone()),
                scope,
                mode,
                wait: Duration::ZERO,
                caller: lookup.caller,
            };
            // A request whose first call was made is finished, whatever it costs.
            let begun = matches!(source, AnswerSource::Nebuly(_));
            // With a deadline of its own, so that a slow look-up does not end it. Both together take 20 s at most by default,
            // within the 30 s of `server.request_timeout`; who sets a longer `nebuly.deadline` has to set more than twice that
            // there.
            let link = self.resolve_once(&request, mode, deadline(self.policy.deadline), begun).await;
            let link = self.or_constructed(&request, link);
            TaggedLink { item: found.item, scope, link }
        };
        let outcome = match outcome {
            Outcome::Resolved(found) => Outcome::Resolved(link(found).await),
            Outcome::Ambiguous(found) => Outcome::Ambiguous(join_all(found.into_iter().map(link)).await),
            Outcome::Absent => Outcome::Absent,
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        Resolution { outcome, source, candidate }
    }

    /// Looks an item up in memory. If the link is stale, starts its refresh in the background.
    fn cached(&self, scope: Scope, item: &Item<'_>) -> Option<Resolution> {
        let hit = self.store.in_memory(scope, item)?;
        if hit.refresh_due {
            self.refresh_in_background(scope, item);
        }
        Some(hit.resolution)
    }

    /// Starts a refresh in the background, unless a flight of the item is under way.
    fn refresh_in_background(&self, scope: Scope, item: &Item<'_>) {
        let item = item.clone().into_owned();
        let background = Caller { fairness_key: FairnessKey::Refresh, rate_limit: Arc::new(Unlimited) };
        let until = deadline(self.policy.deadline);
        let key = (scope, item.clone());
        let Joined::Leader(lead) = self.flights.join(&key, &background, until) else { return };
        let options = lead.call_options(false);
        let store = Arc::clone(&self.store);
        drop(lead.run(async move { store.refresh_if_due(scope, item, options).await }));
    }

    /// Resolves one item by this deadline, in one flight with all others who ask for it now. `begun` if calls were made for
    /// this request already: then its rate limit is not asked again.
    async fn ask(
        &self,
        request: &ResolveRequest<'_>,
        item: &Item<'_>,
        mode: Mode,
        until: Instant,
        begun: bool,
    ) -> Resolution {
        let scope = request.scope;
        let item = item.clone().into_owned();
        let Caller { fairness_key, rate_limit } = request.caller.caller().clone();
        let tokens = Arc::new(PrepaidRateLimit::new(rate_limit));
        let caller = Caller { fairness_key, rate_limit: Arc::clone(&tokens) as _ };
        let pay = || if begun { Ok(()) } else { tokens.prepay(self.store.first_calls(scope, &item)) };
        let may_retry = self.constructible(request).is_none();
        let resolution = |lead: &Lead<_, _>| {
            let (options, store, item) =
                (lead.call_options(may_retry), Arc::clone(&self.store), item.clone());
            async move { store.resolve(scope, item, mode, options).await }
        };
        let key = (scope, item.clone());
        match self.flights.resolve(&key, &caller, mode, until, pay, resolution).await {
            Ok(result) => self.conclude(result, scope, &item, mode),
            Err(wait) => self.rate_limited(scope, item, mode, wait).await,
        }
    }

    /// Answers a caller over its rate limit: from the caches, or with the refusal.
    async fn rate_limited(
        &self,
        scope: Scope,
        item: Item<'static>,
        mode: Mode,
        wait: Duration,
    ) -> Resolution {
        if let Some(hit) = self.cached(scope, &item) {
            return hit;
        }
        if let Some(result) = self.store.take_shared(scope, &item).await {
            return self.conclude(result.for_caller(Mode::Cached, false), scope, &item, Mode::Cached);
        }
        Resolution::failed(Cause::RateLimited { retry_after: retry_after(wait) }).for_caller(mode, false)
    }

    fn conclude(&self, result: Resolution, scope: Scope, item: &Item<'static>, mode: Mode) -> Resolution {
        if let Outcome::Failed(_) = result.outcome
            && let Some(hit) = self.cached(scope, item)
        {
            // A refresh that failed does not change a cached answer.
            return hit;
        }
        if result.source == AnswerSource::Stale && mode == Mode::Cached {
            self.cached(scope, item);
        }
        result
    }

    /// The URL that may be constructed in an outage. Only if the caller named the kind: otherwise the text may mean several
    /// items, and Nebuly alone knows which of them exists.
    fn constructible(&self, request: &ResolveRequest<'_>) -> Option<Found> {
        let may = self.policy.construct == Construct::InOutages && request.candidates.kind_was_named();
        if may { self.store.construct(request.scope, request.candidates.first()) } else { None }
    }

    fn construct_in_outage(&self, request: &ResolveRequest<'_>, failure: CallFailure) -> Option<Resolution> {
        match failure.cause {
            Cause::Unavailable | Cause::Overloaded { .. } | Cause::Timeout => {}
            Cause::KeyRejected | Cause::BadAnswer | Cause::RateLimited { .. } | Cause::Internal => {
                return None;
            }
        }
        let found = self.constructible(request)?;
        if self.store.in_memory(request.scope, request.candidates.first()).is_some() {
            // Nebuly has just said that it is not there: it is another candidate that could not be asked for.
            return None;
        }
        Some(Resolution::new(Outcome::Resolved(found), AnswerSource::Constructed))
    }

    fn construct_always(&self, request: &ResolveRequest<'_>) -> Resolution {
        let item = request.candidates.first();
        let order = self.store.projects.to_ask(request.scope, ProjectSet::default());
        let mut found: Vec<_> =
            order.into_iter().filter_map(|project| self.store.construct_in(project, item)).collect();
        let outcome = match found.len() {
            0 => Outcome::Failed(CallFailure { cause: Cause::Internal, status: None }),
            1 => Outcome::Resolved(found.swap_remove(0)),
            _ => Outcome::Ambiguous(found),
        };
        Resolution::new(outcome, AnswerSource::Constructed)
    }
}

/// The growing pauses of a request that waits for an item before it asks again.
struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    /// The pauses of this time.
    fn of(wait: Duration) -> Self {
        Self { until: deadline(wait), next: FIRST_WAIT }
    }

    /// Waits for the next attempt, the last of which is made just when the time is up. Returns false at once after that.
    async fn wait(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.next.min(left)).await;
        self.next = (self.next * 2).min(LONGEST_WAIT);
        true
    }
}

fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}
