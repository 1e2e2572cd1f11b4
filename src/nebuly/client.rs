//! The client of one project of Nebuly's: which calls are made for a link, and which are spared.
//!
//! The way of a call: the key must not be known to be refused; the circuit must let it through; one of the callers who
//! wait for it pays a token, and waits for its turn among all calls; the call is made; and key and circuit learn from it.
//! What may be better soon is tried again after a pause, which starts over at the first step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use opentelemetry_sdk::trace::SdkTracer;
use secrecy::SecretString;

use super::backoff;
use super::call::answer::Acceptance;
use super::call::api::{self, Attempted, Attempts, ClientError, Trouble};
use super::call::endpoint::Endpoint;
use super::call::trace::CallSpans;
use super::circuit_breaker::{Admission, Breaker};
use super::fair_semaphore::{FairSemaphore, Permit, QueueFull, Wait};
use super::key::Keys;
use super::key::{KeyHolder, KeySource, Lease};
use super::metrics::{self, CallMetrics, KeyMetrics};
use super::steady_clock::SteadyClock;
use crate::domain::{
    AllowedHosts, Answer, CallFailure, CallFuture, CallOptions, Caller, Cause, DeepLinks, Item, ProjectName,
    RateLimit, retry_after,
};

/// No call starts with less time than this, or than a whole attempt if that is shorter: it would only be given up, make
/// room for the next of its kind, and say nothing of Nebuly by ending in a timeout. Of a short deadline it is the half:
/// else no call would ever be made.
const MIN_BUDGET: Duration = Duration::from_secs(1);

/// How long a call whose key was refused looks for another one: ten times what the second look takes.
const KEY_LOOK: Duration = Duration::from_secs(1);

/// The time was up before the call could begin. It never got to Nebuly, so it was not Nebuly that was too slow.
const OUT_OF_TIME: CallFailure = CallFailure { cause: Cause::Overloaded { retry_after: None }, status: None };

/// Too many calls wait. That may be over soon.
const TOO_MANY_WAIT: CallFailure =
    CallFailure { cause: Cause::Overloaded { retry_after: Some(1) }, status: None };

/// What the clients of all projects are made from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The addresses of the calls.
    pub endpoint: Endpoint,
    /// The hosts that links may lead to.
    pub allowed_hosts: AllowedHosts,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Vec<u8>>,
    /// The proxy that calls go through, with user and password if it wants them.
    pub proxy: Option<SecretString>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one attempt may take, from connecting to the last byte.
    pub attempt_timeout: Duration,
    /// How long callers give a resolution at most.
    pub deadline: Duration,
    /// Further attempts after one that failed in a way that may pass.
    pub retries: u32,
    /// What makes the spans of calls, if any request is traced.
    pub tracer: Option<SdkTracer>,
}

/// What the clients of all projects have in common.
#[derive(Clone)]
pub struct Shared {
    semaphore: Arc<FairSemaphore>,
    keys: Arc<Keys>,
    clock: SteadyClock,
}

/// The turn of a caller to have a call made.
struct Turn {
    permit: Permit,
    token: Token,
    caller: Caller,
}

/// A token that a caller has paid. It is given back when this is dropped, unless the call is made.
struct Token {
    rate_limit: Option<Arc<dyn RateLimit>>,
}

/// One project of Nebuly's, as its key sees it.
pub struct Nebuly {
    pub(super) attempts: Attempts,
    pub(super) endpoint: Endpoint,
    pub(super) attempt_timeout: Duration,
    /// No call starts with less time left.
    min_budget: Duration,
    pub(super) key: Arc<KeyHolder>,
    pub(super) get_interactions: CallMetrics,
    project: ProjectName,
    retries: u32,
    semaphore: Arc<FairSemaphore>,
    breaker: Breaker,
    deep_links: CallMetrics,
    spans: Option<CallSpans>,
}

impl Shared {
    /// For so many calls in flight at once, of all projects together; at least one.
    #[must_use]
    pub fn new(max_in_flight: usize) -> Self {
        Self::with_clock(max_in_flight, SteadyClock::default())
    }

    /// The same, with another clock for circuits and refused keys.
    #[must_use]
    pub fn with_clock(max_in_flight: usize, clock: SteadyClock) -> Self {
        Self { semaphore: Arc::new(FairSemaphore::new(max_in_flight)), keys: Arc::default(), clock }
    }

    /// The keys of the projects that were made with this.
    #[must_use]
    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }
}

