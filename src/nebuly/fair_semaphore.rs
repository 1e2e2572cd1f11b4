//! The calls in flight, shared by all projects and fairly by all callers.
//!
//! # The rules
//!
//! 1. At most `max` calls hold a permit.
//! 2. Refreshes together hold at most a quarter of them.
//! 3. One caller holds at most a quarter while another one waits for room, and at most three quarters otherwise, so that a
//!    newcomer finds room at once. Refreshes that wait for nothing but rule 2 do not count as waiting here.
//! 4. Whoever may enter by these rules does. The calls of one key enter in the order in which they came, and the keys
//!    take turns.
//! 5. A call may wait under several keys: one for each caller that wants its answer. It enters at whichever turn comes
//!    first. Only its first key counts for the next rule.
//! 6. At most [`MAX_WAITING`] calls wait. When the places are taken, a newcomer gets that of the newest call of the key
//!    that has the most, so that a flood under one key leaves the others theirs.
//!
//! # Why nobody waits for ever
//!
//! Every change that may let somebody in (a permit comes back, a waiting call is given up) ends with [`State::let_in`],
//! which goes on until nobody may enter. A key that holds nothing may always enter when nothing is in flight, because
//! each bound is at least 1: so whenever calls wait, at least one holds a permit, and its return is the next change.
//! A permit travels to a waiting call as a value; if that call has been given up in the meantime, the value is dropped,
//! and that is its return.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::FairnessKey;
use crate::sync::{Mutex, MutexGuard, lock};

/// How many calls may wait. Each costs little, but those behind so many others would wait in vain.
pub(super) const MAX_WAITING: usize = 1024;

/// A semaphore whose permits are shared fairly among keys. A permit is the right to have one call in flight.
pub(super) struct FairSemaphore {
    max: usize,
    state: Mutex<State>,
}

/// The right to have one call in flight, until it is dropped.
pub(super) struct Permit {
    semaphore: Arc<FairSemaphore>,
    key: FairnessKey,
}

/// Too many calls wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

/// Under which of its keys a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Under its first: it takes one of the places.
    First,
    /// Under a further one: the call has its place already.
    Further,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    /// How many permits each key holds; one without any is not listed.
    held: HashMap<FairnessKey, usize>,
    /// How many calls wait.
    waiting: usize,
    /// Those who wait, in the order in which they came; an empty queue is not listed.
    queues: HashMap<FairnessKey, VecDeque<Waiter>>,
    /// The keys that wait, the next one first.
    turns: VecDeque<FairnessKey>,
    next_number: u64,
}

struct Waiter {
    /// Grows within a queue.
    number: u64,
    wait: Wait,
    permit: oneshot::Sender<Permit>,
}

/// A position in a queue, which is given up when this is dropped.
struct Position<'a> {
    semaphore: &'a Arc<FairSemaphore>,
    key: FairnessKey,
    number: u64,
}

impl FairSemaphore {
    /// A semaphore for so many calls at once; at least one.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), state: Mutex::default() }
    }

    /// Waits for a permit. Dropping the future gives the position in the queue up.
    pub(super) async fn acquire(self: &Arc<Self>, key: FairnessKey, wait: Wait) -> Result<Permit, QueueFull> {
        let (number, permit) = {
            let mut state = self.state();
            // Who waits cannot be overtaken here: of those others nobody may enter, or they would have.
            if !state.queues.contains_key(&key) && state.may_enter(key, self.max) {
                state.take(key);
                return Ok(self.permit(key));
            }
            let evicted = state.make_place(key, wait)?;
            let (sender, permit) = oneshot::channel();
            let number = state.enqueue(key, wait, sender);
            drop(state);
            drop(evicted);
            (number, permit)
        };
        let _position = Position { semaphore: self, key, number };
        permit.await.map_err(|_evicted| QueueFull)
    }

    /// Changes the state, lets in whoever may enter then, and wakes them when the lock is free again.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let let_in = {
            let mut state = self.state();
            change(&mut state);
            state.let_in(self.max)
        };
        for (key, sender) in let_in {
            // A permit that finds nobody comes back by being dropped.
            drop(sender.send(self.permit(key)));
        }
    }

    fn permit(self: &Arc<Self>, key: FairnessKey) -> Permit {
        Permit { semaphore: Arc::clone(self), key }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Permit {
    /// Under which key it is held.
    pub(super) const fn key(&self) -> FairnessKey {
        self.key
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.semaphore.change(|state| state.give_back(self.key));
    }
}

impl Drop for Position<'_> {
    fn drop(&mut self) {
        // With one less waiting, others may be free to hold more.
        self.semaphore.change(|state| state.give_up(self.key, self.number));
    }
}

