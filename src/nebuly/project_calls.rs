//! The part of a call that calls for links, for details and for listings have in common: it is made with the key of the
//! project, in time, counted and traced, and once more after a 401, if there is another key by then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SdkTracer;

use super::call::{ApiCall, CallError, CallNames, CallOutcome, CallSpans, NebulyApi};
use super::circuit_breaker::CircuitBreaker;
use super::fair_semaphore::{FairSemaphore, Permit};
use super::key::{KeyHolder, KeyLease};
use super::metrics::CallMetrics;
use crate::domain::{Answer, CallFailure, Caller, Cause, ProjectName, RateLimit, retry_after};

/// The longest time for which a call whose key was rejected looks for another one: ten times the delay
/// before its file is read once more.
const KEY_RELOAD_TIMEOUT: Duration = Duration::from_secs(1);

/// The time was up before the call could begin. It never got to Nebuly, so it was not Nebuly that was too slow.
pub(super) const OUT_OF_TIME: CallFailure =
    CallFailure { cause: Cause::Overloaded { retry_after: None }, status: None };

/// Too many calls wait. That may be over soon.
pub(super) const TOO_MANY_WAIT: CallFailure =
    CallFailure { cause: Cause::Overloaded { retry_after: Some(1) }, status: None };

/// Makes the calls of one project.
pub(super) struct ProjectCalls {
    pub(super) project: ProjectName,
    pub(super) api: NebulyApi,
    pub(super) key: Arc<KeyHolder>,
    /// Bounds all calls in flight, of all projects.
    pub(super) semaphore: Arc<FairSemaphore>,
    pub(super) attempt_timeout: Duration,
    /// No call starts with less time left.
    pub(super) min_timeout: Duration,
    pub(super) tracer: Option<SdkTracer>,
}

/// An item that is asked for, and the number of calls that were made for it.
pub(super) struct ItemCalls<'a, T> {
    call: &'a ApiCall<'a, T>,
    observer: &'a CallObserver,
    deadline: Instant,
    made: u32,
}

/// The right of a caller to have a call made.
pub(super) struct Turn {
    pub(super) permit: Permit,
    pub(super) token: RateLimitToken,
    pub(super) caller: Caller,
}

/// A token that a caller has paid. It is given back when this is dropped, unless the call is made.
pub(super) struct RateLimitToken {
    rate_limit: Option<Arc<dyn RateLimit>>,
}

/// Counts and traces one kind of call.
pub(super) struct CallObserver {
    metrics: CallMetrics,
    spans: Option<CallSpans>,
}

impl ProjectCalls {
    /// Counts and traces calls of this kind.
    pub(super) fn observer(&self, names: &CallNames) -> CallObserver {
        let spans =
            |tracer: &SdkTracer| CallSpans::new(tracer.clone(), &self.api.endpoint, &self.project, names);
        CallObserver {
            metrics: CallMetrics::new(&self.project, names.label),
            spans: self.tracer.as_ref().map(spans),
        }
    }

    /// The time that a call may wait for its turn, so that enough is left to make it by the deadline.
    pub(super) fn max_wait(&self, deadline: Instant) -> Result<Duration, CallFailure> {
        time_left(deadline).checked_sub(self.min_timeout).ok_or(OUT_OF_TIME)
    }

    /// Makes one call, or, if the key was rejected and there is another one, two. An error means that none was made.
    pub(super) async fn make<T>(
        &self,
        item: &mut ItemCalls<'_, T>,
        turn: Turn,
    ) -> Result<CallOutcome<T>, CallFailure> {
        let Turn { permit, token, caller } = turn;
        // Meanwhile other calls may have learnt that the key is rejected.
        let lease = self.key.lease()?;
        let outcome = self.attempt(item, &permit, token, &lease).await?;
        if matches!(outcome, CallOutcome::KeyRejected) {
            return Ok(self.with_another_key(item, &permit, &caller, lease).await);
        }
        learn(lease, &outcome);
        Ok(outcome)
    }

