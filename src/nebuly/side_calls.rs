//! Calls beside those for links: details, and listings. However slow they are, they stop no redirect: in each project
//! they have a circuit breaker of their own, and all of them together hold at most a quarter of the calls in flight.
//!
//! 1. The key must not be known to be rejected, and the circuit breaker must admit the call.
//! 2. The caller takes a token of its rate limit, if there is one now. For the further calls of what has begun it waits for
//!    one.
//! 3. It waits for a permit of the quarter, which callers share fairly, and then for one of all calls.
//! 4. The call is made. After a 401 it is made once more, if there is another key by then. It is not retried otherwise.
//! 5. Key and circuit breaker learn from the outcome.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::Gauge;

use super::SteadyClock;
use super::call::ApiCall;
use super::circuit_breaker::{AdmittedCall, CircuitBreaker};
use super::fair_semaphore::{FairSemaphore, Permit, QueueFull, Wait};
use super::project_calls::{
    CallObserver, ItemCalls, OUT_OF_TIME, ProjectCalls, RateLimitToken, TOO_MANY_WAIT, Turn,
};
use crate::domain::{Answer, CallFailure, Caller, FairnessKey};

/// Makes the calls of one project that are not for links.
pub(super) struct SideCalls {
    pub(super) calls: Arc<ProjectCalls>,
    breaker: CircuitBreaker,
    /// Shared by all projects.
    quarter: Arc<FairSemaphore>,
}

/// The caller of a call, and how long it waits.
pub(super) struct SideCaller<'a> {
    pub(super) caller: &'a Caller,
    pub(super) deadline: Instant,
    /// True for a further call of what the caller has begun, which is not to fail for lack of a token.
    pub(super) has_begun: bool,
}

/// A permit of the quarter, and one of all calls.
struct SidePermits {
    all: Permit,
    /// Given back last, so that no more wait for a permit of all calls than there are in the quarter.
    quarter: Permit,
}

impl SideCalls {
    pub(super) fn new(calls: Arc<ProjectCalls>, clock: SteadyClock, quarter: Arc<FairSemaphore>) -> Self {
        // The metric is about links.
        let breaker =
            CircuitBreaker::new(calls.project.clone(), "listings and details", clock, Gauge::noop());
        Self { calls, breaker, quarter }
    }

    /// Makes a call for a caller, by its deadline. Several calls about the same count once for the circuit breaker.
    /// `message` is what the log says of a failure.
    pub(super) async fn ask<T>(
        &self,
        call: &ApiCall<'_, T>,
        observer: &CallObserver,
        about: &impl Hash,
        SideCaller { caller, deadline, has_begun }: SideCaller<'_>,
        message: &'static str,
    ) -> Result<Answer<T>, CallFailure> {
        self.calls.key.check()?;
        let mut admitted = self.breaker.admit()?;
        let max_wait = self.calls.max_wait(deadline)?;
        let (token, until_available) = if has_begun {
            RateLimitToken::acquire(&caller.rate_limit, max_wait)?
        } else {
            (RateLimitToken::try_acquire(&caller.rate_limit)?, Duration::ZERO)
        };
        // In this order, so that the quarter is given back last on every way out.
        let SidePermits { quarter, all } = self.permits(caller, until_available, max_wait, &admitted).await?;
        // While it waited, the circuit may have opened.
        admitted.begin()?;
        let turn = Turn { permit: all, token, caller: caller.clone() };
        let outcome = self.calls.make(&mut ItemCalls::new(call, observer, deadline), turn).await?;
        drop(quarter);
        admitted.settle(about, outcome.evidence());
        self.calls.conclude(outcome, &self.breaker, message)
    }

    /// Waits until the caller's token is available, and for both permits, unless the circuit opens.
    async fn permits(
        &self,
        caller: &Caller,
        until_available: Duration,
        max_wait: Duration,
        admitted: &AdmittedCall<'_>,
    ) -> Result<SidePermits, CallFailure> {
        let permits = async {
            if !until_available.is_zero() {
                tokio::time::sleep(until_available).await;
            }
            let quarter = self.quarter.acquire(caller.fairness_key, Wait::First).await?;
            let all = self.calls.semaphore.acquire(FairnessKey::ListingsAndDetails, Wait::First).await?;
            Ok(SidePermits { all, quarter })
        };
        tokio::select! {
            biased;
            refused = admitted.refused() => Err(refused),
            permits = tokio::time::timeout(max_wait, permits) => match permits {
                Ok(permits) => permits.map_err(|QueueFull| TOO_MANY_WAIT),
                Err(_elapsed) => Err(OUT_OF_TIME),
            },
        }
    }
}
