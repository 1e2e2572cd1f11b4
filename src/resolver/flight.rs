//! One call for one item, however many callers wait for it.
//!
//! The call runs in a task of its own, so it goes on when the caller who began it goes away. It removes itself when it
//! ends, however it ends, and only after its answer is in the cache: whoever finds no flight finds the answer there.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::resolution::{Outcome, Resolution};
use crate::domain::{CallFailure, Cause, Item};

/// The calls that are under way.
#[derive(Default)]
pub(super) struct Flights {
    underway: Arc<Mutex<Underway>>,
}

type Underway = HashMap<Item<'static>, Flight>;

/// A call under way, to be waited for.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Option<Landing>>);

/// What a call came to.
#[derive(Debug, Clone)]
pub(super) struct Landing {
    pub(super) outcome: Outcome,
    /// The status of Nebuly's answer, if there was one.
    pub(super) status: Option<u16>,
    pub(super) duration: Duration,
    /// Whether the cached link was kept although the call said otherwise.
    pub(super) kept: bool,
}

/// How a caller came to a flight.
pub(super) enum Joined {
    /// There was none, and none was needed any more.
    Known(Resolution),
    /// The caller began it.
    Began(Flight),
    /// Another caller had begun it.
    Underway(Flight),
}

/// Takes a flight off the list when its task ends, also by a panic.
struct Entry {
    underway: Arc<Mutex<Underway>>,
    item: Item<'static>,
}

impl Flights {
    /// Joins the flight for an item, or begins one with `call`.
    ///
    /// `recheck` looks once more for an answer before a flight is begun: one may have landed since the caller looked.
    pub(super) fn join<F>(
        &self,
        item: &Item<'_>,
        recheck: Option<impl FnOnce(&Item<'_>) -> Option<Resolution>>,
        call: impl FnOnce(Item<'static>) -> F,
    ) -> Joined
    where
        F: Future<Output = Landing> + Send + 'static,
    {
        let item = item.clone().into_owned();
        let mut underway = lock(&self.underway);
        if let Some(flight) = underway.get(&item) {
            return Joined::Underway(flight.clone());
        }
        if let Some(known) = recheck.and_then(|recheck| recheck(&item)) {
            return Joined::Known(known);
        }
        let (landing, flight) = watch::channel(None);
        let flight = Flight(flight);
        underway.insert(item.clone(), flight.clone());
        drop(underway);

        let entry = Entry { underway: Arc::clone(&self.underway), item: item.clone() };
        let call = call(item);
        tokio::spawn(async move {
            let landed = call.await;
            drop(entry);
            // Nobody may be waiting any more.
            landing.send_replace(Some(landed));
        });
        Joined::Began(flight)
    }
}

impl Flight {
    /// Waits for the call to end.
    pub(super) async fn land(mut self) -> Landing {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(landing)) => landing.clone(),
            // The task is gone without a word: it panicked, or the runtime is shutting down.
            Ok(None) | Err(_) => Landing {
                outcome: Outcome::Failed(CallFailure { cause: Cause::Internal, status: None }),
                status: None,
                duration: Duration::ZERO,
                kept: false,
            },
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.underway).remove(&self.item);
    }
}

/// Nothing panics while it holds the lock, so a poisoned list is a whole one.
fn lock(underway: &Mutex<Underway>) -> MutexGuard<'_, Underway> {
    underway.lock().unwrap_or_else(PoisonError::into_inner)
}