    /// After a 401: makes the same call with another key, if there is one. It keeps its permit while it looks.
    async fn with_another_key<T>(
        &self,
        item: &mut ItemCalls<'_, T>,
        permit: &Permit,
        caller: &Caller,
        lease: KeyLease,
    ) -> CallOutcome<T> {
        // Not longer, because it holds its permit meanwhile, and the file may be on a mount that hangs.
        let max_wait = time_left(item.deadline).min(KEY_RELOAD_TIMEOUT);
        let looked = tokio::time::timeout(max_wait, lease.rejected_unless_changed()).await;
        let Ok(Some(another)) = looked else { return CallOutcome::KeyRejected };
        // Its token may be available only later: a call in flight does not wait for that.
        let Ok((token, _)) = RateLimitToken::acquire(&caller.rate_limit, Duration::MAX) else {
            return CallOutcome::KeyRejected;
        };
        let Ok(outcome) = self.attempt(item, permit, token, &another).await else {
            return CallOutcome::KeyRejected;
        };
        learn(another, &outcome);
        outcome
    }

    /// Makes a call, if there is enough time for one.
    async fn attempt<T>(
        &self,
        item: &mut ItemCalls<'_, T>,
        permit: &Permit,
        token: RateLimitToken,
        lease: &KeyLease,
    ) -> Result<CallOutcome<T>, CallFailure> {
        let timeout = self.attempt_timeout.min(time_left(item.deadline));
        if timeout < self.min_timeout {
            return Err(OUT_OF_TIME);
        }
        token.spend();
        let CallObserver { metrics, spans } = item.observer;
        let span = spans.as_ref().and_then(|spans| spans.begin(permit.key(), item.made));
        item.made += 1;
        let began = Instant::now();
        let outcome = {
            let _in_flight = metrics.in_flight();
            self.api.send(item.call, lease.key(), timeout).await
        };
        metrics.ended(outcome.result(), began.elapsed());
        if let Some(span) = span {
            span.ended(&outcome);
        }
        Ok(outcome)
    }

    /// Turns the last outcome into what the resolver decides on. Logs a failure with this message, unless key or circuit
    /// breaker have logged it.
    pub(super) fn conclude<T>(
        &self,
        outcome: CallOutcome<T>,
        breaker: &CircuitBreaker,
        message: &'static str,
    ) -> Result<Answer<T>, CallFailure> {
        match outcome {
            CallOutcome::Answered(answer) => Ok(answer),
            CallOutcome::KeyRejected => Err(CallFailure { cause: Cause::KeyRejected, status: Some(401) }),
            CallOutcome::Throttled(_) => {
                let cause = Cause::Overloaded { retry_after: Some(breaker.retry_after()) };
                Err(CallFailure { cause, status: Some(429) })
            }
            CallOutcome::Retryable(CallError { failure, why })
            | CallOutcome::NonRetryable(CallError { failure, why }) => {
                let CallFailure { cause, status } = failure;
                tracing::warn!(project = %self.project, status, ?cause, %why, "{message}");
                Err(failure)
            }
        }
    }
}

impl<'a, T> ItemCalls<'a, T> {
    /// None was made yet.
    pub(super) const fn new(call: &'a ApiCall<'a, T>, observer: &'a CallObserver, deadline: Instant) -> Self {
        Self { call, observer, deadline, made: 0 }
    }
}

impl RateLimitToken {
    /// Takes a token, and returns the time until it is available. Fails if that is longer than `at_most`.
    pub(super) fn acquire(
        rate_limit: &Arc<dyn RateLimit>,
        at_most: Duration,
    ) -> Result<(Self, Duration), CallFailure> {
        match rate_limit.acquire(at_most) {
            Ok(wait) => Ok((Self { rate_limit: Some(Arc::clone(rate_limit)) }, wait)),
            Err(wait) => Err(rate_limited(wait)),
        }
    }

    /// Takes a token, if there is one now.
    pub(super) fn try_acquire(rate_limit: &Arc<dyn RateLimit>) -> Result<Self, CallFailure> {
        rate_limit.try_acquire(1).map_err(rate_limited)?;
        Ok(Self { rate_limit: Some(Arc::clone(rate_limit)) })
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

fn rate_limited(wait: Duration) -> CallFailure {
    CallFailure { cause: Cause::RateLimited { retry_after: retry_after(wait) }, status: None }
}

/// Records what the outcome of a call says of the key that it was made with.
fn learn<T>(lease: KeyLease, outcome: &CallOutcome<T>) {
    match outcome {
        CallOutcome::Answered(_) => lease.accepted(),
        CallOutcome::KeyRejected => lease.rejected(),
        // Another server than Nebuly's may have answered.
        CallOutcome::Throttled(_) | CallOutcome::Retryable(_) | CallOutcome::NonRetryable(_) => {
            lease.inconclusive();
        }
    }
}

/// The time until a deadline; zero if it is over.
pub(super) fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
