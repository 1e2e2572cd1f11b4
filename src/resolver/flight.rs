//! One resolution of one item, however many callers wait for it.
//!
//! It runs in a task of its own, so it goes on when the caller who began it goes away. It removes itself when it ends,
//! however it ends, and only after what it found is in the cache: whoever finds no flight finds the answer there.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::context::FutureExt as _;
use tokio::sync::watch;

use super::resolution::Outcome;
use crate::domain::{CallFailure, Cause, Item, Scope};

/// The resolutions that are under way.
#[derive(Default)]
pub(super) struct Flights {
    underway: Arc<Mutex<Underway>>,
}

type Underway = HashMap<(Scope, Item<'static>), Flight>;

/// A resolution under way, to be waited for.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Option<Landing>>);

/// What a resolution came to.
#[derive(Debug, Clone)]
pub(super) struct Landing {
    pub(super) outcome: Outcome,
    pub(super) source: Source,
}

/// Where the outcome of a resolution came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From Nebuly: the status that decided, if there was one, and how long it took.
    Nebuly { status: Option<u16>, duration: Duration },
    /// From the shared cache, fresh.
    Shared,
    /// From a cache, past its time.
    Stale,
    /// From memory, fresh: Nebuly said otherwise, or nothing, and is not believed yet.
    Kept,
}

/// How a caller came to a flight.
pub(super) enum Joined<K> {
    /// There was none, and none was needed any more.
    Known(K),
    /// The caller began it.
    Began(Flight),
    /// Another caller had begun it.
    Underway(Flight),
}

/// Takes a flight off the list when its task ends, also by a panic.
struct Entry {
    underway: Arc<Mutex<Underway>>,
    key: (Scope, Item<'static>),
}

impl Flights {
    /// Joins the flight for an item, or begins one.
    ///
    /// `recheck` looks once more for an answer before a flight is begun: one may have landed since the caller looked.
    pub(super) fn join<K, F>(
        &self,
        scope: Scope,
        item: Item<'static>,
        recheck: impl FnOnce(&Item<'static>) -> Option<K>,
        resolve: impl FnOnce(Item<'static>) -> F,
    ) -> Joined<K>
    where
        F: Future<Output = Landing> + Send + 'static,
    {
        let key = (scope, item);
        let mut underway = lock(&self.underway);
        if let Some(flight) = underway.get(&key) {
            return Joined::Underway(flight.clone());
        }
        if let Some(known) = recheck(&key.1) {
            return Joined::Known(known);
        }
        let (landing, flight) = watch::channel(None);
        let flight = Flight(flight);
        underway.insert(key.clone(), flight.clone());
        drop(underway);

        let resolution = resolve(key.1.clone());
        let entry = Entry { underway: Arc::clone(&self.underway), key };
        let flight_task = async move {
            let landed = resolution.await;
            drop(entry);
            // Nobody may be waiting any more.
            landing.send_replace(Some(landed));
        };
        // Its calls are part of the trace of the caller who began it.
        tokio::spawn(flight_task.with_current_context());
        Joined::Began(flight)
    }

    /// The flight for an item, if there is one.
    pub(super) fn underway(&self, scope: Scope, item: &Item<'static>) -> Option<Flight> {
        lock(&self.underway).get(&(scope, item.clone())).cloned()
    }
}

impl Flight {
    /// Waits for the resolution to end.
    pub(super) async fn land(mut self) -> Landing {
        if let Ok(Some(landing)) = self.0.wait_for(Option::is_some).await.as_deref() {
            return landing.clone();
        }
        // The task is gone without a word: it panicked, or the runtime is shutting down.
        tracing::error!("a resolution ended without an answer");
        let failure = CallFailure { cause: Cause::Internal, status: None };
        let source = Source::Nebuly { status: None, duration: Duration::ZERO };
        Landing { outcome: Outcome::Failed(failure), source }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.underway).remove(&self.key);
    }
}

/// Nothing panics while it holds the lock, so a poisoned list is a whole one.
fn lock(underway: &Mutex<Underway>) -> MutexGuard<'_, Underway> {
    underway.lock().unwrap_or_else(PoisonError::into_inner)
}
