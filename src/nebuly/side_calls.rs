//! Calls beside those for links: details, and listings. However slow they are, they stop no redirect: in each project
//! they have a circuit breaker of their own, and all of them together hold at most a quarter of the calls in flight.
//!
//! 1. The key must not be known to be rejected, and the circuit breaker must admit the call.
//! 2. The caller takes a token of its rate limit, if there is one now.
//! 3. It waits for a permit of the quarter, which callers share fairly, and then for one of all calls.
//! 4. The call is made. After a 401 it is made once more, if there is another key by then. It is not retried otherwise.
//! 5. Key and circuit breaker learn from the outcome.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

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

    /// Makes a call for a caller, by this deadline. Several calls about the same count once for the circuit breaker.
    /// `message` is what the log says of a failure.
    pub(super) async fn ask<T>(
        &self,
        call: &ApiCall<'_, T>,
        observer: &CallObserver,
        about: &impl Hash,
        caller: &Caller,
        deadline: Instant,
        message: &'static str,
    ) -> Result<Answer<T>, CallFailure> {
        self.calls.key.check()?;
        let mut admitted = self.breaker.admit()?;
        let token = RateLimitToken::try_acquire(&caller.rate_limit)?;
        // In this order, so that the quarter is given back last on every way out.
        let SidePermits { quarter, all } = self.permits(caller, deadline, &admitted).await?;
        // While it waited, the circuit may have opened.
        admitted.begin()?;
        let turn = Turn { permit: all, token, caller: caller.clone() };
        let outcome = self.calls.make(&mut ItemCalls::new(call, observer, deadline), turn).await?;
        drop(quarter);
        admitted.settle(about, outcome.evidence());
        self.calls.conclude(outcome, &self.breaker, message)
    }

    /// Waits for both permits, unless the circuit opens.
    async fn permits(
        &self,
        caller: &Caller,
        deadline: Instant,
        admitted: &AdmittedCall<'_>,
    ) -> Result<SidePermits, CallFailure> {
        let max_wait = self.calls.max_wait(deadline)?;
        let permits = async {
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
