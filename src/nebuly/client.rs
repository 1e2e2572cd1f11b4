//! The client of one project of Nebuly's: the life of a call for a link.
//!
//! 1. The key must not be known to be rejected, and the circuit breaker must admit the call.
//! 2. One of the callers that wait for the answer takes a token of its rate limit, and waits for a permit of the fair
//!    semaphore.
//! 3. The call is made. After a 401 it is made once more, if there is another key by then.
//! 4. Key and circuit breaker learn from the outcome.
//!
//! After a temporary failure the call is retried after a pause, beginning with step 1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use opentelemetry_sdk::trace::SdkTracer;
use secrecy::SecretString;

use super::call::{self, ApiCall, CallOutcome, ClientError, DEEP_LINK, Endpoint, KeyCheck, NebulyApi};
use super::circuit_breaker::{AdmittedCall, CircuitBreaker};
use super::details::DetailsClient;
use super::fair_semaphore::{FairSemaphore, QueueFull, Wait};
use super::key::{ApiKeySource, KeyHolder, ProjectKeys};
use super::metrics::{self, CallMetrics, KeyMetrics};
use super::project_calls::{
    CallObserver, ItemCalls, OUT_OF_TIME, ProjectCalls, RateLimitToken, TOO_MANY_WAIT, Turn, time_left,
};
use super::side_calls::SideCalls;
use super::tag_search::TagSearchClient;
use super::{SteadyClock, backoff};
use crate::domain::{
    AllowedHosts, Answer, CallFailure, CallFuture, CallOptions, Caller, Cause, DeepLinks, Item, ProjectName,
    TargetUrl,
};

/// No call starts with less time than this, or than a whole attempt if that is shorter. It would only be abandoned, make
/// room for the next one like it, and end in a timeout that says nothing of Nebuly. At most half of the deadline: with a
/// short deadline no call would be made at all.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The options that the clients of all projects have in common.
#[derive(Debug, Clone)]
pub struct NebulyOptions {
    /// The addresses of the calls.
    pub endpoint: Endpoint,
    /// The hosts that links may lead to.
    pub allowed_hosts: AllowedHosts,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Vec<u8>>,
    /// The proxy that calls go through, with user and password if it wants them.
    pub proxy: Option<SecretString>,
    /// The longest time for connecting.
    pub connect_timeout: Duration,
    /// The longest time for one attempt, from connecting to the last byte.
    pub attempt_timeout: Duration,
    /// The longest time that callers give a resolution, and the longest time for a tag search. For links it only bounds
    /// [`MIN_TIMEOUT`]: each call brings its own deadline.
    pub deadline: Duration,
    /// Further attempts after one that failed in a way that may pass.
    pub retries: u32,
    /// Makes the spans of calls, if any request is traced.
    pub tracer: Option<SdkTracer>,
}

/// The state that the clients of all projects share.
#[derive(Clone)]
pub struct SharedClientState {
    semaphore: Arc<FairSemaphore>,
    /// Bounds the calls that are not for links.
    quarter: Arc<FairSemaphore>,
    keys: Arc<ProjectKeys>,
    clock: SteadyClock,
}

/// The client of one project of Nebuly's.
pub struct Nebuly {
    calls: Arc<ProjectCalls>,
    side_calls: Arc<SideCalls>,
    breaker: CircuitBreaker,
    retries: u32,
    deadline: Duration,
    deep_links: CallObserver,
    get_interactions: CallMetrics,
}

impl SharedClientState {
    /// Allows this many calls in flight at once, of all projects together; at least one.
    #[must_use]
    pub fn new(max_in_flight: usize) -> Self {
        Self::with_clock(max_in_flight, Arc::new(Instant::now))
    }

    /// The same, with another clock for circuit breakers and rejected keys.
    #[must_use]
    pub fn with_clock(max_in_flight: usize, clock: SteadyClock) -> Self {
        let semaphore = Arc::new(FairSemaphore::new(max_in_flight));
        let quarter = Arc::new(semaphore.quarter());
        Self { semaphore, quarter, keys: Arc::default(), clock }
    }

