//! A circuit breaker of a project: it refuses calls while Nebuly fails, or asks us to slow down (429).
//!
//! This file shares one circuit among the calls of a project. Its rules are in [`state`].

mod state;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::pin::pin;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::Notify;

pub(super) use self::state::Evidence;

use self::state::{Circuit, Ticket, Transition};
use super::SteadyClock;
use crate::domain::{CallFailure, Cause, ProjectName, retry_after};
use crate::sync::{Mutex, lock};

/// Admits calls of one kind of one project, or refuses them.
pub(super) struct CircuitBreaker {
    project: ProjectName,
    /// The calls that it is for, as the log names them.
    calls: &'static str,
    clock: SteadyClock,
    circuit: Mutex<Circuit>,
    /// Notifies the admitted calls that still wait for their turn.
    opened: Notify,
    /// Randomly keyed, so that nobody can choose ids that count as one.
    hasher: RandomState,
    is_open: Gauge,
}

/// A call that was admitted. Dropped without [`Self::settle`], it counts as abandoned.
pub(super) struct AdmittedCall<'a> {
    breaker: &'a CircuitBreaker,
    ticket: Ticket,
}

impl CircuitBreaker {
    pub(super) fn new(project: ProjectName, calls: &'static str, clock: SteadyClock, is_open: Gauge) -> Self {
        is_open.set(0.0);
        Self {
            project,
            calls,
            clock,
            circuit: Mutex::default(),
            opened: Notify::new(),
            hasher: RandomState::new(),
            is_open,
        }
    }

    /// Admits a call, which may wait for its turn then, or refuses it at once.
    pub(super) fn admit(&self) -> Result<AdmittedCall<'_>, CallFailure> {
        let ticket = lock(&self.circuit).check((self.clock)()).map_err(refused)?;
        Ok(AdmittedCall { breaker: self, ticket })
    }

    /// The seconds after which another call may be admitted.
    pub(super) fn retry_after(&self) -> u32 {
        retry_after(lock(&self.circuit).pause_left((self.clock)()))
    }
}

impl AdmittedCall<'_> {
    /// Waits until the circuit breaker would no longer admit the call.
    pub(super) async fn refused(&self) -> CallFailure {
        loop {
            let mut opened = pin!(self.breaker.opened.notified());
            // From here on no notification is missed.
            opened.as_mut().enable();
            let refusal = lock(&self.breaker.circuit).refusal(self.ticket, (self.breaker.clock)());
            if let Some(pause) = refusal {
                return refused(pause);
            }
            opened.await;
        }
    }

    /// Admits the call once more, after its wait. If the pause is over, it is the probe.
    pub(super) fn begin(&mut self) -> Result<(), CallFailure> {
        let mut circuit = lock(&self.breaker.circuit);
        if circuit.is_open() || !circuit.is_current(self.ticket) {
            self.ticket = circuit.admit((self.breaker.clock)()).map_err(refused)?;
        }
        Ok(())
    }

    /// Records what a call about this says of Nebuly. Several calls about the same count once.
    pub(super) fn settle(self, about: &impl Hash, evidence: Evidence) {
        let CircuitBreaker { project, calls, clock, circuit, opened, hasher, is_open } = self.breaker;
        let link = hasher.hash_one(about);
        let (transition, is_open_now) = {
            let mut circuit = lock(circuit);
            let transition = circuit.settle(self.ticket, link, evidence, clock());
            // Under the lock, so that the metric ends with the latest state.
            is_open.set(if circuit.is_open() { 1.0 } else { 0.0 });
            (transition, circuit.is_open())
        };
        if is_open_now {
            opened.notify_waiters();
        }
        match transition {
            Some(Transition::Opened(pause)) => {
                tracing::warn!(%project, calls, ?pause, ?evidence, "circuit breaker opened");
            }
            Some(Transition::Reopened(pause)) => {
                tracing::warn!(%project, calls, ?pause, ?evidence, "circuit breaker reopened");
            }
            Some(Transition::Closed) => tracing::info!(%project, calls, "circuit breaker closed"),
            None => {}
        }
        // Dropped here, it abandons nothing: the circuit is no longer half-open, or the ticket is not current.
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        lock(&self.breaker.circuit).abandon(self.ticket, (self.breaker.clock)());
    }
}

fn refused(pause: Duration) -> CallFailure {
    CallFailure { cause: Cause::Overloaded { retry_after: Some(retry_after(pause)) }, status: None }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::Item;

    fn breaker() -> CircuitBreaker {
        let project = ProjectName::try_from("default").unwrap();
        CircuitBreaker::new(project, "links", Arc::new(std::time::Instant::now), Gauge::noop())
    }

    #[tokio::test]
    async fn a_call_that_waits_for_its_turn_is_refused_when_the_circuit_opens() {
        let breaker = breaker();
        let item = Item::conversation("abc").unwrap();
        let (waiting, mut other) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        other.begin().unwrap();
        let open = async { other.settle(&item, Evidence::Throttled(Some(Duration::from_millis(6500)))) };
        let (told, ()) = tokio::join!(waiting.refused(), open);
        assert_eq!(told.cause, Cause::Overloaded { retry_after: Some(7) });
        // So is one that begins to wait when it is open already.
        assert_eq!(waiting.refused().await.cause, Cause::Overloaded { retry_after: Some(7) });
    }
}
