//! The client of one project of Nebuly's: the life of a call.
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

use super::call::{self, CallError, CallOutcome, CallSpans, ClientError, Endpoint, KeyCheck, NebulyApi};
use super::circuit_breaker::{AdmittedCall, CircuitBreaker};
use super::fair_semaphore::{FairSemaphore, Permit, QueueFull, Wait};
use super::key::{ApiKeySource, KeyHolder, KeyLease, ProjectKeys};
use super::metrics::{self, CallMetrics, KeyMetrics};
use super::{SteadyClock, backoff};
use crate::domain::{
    AllowedHosts, Answer, CallFailure, CallFuture, CallOptions, Caller, Cause, DeepLinks, Item, ProjectName,
    RateLimit, retry_after,
};

/// No call starts with less time than this, or than a whole attempt if that is shorter. It would only be abandoned, make
/// room for the next one like it, and end in a timeout that says nothing of Nebuly. At most half of the deadline: with a
/// short deadline no call would be made at all.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest time for which a call whose key was rejected looks for another one: ten times the delay
/// before its file is read once more.
const KEY_RELOAD_TIMEOUT: Duration = Duration::from_secs(1);

/// The time was up before the call could begin. It never got to Nebuly, so it was not Nebuly that was too slow.
const OUT_OF_TIME: CallFailure = CallFailure { cause: Cause::Overloaded { retry_after: None }, status: None };

/// Too many calls wait. That may be over soon.
const TOO_MANY_WAIT: CallFailure =
    CallFailure { cause: Cause::Overloaded { retry_after: Some(1) }, status: None };

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
    /// The longest time that callers give a resolution. It only bounds [`MIN_TIMEOUT`]: each call brings its own deadline.
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
    keys: Arc<ProjectKeys>,
    clock: SteadyClock,
}

/// A link that is asked for, and the number of calls that were made for it.
struct LinkCalls<'a> {
    item: &'a Item<'static>,
    options: &'a CallOptions,
    made: u32,
}

/// The right of a caller to have a call made.
struct Turn {
    permit: Permit,
    token: RateLimitToken,
    caller: Caller,
}

/// A token that a caller has paid. It is given back when this is dropped, unless the call is made.
struct RateLimitToken {
    rate_limit: Option<Arc<dyn RateLimit>>,
}