    /// The keys of the projects whose clients were built with this.
    #[must_use]
    pub const fn keys(&self) -> &Arc<ProjectKeys> {
        &self.keys
    }
}

impl Nebuly {
    /// A client for one project. It connects when it is first used. A file of its key is read by [`ProjectKeys::load`]
    /// and [`ProjectKeys::watch`]; until there is a key in it, calls fail.
    pub fn new(
        options: &NebulyOptions,
        project: ProjectName,
        key: ApiKeySource,
        shared: &SharedClientState,
    ) -> Result<Self, ClientError> {
        metrics::describe();
        let (http, network_path) = call::http_client(
            options.certificate_authorities.as_deref(),
            options.proxy.as_ref(),
            options.connect_timeout,
        )?;
        let api = NebulyApi {
            http,
            network_path,
            endpoint: options.endpoint.clone(),
            allowed_hosts: options.allowed_hosts.clone(),
            keys: Arc::clone(&shared.keys),
        };
        let clock = || Arc::clone(&shared.clock);
        let key = Arc::new(KeyHolder::new(project.clone(), key, clock(), KeyMetrics::new(&project)));
        shared.keys.add(Arc::clone(&key));
        let calls = Arc::new(ProjectCalls {
            api,
            key,
            semaphore: Arc::clone(&shared.semaphore),
            attempt_timeout: options.attempt_timeout,
            min_timeout: options.attempt_timeout.min(MIN_TIMEOUT).min(options.deadline / 2),
            tracer: options.tracer.clone(),
            project,
        });
        let project = &calls.project;
        Ok(Self {
            breaker: CircuitBreaker::new(project.clone(), "links", clock(), metrics::circuit_open(project)),
            retries: options.retries,
            deadline: options.deadline,
            deep_links: calls.observer(&DEEP_LINK),
            get_interactions: CallMetrics::new(project, "get_interactions"),
            side_calls: Arc::new(SideCalls::new(Arc::clone(&calls), clock(), Arc::clone(&shared.quarter))),
            calls,
        })
    }

    /// The project whose key this client has.
    #[must_use]
    pub fn project(&self) -> &ProjectName {
        &self.calls.project
    }

    /// A client for the details of this project's items, of which it reads these fields alone.
    #[must_use]
    pub fn details(&self, fields: Arc<[Arc<str>]>) -> DetailsClient {
        DetailsClient::new(Arc::clone(&self.side_calls), fields)
    }

    /// A client that searches this project for items by their tags.
    #[must_use]
    pub fn tag_search(&self) -> TagSearchClient {
        TagSearchClient::new(Arc::clone(&self.side_calls), self.deadline)
    }