impl Nebuly {
    /// A client for one project. It connects when it is first used. A file of its key is read by [`Keys::load`] and
    /// [`Keys::watch`]; until there is a key in it, calls fail.
    pub fn new(
        options: &Options,
        project: ProjectName,
        key: KeySource,
        shared: &Shared,
    ) -> Result<Self, ClientError> {
        metrics::describe();
        let http = api::http_client(
            options.certificate_authorities.as_deref(),
            options.proxy.as_ref(),
            options.connect_timeout,
        )?;
        let key =
            Arc::new(KeyHolder::new(project.clone(), key, shared.clock.clone(), KeyMetrics::new(&project)));
        shared.keys.add(Arc::clone(&key));
        let acceptance =
            Acceptance { allowed_hosts: options.allowed_hosts.clone(), keys: Arc::clone(&shared.keys) };
        let spans = options.tracer.clone().map(|tracer| CallSpans::new(tracer, &options.endpoint, &project));
        Ok(Self {
            spans,
            attempts: Attempts { http, acceptance },
            endpoint: options.endpoint.clone(),
            attempt_timeout: options.attempt_timeout,
            min_budget: options.attempt_timeout.min(MIN_BUDGET).min(options.deadline / 2),
            key,
            get_interactions: CallMetrics::new(&project, "get_interactions"),
            retries: options.retries,
            semaphore: Arc::clone(&shared.semaphore),
            breaker: Breaker::new(project.clone(), shared.clock.clone(), metrics::circuit_open(&project)),
            deep_links: CallMetrics::new(&project, "deeplink"),
            project,
        })
    }

    /// The project whose key this client has.
    #[must_use]
    pub const fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Calls, and calls again while what came may be better soon and another attempt is allowed.
    async fn ask(&self, item: &Item<'static>, options: &CallOptions) -> Result<Answer, CallFailure> {
        let retries = if options.may_retry { self.retries } else { 0 };
        let mut made = 0;
        let mut attempted = self.call(item, options, &mut made).await?;
        for failed in 1..=retries {
            if !matches!(attempted, Attempted::Outage(_)) || !self.pause(failed, options.deadline).await {
                break;
            }
            // What the last call came to says more than that no other was made.
            let Ok(again) = self.call(item, options, &mut made).await else { break };
            attempted = again;
        }
        self.conclude(attempted)
    }

    /// Waits before another attempt, or says that there is no time for one.
    async fn pause(&self, failed: u32, deadline: Instant) -> bool {
        let pause = backoff::pause(failed);
        let enough_time = time_left(deadline) >= pause + self.min_budget;
        if enough_time {
            tokio::time::sleep(pause).await;
        }
        enough_time
    }

    /// One call, or, if the key was exchanged meanwhile, a second one with the new key. An error means that none was
    /// made. `made` counts those that are.
    async fn call(
        &self,
        item: &Item<'static>,
        options: &CallOptions,
        made: &mut u32,
    ) -> Result<Attempted, CallFailure> {
        self.key.check()?;
        let mut admission = self.breaker.admit()?;
        let turn = self.turn(options, &admission).await?;
        // While it waited, the circuit may have opened, and the key may have been refused to others.
        admission.begin()?;
        let lease = self.key.lease()?;

        let mut attempted = self.attempt(item, options, &turn.permit, turn.token, &lease, made).await?;
        if matches!(attempted, Attempted::KeyRefused) {
            attempted = self.with_another_key(item, options, &turn.permit, &turn.caller, lease, made).await;
        } else {
            learn(lease, &attempted);
        }
        admission.settle(item, attempted.evidence());
        Ok(attempted)
    }

