//! Single flight: one resolution of one item at a time, however many callers wait for it.
//!
//! It runs in a task of its own, so it goes on when the caller who leads it disconnects. It leaves the list when it ends,
//! however it ends, and only after its result is in the cache: whoever finds no flight finds the result there. So the
//! first thing that a flight does is to look there once more.
//!
//! The lock of the list is held for a look into the list and for nothing else: no code of anybody else runs under it.

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
    state: watch::Receiver<State>,
    callers: Arc<Followed>,
    deadline: Instant,
}

/// How a caller came to a flight.
pub(super) enum Joined {
    /// There was none: the caller leads a new one.
    Leader(Lead),
    /// Another caller leads it.
    Follower(Flight),
}

/// The right to run the flight of an item. Dropped without a result, it ends the flight as a defect.
pub(super) struct Lead {
    listed: Listed,
    state: watch::Sender<State>,
    flight: Flight,
}

/// The entry of a flight in the list, which ends when this is dropped.
struct Listed {
    flights: Arc<Mutex<Flights>>,
    key: (Scope, Item<'static>),
}

/// The callers that wait for a flight, each once, the leader first.
struct Followed(watch::Sender<Vec<Caller>>);

#[derive(Debug)]
enum State {
    UnderWay,
    Ended(Resolution),
    Abandoned,
}

/// The leader has given the flight up before it began: another caller may lead one.
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
        let (state, receiver) = watch::channel(State::UnderWay);
        let callers = Arc::new(Followed(watch::Sender::new(vec![caller.clone()])));
        let flight = Flight { state: receiver, callers, deadline };
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        let listed = Listed { flights: Arc::clone(&self.flights), key };
        Joined::Leader(Lead { listed, state, flight })
    }
}

impl Lead {
    /// What the calls of this flight are made with.
    pub(super) fn call_options(&self, may_retry: bool) -> CallOptions {
        let Flight { callers, deadline, .. } = &self.flight;
        CallOptions { callers: Arc::clone(callers) as _, deadline: *deadline, may_retry }
    }

    /// Runs the flight in a task of its own, and returns it to be waited for.
    pub(super) fn run(self, resolution: impl Future<Output = Resolution> + Send + 'static) -> Flight {
        let Self { listed, state, flight } = self;
        let task = async move {
            let result = resolution.await;
            drop(listed);
            // Nobody may be waiting any more.
            state.send_replace(State::Ended(result));
        };
        // Its calls are part of the trace of the caller who leads it.
        drop(sync::spawn(task.with_current_context()));
        flight
    }

    /// Gives the flight up before it began.
    pub(super) fn abandon(self) {
        drop(self.listed);
        self.state.send_replace(State::Abandoned);
    }
}

impl Flight {
    /// When the flight ends at the latest.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until the flight ends.
    pub(super) async fn wait(mut self) -> Result<Resolution, Abandoned> {
        let ended = self.state.wait_for(|state| !matches!(state, State::UnderWay)).await;
        match ended.as_deref() {
            Ok(State::Ended(result)) => Ok(result.clone()),
            Ok(State::Abandoned) => Err(Abandoned),
            // The task is gone without a word: it panicked, or the runtime is shutting down.
            Ok(State::UnderWay) | Err(_) => {
                tracing::error!("a resolution ended without a result");
                Ok(Resolution::failed(Cause::Internal))
            }
        }
    }
}

impl Followed {
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

impl WaitingCallers for Followed {
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

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}