/// The client of one project of Nebuly's.
pub struct Nebuly {
    project: ProjectName,
    api: NebulyApi,
    key: Arc<KeyHolder>,
    breaker: CircuitBreaker,
    semaphore: Arc<FairSemaphore>,
    attempt_timeout: Duration,
    /// No call starts with less time left.
    min_timeout: Duration,
    retries: u32,
    deep_links: CallMetrics,
    get_interactions: CallMetrics,
    spans: Option<CallSpans>,
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
        Self { semaphore: Arc::new(FairSemaphore::new(max_in_flight)), keys: Arc::default(), clock }
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
        let api = NebulyApi {
            http: call::http_client(
                options.certificate_authorities.as_deref(),
                options.proxy.as_ref(),
                options.connect_timeout,
            )?,
            endpoint: options.endpoint.clone(),
            allowed_hosts: options.allowed_hosts.clone(),
            keys: Arc::clone(&shared.keys),
        };
        let clock = || Arc::clone(&shared.clock);
        let key = Arc::new(KeyHolder::new(project.clone(), key, clock(), KeyMetrics::new(&project)));
        shared.keys.add(Arc::clone(&key));
        let spans = options.tracer.clone().map(|tracer| CallSpans::new(tracer, &options.endpoint, &project));
        Ok(Self {
            api,
            key,
            breaker: CircuitBreaker::new(project.clone(), clock(), metrics::circuit_open(&project)),
            semaphore: Arc::clone(&shared.semaphore),
            attempt_timeout: options.attempt_timeout,
            min_timeout: options.attempt_timeout.min(MIN_TIMEOUT).min(options.deadline / 2),
            retries: options.retries,
            deep_links: CallMetrics::new(&project, "deeplink"),
            get_interactions: CallMetrics::new(&project, "get_interactions"),
            spans,
            project,
        })
    }

    /// The project whose key this client has.
    #[must_use]
    pub const fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Checks the key with a call of its own. It bypasses circuit breaker and semaphore, and changes nothing for them.
    pub async fn check_key(&self) -> KeyCheck {
        let Some(key) = self.key.key() else { return KeyCheck::NoKey };
        let began = Instant::now();
        let _in_flight = self.get_interactions.in_flight();
        let check = self.api.check_key(&key, self.attempt_timeout).await;
        if let Some(result) = check.result() {
            self.get_interactions.ended(result, began.elapsed());
        }
        check
    }

    /// Calls, and retries while the outcome may pass and another attempt is allowed.
    async fn ask(&self, item: &Item<'static>, options: &CallOptions) -> Result<Answer, CallFailure> {
        let retries = if options.may_retry { self.retries } else { 0 };
        let mut link = LinkCalls { item, options, made: 0 };
        let mut outcome = self.call(&mut link).await?;
        for failed in 1..=retries {
            if !matches!(outcome, CallOutcome::Retryable(_)) || !self.pause(failed, options.deadline).await {
                break;
            }
            // The outcome of the last call says more than that no other one was made.
            let Ok(again) = self.call(&mut link).await else { break };
            outcome = again;
        }
        self.conclude(outcome)
    }

    /// Waits before another attempt. Returns false at once if there is no time for one.
    async fn pause(&self, failed: u32, deadline: Instant) -> bool {
        let pause = backoff::pause(failed);
        let enough_time = time_left(deadline) >= pause + self.min_timeout;
        if enough_time {
            tokio::time::sleep(pause).await;
        }
        enough_time
    }

    /// Makes one call, or, if the key was rejected and there is another one, two. An error means that none was made.
    async fn call(&self, link: &mut LinkCalls<'_>) -> Result<CallOutcome, CallFailure> {
        self.key.check()?;
        let mut admitted = self.breaker.admit()?;
        let Turn { permit, token, caller } = self.turn(link.options, &admitted).await?;
        // While it waited, the circuit may have opened, and other calls may have learnt that the key is rejected.
        admitted.begin()?;
        let lease = self.key.lease()?;

        let mut outcome = self.attempt(link, &permit, token, &lease).await?;
        if matches!(outcome, CallOutcome::KeyRejected) {
            outcome = self.with_another_key(link, &permit, &caller, lease).await;
        } else {
            learn(lease, &outcome);
        }
        admitted.settle(link.item, outcome.evidence());
        Ok(outcome)
    }

    /// Waits for a turn among all calls, unless the circuit opens. Each caller that wants the answer, also one that joins
    /// while this waits, waits in its own turn; the first turn counts.
    async fn turn(&self, options: &CallOptions, admitted: &AdmittedCall<'_>) -> Result<Turn, CallFailure> {
        // The call must begin within this time.
        let max_wait = time_left(options.deadline).checked_sub(self.min_timeout).ok_or(OUT_OF_TIME)?;
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
        let permit = self.semaphore.acquire(caller.fairness_key, wait).await;
        let permit = permit.map_err(|QueueFull| (wait, TOO_MANY_WAIT))?;
        Ok(Turn { permit, token, caller })
    }

    /// After a 401: makes the same call with another key, if there is one. It keeps its permit while it looks.
    async fn with_another_key(
        &self,
        link: &mut LinkCalls<'_>,
        permit: &Permit,
        caller: &Caller,
        lease: KeyLease,
    ) -> CallOutcome {
        // Not longer, because it holds its permit meanwhile, and the file may be on a mount that hangs.
        let max_wait = time_left(link.options.deadline).min(KEY_RELOAD_TIMEOUT);
        let looked = tokio::time::timeout(max_wait, lease.rejected_unless_changed()).await;
        let Ok(Some(another)) = looked else { return CallOutcome::KeyRejected };
        // Its token may be available only later: a call in flight does not wait for that.
        let Ok((token, _)) = RateLimitToken::acquire(&caller.rate_limit, Duration::MAX) else {
            return CallOutcome::KeyRejected;
        };
        let Ok(outcome) = self.attempt(link, permit, token, &another).await else {
            return CallOutcome::KeyRejected;
        };
        learn(another, &outcome);
        outcome
    }

    /// Makes a call, if there is enough time for one.
    async fn attempt(
        &self,
        link: &mut LinkCalls<'_>,
        permit: &Permit,
        token: RateLimitToken,
        lease: &KeyLease,
    ) -> Result<CallOutcome, CallFailure> {
        let timeout = self.attempt_timeout.min(time_left(link.options.deadline));
        if timeout < self.min_timeout {
            return Err(OUT_OF_TIME);
        }
        let url = self.api.endpoint.deep_link(link.item).map_err(|error| {
            tracing::error!(project = %self.project, %error, "failed to build the URL of a call");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        token.spend();
        let span = self.spans.as_ref().and_then(|spans| spans.begin(permit.key(), link.made));
        link.made += 1;
        let began = Instant::now();
        let outcome = {
            let _in_flight = self.deep_links.in_flight();
            self.api.deep_link(url, lease.key(), timeout).await
        };
        self.deep_links.ended(outcome.result(), began.elapsed());
        if let Some(span) = span {
            span.ended(&outcome);
        }
        Ok(outcome)
    }

    /// Turns the last outcome into what the resolver decides on. Logs a failure, unless key or circuit breaker have logged
    /// it.
    fn conclude(&self, outcome: CallOutcome) -> Result<Answer, CallFailure> {
        match outcome {
            CallOutcome::Answered(answer) => Ok(answer),
            CallOutcome::KeyRejected => Err(CallFailure { cause: Cause::KeyRejected, status: Some(401) }),
            CallOutcome::Throttled(_) => {
                let cause = Cause::Overloaded { retry_after: Some(self.breaker.retry_after()) };
                Err(CallFailure { cause, status: Some(429) })
            }
            CallOutcome::Retryable(CallError { failure, why })
            | CallOutcome::NonRetryable(CallError { failure, why }) => {
                let CallFailure { cause, status } = failure;
                tracing::warn!(project = %self.project, status, ?cause, %why, "failed to resolve a link");
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

impl RateLimitToken {
    /// Takes a token, and returns the time until it is available. Fails if that is longer than `at_most`.
    fn acquire(rate_limit: &Arc<dyn RateLimit>, at_most: Duration) -> Result<(Self, Duration), CallFailure> {
        match rate_limit.acquire(at_most) {
            Ok(wait) => Ok((Self { rate_limit: Some(Arc::clone(rate_limit)) }, wait)),
            Err(wait) => Err(CallFailure {
                cause: Cause::RateLimited { retry_after: retry_after(wait) },
                status: None,
            }),
        }
    }

    /// The call is made: the token is not given back.
    fn spend(mut self) {
        self.rate_limit = None;
    }
}

impl Drop for RateLimitToken {
    fn drop(&mut self) {
        if let Some(rate_limit) = &self.rate_limit {
            rate_limit.release(1);
        }
    }
}

/// Records what the outcome of a call says of the key that it was made with.
fn learn(lease: KeyLease, outcome: &CallOutcome) {
    match outcome {
        CallOutcome::Answered(_) => lease.accepted(),
        CallOutcome::KeyRejected => lease.rejected(),
        // Another server than Nebuly's may have answered.
        CallOutcome::Throttled(_) | CallOutcome::Retryable(_) | CallOutcome::NonRetryable(_) => {
            lease.inconclusive();
        }
    }
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