    /// Waits for a turn among all calls, unless the circuit opens. Each caller that wants the answer, also one that joins
    /// while this waits, waits in its own turn; the first turn counts.
    async fn turn(&self, options: &CallOptions, admission: &Admission<'_>) -> Result<Turn, CallFailure> {
        // The last moment at which the call may begin.
        let patience = time_left(options.deadline).checked_sub(self.min_budget).ok_or(OUT_OF_TIME)?;
        let first_of_all = async {
            let mut turns = FuturesUnordered::new();
            let mut next = options.callers.at(0);
            let (mut callers, mut has_place) = (0, false);
            let mut first_failure = None;
            loop {
                tokio::select! {
                    biased;
                    // Those who are there already come first: none of them is to miss its turn because another's failed.
                    caller = &mut next => {
                        let wait = if has_place { Wait::Further } else { Wait::First };
                        has_place = true;
                        turns.push(self.turn_of(caller, wait, patience));
                        callers += 1;
                        next = options.callers.at(callers);
                    }
                    Some(turn) = turns.next() => match turn {
                        Ok(turn) => break Ok(turn),
                        Err((wait, failure)) => {
                            has_place &= wait == Wait::Further;
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
            refused = admission.refused() => Err(refused),
            turn = tokio::time::timeout(patience, first_of_all) => turn.unwrap_or(Err(OUT_OF_TIME)),
        }
    }

    /// Waits until a caller has a token and its turn. A failure comes with how it waited.
    async fn turn_of(
        &self,
        caller: Caller,
        wait: Wait,
        patience: Duration,
    ) -> Result<Turn, (Wait, CallFailure)> {
        let (token, until_it_is_there) =
            Token::acquire(&caller.rate_limit, patience).map_err(|failure| (wait, failure))?;
        if !until_it_is_there.is_zero() {
            tokio::time::sleep(until_it_is_there).await;
        }
        let permit = self.semaphore.acquire(caller.fairness_key, wait).await;
        let permit = permit.map_err(|QueueFull| (wait, TOO_MANY_WAIT))?;
        Ok(Turn { permit, token, caller })
    }

    /// After a 401: the same call with another key, if there is one. It keeps its turn while it looks.
    async fn with_another_key(
        &self,
        item: &Item<'static>,
        options: &CallOptions,
        permit: &Permit,
        caller: &Caller,
        lease: Lease,
        made: &mut u32,
    ) -> Attempted {
        // Not longer, because it holds its turn meanwhile, and the file may be on a mount that hangs.
        let patience = time_left(options.deadline).min(KEY_LOOK);
        let looked = tokio::time::timeout(patience, lease.refused_unless_changed()).await;
        let Ok(Some(another)) = looked else { return Attempted::KeyRefused };
        // Its token may be there only later: nobody waits for that with a call in flight.
        let Ok((token, _)) = Token::acquire(&caller.rate_limit, Duration::MAX) else {
            return Attempted::KeyRefused;
        };
        let Ok(attempted) = self.attempt(item, options, permit, token, &another, made).await else {
            return Attempted::KeyRefused;
        };
        learn(another, &attempted);
        attempted
    }

    /// Makes a call, if there is enough time for one.
    async fn attempt(
        &self,
        item: &Item<'static>,
        options: &CallOptions,
        permit: &Permit,
        token: Token,
        lease: &Lease,
        made: &mut u32,
    ) -> Result<Attempted, CallFailure> {
        let budget = self.attempt_timeout.min(time_left(options.deadline));
        if budget < self.min_budget {
            return Err(OUT_OF_TIME);
        }
        let url = self.endpoint.deep_link(item).map_err(|error| {
            tracing::error!(project = %self.project, %error, "a call to Nebuly was not made");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        token.spend();
        let span = self.spans.as_ref().and_then(|spans| spans.begin(permit.key(), *made));
        *made += 1;
        let began = Instant::now();
        let attempted = {
            let _in_flight = self.deep_links.in_flight();
            self.attempts.make(url, lease.key(), budget).await
        };
        self.deep_links.ended(attempted.result(), began.elapsed());
        if let Some(span) = span {
            span.ended(&attempted);
        }
        Ok(attempted)
    }

    /// Turns the last attempt into what the resolver decides on, with one line in the log if it settled nothing. Key and
    /// circuit have lines of their own.
    fn conclude(&self, attempted: Attempted) -> Result<Answer, CallFailure> {
        match attempted {
            Attempted::Answered(answer) => Ok(answer),
            Attempted::KeyRefused => Err(CallFailure { cause: Cause::KeyRejected, status: Some(401) }),
            Attempted::Throttled(_) => {
                let cause = Cause::Overloaded { retry_after: Some(self.breaker.retry_after()) };
                Err(CallFailure { cause, status: Some(429) })
            }
            Attempted::Outage(Trouble { failure, why }) | Attempted::Unsettled(Trouble { failure, why }) => {
                let CallFailure { cause, status } = failure;
                tracing::warn!(project = %self.project, status, ?cause, %why, "Nebuly did not resolve a link");
                Err(failure)
            }
        }
    }
}

impl DeepLinks for Nebuly {
    fn resolve<'a>(&'a self, item: &'a Item<'static>, options: &'a CallOptions) -> CallFuture<'a> {
        Box::pin(self.ask(item, options))
    }
}

impl Token {
    /// Takes a token, and returns how long it takes until that is there; an error if that is longer than `at_most`.
    fn acquire(rate_limit: &Arc<dyn RateLimit>, at_most: Duration) -> Result<(Self, Duration), CallFailure> {
        match rate_limit.acquire(at_most) {
            Ok(wait) => Ok((Self { rate_limit: Some(Arc::clone(rate_limit)) }, wait)),
            Err(wait) => Err(CallFailure {
                cause: Cause::RateLimited { retry_after: retry_after(wait) },
                status: None,
            }),
        }
    }

    /// The call is made.
    fn spend(mut self) {
        self.rate_limit = None;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(rate_limit) = &self.rate_limit {
            rate_limit.release(1);
        }
    }
}

/// What an attempt says of the key that it was made with.
fn learn(lease: Lease, attempted: &Attempted) {
    match attempted {
        Attempted::Answered(_) => lease.accepted(),
        Attempted::KeyRefused => lease.refused(),
        // It may not be Nebuly who answered.
        Attempted::Throttled(_) | Attempted::Outage(_) | Attempted::Unsettled(_) => lease.said_nothing(),
    }
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
