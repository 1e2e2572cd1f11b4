//! The circuit of a project, as its calls share it.

mod state;

use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::Notify;

pub(super) use self::state::Evidence;

use self::state::{Change, Circuit, Ticket};
use crate::domain::{CallFailure, Cause, Item, ProjectName, retry_after};
use crate::nebuly::steady_clock::SteadyClock;
use crate::sync::{Mutex, MutexGuard, lock};

/// Lets calls of one project through, or refuses them without one.
pub(super) struct Breaker {
    project: ProjectName,
    clock: SteadyClock,
    circuit: Mutex<Circuit>,
    /// Tells those who wait for their turn.
    opened: Notify,
    /// Random, so that nobody can choose ids that count as one.
    hasher: RandomState,
    is_open: Gauge,
}

/// A call that was let through. Dropped without [`Self::settle`], it counts as nothing.
pub(super) struct Admission<'a> {
    breaker: &'a Breaker,
    ticket: Ticket,
}

impl Breaker {
    pub(super) fn new(project: ProjectName, clock: SteadyClock, is_open: Gauge) -> Self {
        is_open.set(0.0);
        Self {
            project,
            clock,
            circuit: Mutex::new(Circuit::new()),
            opened: Notify::new(),
            hasher: RandomState::new(),
            is_open,
        }
    }

    /// Lets a call wait for its turn, or says at once that it is not made.
    pub(super) fn admit(&self) -> Result<Admission<'_>, CallFailure> {
        let ticket = self.circuit().look(self.clock.now()).map_err(refused)?;
        Ok(Admission { breaker: self, ticket })
    }

    /// In how many seconds it may be worth to ask again.
    pub(super) fn retry_after(&self) -> u32 {
        retry_after(self.circuit().pause_left(self.clock.now()))
    }

    fn settle(&self, ticket: Ticket, item: &Item<'_>, evidence: Evidence) {
        let link = self.hasher.hash_one(item);
        let (change, is_open) = {
            let mut circuit = self.circuit();
            let change = circuit.settle(ticket, link, evidence, self.clock.now());
            let is_open = circuit.is_open();
            // Under the lock, so that it ends with the latest state.
            self.is_open.set(if is_open { 1.0 } else { 0.0 });
            (change, is_open)
        };
        if is_open {
            self.opened.notify_waiters();
        }
        let project = &self.project;
        match change {
            Some(Change::Opened(pause)) => {
                tracing::warn!(%project, ?pause, ?evidence, "Nebuly is not asked for a while");
            }
            Some(Change::Reopened(pause)) => {
                tracing::warn!(%project, ?pause, ?evidence, "Nebuly is still not well");
            }
            Some(Change::Closed) => tracing::info!(%project, "Nebuly is asked again"),
            None => {}
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        lock(&self.circuit)
    }
}

impl Admission<'_> {
    /// Returns when the call would not be let through any more.
    pub(super) async fn refused(&self) -> CallFailure {
        loop {
            let mut opened = pin!(self.breaker.opened.notified());
            // From here on no opening is missed.
            opened.as_mut().enable();
            let refusal = self.breaker.circuit().refusal(self.ticket, self.breaker.clock.now());
            if let Some(pause) = refusal {
                return refused(pause);
            }
            opened.await;
        }
    }

    /// Lets the call through after its wait. If the pause is over, it is the probe.
    pub(super) fn begin(&mut self) -> Result<(), CallFailure> {
        let mut circuit = self.breaker.circuit();
        if circuit.is_open() || !circuit.is_current(self.ticket) {
            self.ticket = circuit.admit(self.breaker.clock.now()).map_err(refused)?;
        }
        Ok(())
    }

    /// Learns from the call.
    pub(super) fn settle(self, item: &Item<'_>, evidence: Evidence) {
        // That it is dropped afterwards changes nothing: a settled probe is none any more.
        self.breaker.settle(self.ticket, item, evidence);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.breaker.circuit().abandon(self.ticket, self.breaker.clock.now());
    }
}

fn refused(pause: Duration) -> CallFailure {
    CallFailure { cause: Cause::Overloaded { retry_after: Some(retry_after(pause)) }, status: None }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let project = ProjectName::try_from("default").unwrap();
        Breaker::new(project, SteadyClock::default(), Gauge::noop())
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_is_told_when_the_circuit_opens() {
        let breaker = breaker();
        let item = Item::conversation("abc").unwrap();
        let (waiting, mut other) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        other.begin().unwrap();
        let open = async { other.settle(&item, Evidence::Throttled(Some(Duration::from_millis(6500)))) };
        let (told, ()) = tokio::join!(waiting.refused(), open);
        assert_eq!(told.cause, Cause::Overloaded { retry_after: Some(7) });
        // Also who comes to wait when it is open already.
        assert_eq!(waiting.refused().await.cause, Cause::Overloaded { retry_after: Some(7) });
    }
}