impl State {
    fn may_enter(&self, key: FairnessKey, max: usize) -> bool {
        let bound = match key {
            FairnessKey::Refresh => quarter_of(max),
            FairnessKey::Caller(_) if self.others_wait(key, max) => quarter_of(max),
            FairnessKey::Caller(_) => three_quarters_of(max),
        };
        self.in_flight < max && self.held(key) < bound
    }

    /// Whether another key than this caller's waits for room.
    fn others_wait(&self, key: FairnessKey, max: usize) -> bool {
        let others = self.queues.len() - usize::from(self.queues.contains_key(&key));
        let only_for_themselves = self.queues.contains_key(&FairnessKey::Refresh)
            && self.held(FairnessKey::Refresh) >= quarter_of(max);
        others > usize::from(only_for_themselves)
    }

    fn held(&self, key: FairnessKey) -> usize {
        self.held.get(&key).copied().unwrap_or_default()
    }

    fn take(&mut self, key: FairnessKey) {
        self.in_flight += 1;
        *self.held.entry(key).or_default() += 1;
    }

    fn give_back(&mut self, key: FairnessKey) {
        self.in_flight -= 1;
        if let Some(held) = self.held.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&key);
            }
        }
    }

    /// Makes room in the queues for a call of this key; returns the waiter that had to go for it.
    fn make_place(&mut self, key: FairnessKey, wait: Wait) -> Result<Option<Waiter>, QueueFull> {
        if wait == Wait::Further || self.waiting < MAX_WAITING {
            return Ok(None);
        }
        let places = |queue: &VecDeque<Waiter>| queue.iter().filter(|waiter| waiter.has_place()).count();
        let own = self.queues.get(&key).map_or(0, places);
        let (longest, most) = self
            .queues
            .values_mut()
            .map(|queue| (places(queue), queue))
            .max_by_key(|(places, _)| *places)
            .map(|(places, queue)| (queue, places))
            .ok_or(QueueFull)?;
        // It keeps at least one, so that its turn stays as it is.
        if most <= own + 1 {
            return Err(QueueFull);
        }
        let newest = longest.iter().rposition(Waiter::has_place).ok_or(QueueFull)?;
        self.waiting -= 1;
        Ok(longest.remove(newest))
    }

    fn enqueue(&mut self, key: FairnessKey, wait: Wait, permit: oneshot::Sender<Permit>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let queue = self.queues.entry(key).or_default();
        if queue.is_empty() {
            self.turns.push_back(key);
        }
        queue.push_back(Waiter { number, wait, permit });
        self.waiting += usize::from(wait == Wait::First);
        number
    }

    /// Takes a waiter out of its queue, if it is still there.
    fn give_up(&mut self, key: FairnessKey, number: u64) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        let Ok(position) = queue.binary_search_by_key(&number, |waiter| waiter.number) else { return };
        let Some(waiter) = queue.remove(position) else { return };
        self.waiting -= usize::from(waiter.has_place());
        if queue.is_empty() {
            self.queues.remove(&key);
            self.turns.retain(|other| *other != key);
        }
    }

    /// Takes everybody out of the queues who may enter now.
    fn let_in(&mut self, max: usize) -> Vec<(FairnessKey, oneshot::Sender<Permit>)> {
        let mut let_in = Vec::new();
        while self.in_flight < max
            && let Some(turn) = self.turns.iter().position(|key| self.may_enter(*key, max))
            && let Some(key) = self.turns.remove(turn)
            && let Some(queue) = self.queues.get_mut(&key)
            && let Some(waiter) = queue.pop_front()
        {
            if queue.is_empty() {
                self.queues.remove(&key);
            } else {
                self.turns.push_back(key);
            }
            self.waiting -= usize::from(waiter.has_place());
            self.take(key);
            let_in.push((key, waiter.permit));
        }
        let_in
    }
}

impl Waiter {
    fn has_place(&self) -> bool {
        self.wait == Wait::First
    }
}

fn quarter_of(max: usize) -> usize {
    (max / 4).max(1)
}

fn three_quarters_of(max: usize) -> usize {
    (max * 3 / 4).max(1)
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
#[path = "fair_semaphore_tests.rs"]
mod tests;

#[cfg(test)]
#[cfg(feature = "interleavings")]
#[path = "fair_semaphore_interleavings_tests.rs"]
mod interleavings;