    /// Returns true if there is a key to call with.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.calls.key.has_key()
    }

    /// Checks the key with a call of its own. It bypasses circuit breaker and semaphore, and changes nothing for them.
    pub async fn check_key(&self) -> KeyCheck {
        let Some(key) = self.calls.key.key() else { return KeyCheck::NoKey };
        let began = Instant::now();
        let _in_flight = self.get_interactions.in_flight();
        let check = self.calls.api.check_key(&key, self.calls.attempt_timeout).await;
        if let Some(result) = check.result() {
            self.get_interactions.ended(result, began.elapsed());
        }
        check
    }

    /// Calls, and retries while the outcome may pass and another attempt is allowed.
    async fn ask(&self, item: &Item<'static>, options: &CallOptions) -> Result<Answer, CallFailure> {
        let retries = if options.may_retry { self.retries } else { 0 };
        let api = &self.calls.api;
        let url = api.endpoint.deep_link(item).map_err(|error| {
            tracing::error!(project = %self.calls.project, %error, "failed to build the URL of a call");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        let accept = |body: &[u8]| call::accept_url(body, &api.allowed_hosts, &api.keys);
        let api_call = ApiCall { url, question: None, max_body: call::MAX_DEEP_LINK_BODY, accept: &accept };
        let mut calls = ItemCalls::new(&api_call, &self.deep_links, options.deadline);
        let mut outcome = self.call(&mut calls, item, options).await?;
        for failed in 1..=retries {
            if !matches!(outcome, CallOutcome::Retryable(_)) || !self.pause(failed, options.deadline).await {
                break;
            }
            // The outcome of the last call says more than that no other one was made.
            let Ok(again) = self.call(&mut calls, item, options).await else { break };
            outcome = again;
        }
        self.calls.conclude(outcome, &self.breaker, "failed to resolve a link")
    }

    /// Waits before another attempt. Returns false at once if there is no time for one.
    async fn pause(&self, failed: u32, deadline: Instant) -> bool {
        let pause = backoff::pause(failed);
        let enough_time = time_left(deadline) >= pause + self.calls.min_timeout;
        if enough_time {
            tokio::time::sleep(pause).await;
        }
        enough_time
    }

    /// Makes one call, or, if the key was rejected and there is another one, two. An error means that none was made.
    async fn call(
        &self,
        calls: &mut ItemCalls<'_, TargetUrl>,
        item: &Item<'static>,
        options: &CallOptions,
    ) -> Result<CallOutcome<TargetUrl>, CallFailure> {
        self.calls.key.check()?;
        let mut admitted = self.breaker.admit()?;
        let turn = self.turn(options, &admitted).await?;
        // While it waited, the circuit may have opened.
        admitted.begin()?;
        let outcome = self.calls.make(calls, turn).await?;
        admitted.settle(item, outcome.evidence());
        Ok(outcome)
    }

    /// Waits for a turn among all calls, unless the circuit opens. Each caller that wants the answer, also one that joins
    /// while this waits, waits in its own turn; the first turn counts.
    async fn turn(&self, options: &CallOptions, admitted: &AdmittedCall<'_>) -> Result<Turn, CallFailure> {
        let max_wait = self.calls.max_wait(options.deadline)?;
        let first_of_all = async {
            let mut turns = FuturesUnordered::new();
            let mut next = options.callers.at(0);
            let (mut callers, mut has_slot) = (0, false);
            let mut first_failure = None;
            loop {
                tokio::select! {
                    biased;
                    // Callers that are there already come first: none is to miss its turn because another's failed.
                    caller = &mut next => {
                        let wait = if has_slot { Wait::Further } else { Wait::First };
                        has_slot = true;
                        turns.push(self.turn_of(caller, wait, max_wait));
                        callers += 1;
                        next = options.callers.at(callers);
                    }
                    Some(turn) = turns.next() => match turn {
                        Ok(turn) => break Ok(turn),
                        Err((wait, failure)) => {
                            has_slot &= wait == Wait::Further;
                            let failure = *first_failure.get_or_insert(failure);
                            if turns.is_empty() {
                                break Err(failure);
                            }
                        }
                    },
                }
            }
        };
        tokio::select! {
            biased;
            refused = admitted.refused() => Err(refused),
            turn = tokio::time::timeout(max_wait, first_of_all) => turn.unwrap_or(Err(OUT_OF_TIME)),
        }
    }

    /// Waits until a caller has a token and a permit. A failure comes with how it waited.
    async fn turn_of(
        &self,
        caller: Caller,
        wait: Wait,
        max_wait: Duration,
    ) -> Result<Turn, (Wait, CallFailure)> {
        let (token, until_available) =
            RateLimitToken::acquire(&caller.rate_limit, max_wait).map_err(|failure| (wait, failure))?;
        if !until_available.is_zero() {
            tokio::time::sleep(until_available).await;
        }
        let permit = self.calls.semaphore.acquire(caller.fairness_key, wait).await;
        let permit = permit.map_err(|QueueFull| (wait, TOO_MANY_WAIT))?;
        Ok(Turn { permit, token, caller })
    }
}

impl DeepLinks for Nebuly {
    fn resolve<'a>(&'a self, item: &'a Item<'static>, options: &'a CallOptions) -> CallFuture<'a> {
        Box::pin(self.ask(item, options))
    }
}
