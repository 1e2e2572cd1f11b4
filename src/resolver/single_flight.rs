//! Single flight: one resolution of one item or tag at a time, however many callers wait for it.
//!
//! A flight runs in a task of its own, so it goes on when its leader disconnects. It leaves the map when it ends,
//! however it ends, and only after its result is in the cache: a caller that finds no flight finds the result there. So
//! a flight first looks into the cache once more.
//!
//! The lock of the map is held for operations on the map alone: no code of another file runs under it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::resolution::{AnswerSource, Mode, Resolution};
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{CallOptions, Caller, CallerFuture, Cause, WaitingCallers};
use crate::sync::{Mutex, lock};

/// The most flights that a caller follows one after the other, each of which ended for a reason that was its leader's
/// alone.
const MAX_FOLLOWED: usize = 4;

/// The flights under way, by the key of what they resolve, which ends as a [`Resolution`] with a `T`.
pub(super) struct SingleFlight<K: Eq + Hash, T> {
    flights: Arc<Mutex<Flights<K, T>>>,
    /// Where they run.
    background: BackgroundRuntime,
}

type Flights<K, T> = HashMap<K, Flight<T>>;

/// A flight under way, to be waited for.
pub(super) struct Flight<T> {
    state: watch::Receiver<FlightState<T>>,
    callers: Arc<FlightCallers>,
    deadline: Instant,
}

/// The role of a caller in a flight.
pub(super) enum Joined<K: Eq + Hash, T> {
    /// There was no flight: the caller leads a new one.
    Leader(Lead<K, T>),
    /// Another caller leads it.
    Follower(Flight<T>),
}

/// The right to run a flight. If it is dropped without a result, the flight fails as a defect.
pub(super) struct Lead<K: Eq + Hash, T> {
    entry: FlightEntry<K, T>,
    background: BackgroundRuntime,
    state: watch::Sender<FlightState<T>>,
    flight: Flight<T>,
}

/// The entry of a flight in the map, which is removed when this is dropped.
struct FlightEntry<K: Eq + Hash, T> {
    flights: Arc<Mutex<Flights<K, T>>>,
    key: K,
}

/// The callers that wait for a flight, each once, the leader first.
struct FlightCallers(watch::Sender<Vec<Caller>>);

#[derive(Debug)]
enum FlightState<T> {
    UnderWay,
    Ended(Resolution<T>),
    Abandoned,
}

/// The leader abandoned the flight before it began: another caller may lead one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abandoned;

impl<K: Eq + Hash, T> SingleFlight<K, T> {
    /// No flight is under way. They will run on this runtime.
    pub(super) fn new(background: BackgroundRuntime) -> Self {
        Self { flights: Arc::default(), background }
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Resolves in one flight with all others who want the same now, and returns the answer for this caller. `pay` takes the
    /// tokens for the first calls: not before the caller leads, because a follower needs none. `begin` makes the
    /// resolution.
    ///
    /// The error is the time until `pay` would find a token.
    pub(super) async fn resolve<F: Future<Output = Resolution<T>> + Send + 'static>(
        &self,
        key: &K,
        caller: &Caller,
        mode: Mode,
        until: Instant,
        pay: impl Fn() -> Result<(), Duration>,
        begin: impl Fn(&Lead<K, T>) -> F,
    ) -> Result<Resolution<T>, Duration> {
        let mut followed = 0;
        loop {
            let (flight, is_leader) = match self.join(key, caller, until) {
                Joined::Follower(flight) => (flight, false),
                Joined::Leader(lead) => {
                    if let Err(wait) = pay() {
                        lead.abandon();
                        return Err(wait);
                    }
                    let resolution = begin(&lead);
                    (lead.run(resolution), true)
                }
            };
            let follows_on = !is_leader && followed < MAX_FOLLOWED;
            let leader_has_less_time = flight.deadline() < until;
            let result = if flight.deadline() > until {
                // The flight goes on for callers with more time.
                let waited = tokio::time::timeout_at(until.into(), flight.wait()).await;
                waited.unwrap_or(Ok(Resolution::OUT_OF_TIME))
            } else {
                flight.wait().await
            };
            match result {
                Err(Abandoned) => pay()?,
                // The leader ran out of time or tokens: this caller may have more.
                Ok(result) if follows_on && leader_has_less_time && result.is_out_of_time() => followed += 1,
                Ok(result) if follows_on && result.is_rate_limited() => {
                    followed += 1;
                    pay()?;
                }
                // This caller wants Nebuly to be asked.
                Ok(result)
                    if follows_on && mode == Mode::Refresh && result.source == AnswerSource::Shared =>
                {
                    followed += 1;
                }
                Ok(result) => return Ok(result.for_caller(mode, !is_leader)),
            }
        }
    }

    /// Joins a flight, or begins to lead one that ends by this deadline.
    pub(super) fn join(&self, key: &K, caller: &Caller, deadline: Instant) -> Joined<K, T> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(key) {
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
        let entry = FlightEntry { flights: Arc::clone(&self.flights), key: key.clone() };
        Joined::Leader(Lead { entry, background: self.background.clone(), state, flight })
    }
}

impl<K, T> Lead<K, T>
where
    K: Eq + Hash + Send + 'static,
    T: Send + Sync + 'static,
{
    /// The options of the calls of this flight.
    pub(super) fn call_options(&self, may_retry: bool) -> CallOptions {
        let Flight { callers, deadline, .. } = &self.flight;
        CallOptions { callers: Arc::clone(callers) as _, deadline: *deadline, may_retry }
    }

    /// Runs the flight in a task of its own, and returns it to be waited for.
    pub(super) fn run(self, resolution: impl Future<Output = Resolution<T>> + Send + 'static) -> Flight<T> {
        let Self { entry, background, state, flight } = self;
        let task = async move {
            let result = resolution.await;
            drop(entry);
            // There may be no receiver any more.
            state.send_replace(FlightState::Ended(result));
        };
        background.spawn(task);
        flight
    }

    /// Ends the flight before it began.
    pub(super) fn abandon(self) {
        drop(self.entry);
        self.state.send_replace(FlightState::Abandoned);
    }
}

impl<T: Clone> Flight<T> {
    /// When the flight ends at the latest.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until the flight ends.
    pub(super) async fn wait(mut self) -> Result<Resolution<T>, Abandoned> {
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

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        let Self { state, callers, deadline } = self;
        Self { state: state.clone(), callers: Arc::clone(callers), deadline: *deadline }
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

impl<K: Eq + Hash, T> Drop for FlightEntry<K, T> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}
