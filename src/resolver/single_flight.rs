//! Single flight: one resolution of one item at a time, however many callers wait for it.
//!
//! A flight runs in a task of its own, so it goes on when its leader disconnects. It leaves the map when it ends,
//! however it ends, and only after its result is in the cache: a caller that finds no flight finds the result there. So
//! a flight first looks into the cache once more.
//!
//! The lock of the map is held for operations on the map alone: no code of another file runs under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::context::FutureExt as _;
use tokio::sync::watch;

use super::resolution::Resolution;
use crate::domain::{CallOptions, Caller, CallerFuture, Cause, Item, Scope, WaitingCallers};
use crate::sync::{self, Mutex, lock};

/// The flights under way.
#[derive(Default)]
pub(super) struct SingleFlight {
    flights: Arc<Mutex<Flights>>,
}

type Flights = HashMap<(Scope, Item<'static>), Flight>;

/// A flight under way, to be waited for.
#[derive(Clone)]
pub(super) struct Flight {
    state: watch::Receiver<FlightState>,
    callers: Arc<FlightCallers>,
    deadline: Instant,
}

/// The role of a caller in a flight.
pub(super) enum Joined {
    /// There was no flight: the caller leads a new one.
    Leader(Lead),
    /// Another caller leads it.
    Follower(Flight),
}

/// The right to run the flight of an item. If it is dropped without a result, the flight fails as a defect.
pub(super) struct Lead {
    entry: FlightEntry,
    state: watch::Sender<FlightState>,
    flight: Flight,
}

/// The entry of a flight in the map, which is removed when this is dropped.
struct FlightEntry {
    flights: Arc<Mutex<Flights>>,
    key: (Scope, Item<'static>),
}

/// The callers that wait for a flight, each once, the leader first.
struct FlightCallers(watch::Sender<Vec<Caller>>);

#[derive(Debug)]
enum FlightState {
    UnderWay,
    Ended(Resolution),
    Abandoned,
}

/// The leader abandoned the flight before it began: another caller may lead one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abandoned;

impl SingleFlight {
    /// Joins the flight of an item, or begins to lead one that ends by this deadline.
    pub(super) fn join(
        &self,
        scope: Scope,
        item: &Item<'static>,
        caller: &Caller,
        deadline: Instant,
    ) -> Joined {
        let key = (scope, item.clone());
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            let flight = flight.clone();
            drop(flights);
            flight.callers.join(caller);
            return Joined::Follower(flight);
        }
        let (state, receiver) = watch::channel(FlightState::UnderWay);
        let callers = Arc::new(FlightCallers(watch::Sender::new(vec![caller.clone()])));
        let flight = Flight { state: receiver, callers, deadline };
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        let entry = FlightEntry { flights: Arc::clone(&self.flights), key };
        Joined::Leader(Lead { entry, state, flight })
    }
}

impl Lead {
    /// The options of the calls of this flight.
    pub(super) fn call_options(&self, may_retry: bool) -> CallOptions {
        let Flight { callers, deadline, .. } = &self.flight;
        CallOptions { callers: Arc::clone(callers) as _, deadline: *deadline, may_retry }
    }

    /// Runs the flight in a task of its own, and returns it to be waited for.
    pub(super) fn run(self, resolution: impl Future<Output = Resolution> + Send + 'static) -> Flight {
        let Self { entry, state, flight } = self;
        let task = async move {
            let result = resolution.await;
            drop(entry);
            // There may be no receiver any more.
            state.send_replace(FlightState::Ended(result));
        };
        // Its calls are part of the trace of the caller who leads it.
        drop(sync::spawn(task.with_current_context()));
        flight
    }

    /// Ends the flight before it began.
    pub(super) fn abandon(self) {
        drop(self.entry);
        self.state.send_replace(FlightState::Abandoned);
    }
}

impl Flight {
    /// When the flight ends at the latest.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until the flight ends.
    pub(super) async fn wait(mut self) -> Result<Resolution, Abandoned> {
        let ended = self.state.wait_for(|state| !matches!(state, FlightState::UnderWay)).await;
        match ended.as_deref() {
            Ok(FlightState::Ended(result)) => Ok(result.clone()),
            Ok(FlightState::Abandoned) => Err(Abandoned),
            // The task ended without a result: it panicked, or the runtime is shutting down.
            Ok(FlightState::UnderWay) | Err(_) => {
                tracing::error!("resolution ended without a result");
                Ok(Resolution::failed(Cause::Internal))
            }
        }
    }
}

impl FlightCallers {
    fn join(&self, caller: &Caller) {
        self.0.send_if_modified(|callers| {
            let is_new = callers.iter().all(|other| other.fairness_key != caller.fairness_key);
            if is_new {
                callers.push(caller.clone());
            }
            is_new
        });
    }
}

impl WaitingCallers for FlightCallers {
    fn at(&self, position: usize) -> CallerFuture<'_> {
        let mut callers = self.0.subscribe();
        Box::pin(async move {
            let caller = match callers.wait_for(|callers| callers.len() > position).await {
                Ok(callers) => callers.get(position).cloned(),
                Err(_closed) => None,
            };
            match caller {
                Some(caller) => caller,
                // Never: the sender is `self`.
                None => std::future::pending().await,
            }
        })
    }
}

impl Drop for FlightEntry {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}
