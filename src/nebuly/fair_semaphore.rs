//! A semaphore that bounds the calls in flight of all projects, and shares its permits fairly among callers.
//!
//! # The rules
//!
//! 1. At most `max` calls hold a permit.
//! 2. Refreshes together hold at most a quarter of them; so do listings and details. Batches together hold at most three
//!    quarters, so that somebody who follows one link does not wait for a call of theirs to end.
//! 3. One caller, with its batches, holds at most a quarter while another waits for a permit, and at most three quarters
//!    otherwise, so that a new caller gets one at once. Refreshes, listings and details that wait only because of rule 2 do
//!    not count as waiting here.
//! 4. A call that may get a permit by these rules gets it at once. The calls of one key get permits in the order of
//!    their arrival, and the keys take turns (round robin).
//! 5. A call may wait under several keys: one for each caller that wants its answer. It gets a permit at the first turn
//!    of any of them. Only its first key counts for the next rule.
//! 6. At most [`MAX_WAITING`] calls wait, each in one queue slot. When all slots are taken, a new call gets the slot of
//!    the newest call of the key that has the most, so that a flood under one key leaves the others theirs.
//!
//! # Why no call waits forever
//!
//! Every change after which a call may get a permit (one comes back, a waiting call is abandoned) ends with
//! [`SemaphoreState::admit`], which hands out permits until no waiting call may get one. A key that holds nothing may
//! always get one when nothing is in flight, because each bound is at least 1: so whenever calls wait, at least one holds
//! a permit, and when that comes back the next call is admitted. A permit is sent to a waiting call as a value; if that
//! call has been abandoned in the meantime, the value is dropped, which gives the permit back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::FairnessKey;
use crate::sync::{Mutex, lock};

/// The most calls that may wait. Each costs little, but those behind so many others would wait in vain.
pub(super) const MAX_WAITING: usize = 1024;

/// The keys of rule 2.
const QUARTERED: [FairnessKey; 2] = [FairnessKey::Refresh, FairnessKey::ListingsAndDetails];

/// A semaphore whose permits are shared fairly among keys. A permit is the right to have one call in flight.
pub(super) struct FairSemaphore {
    max: usize,
    state: Mutex<SemaphoreState>,
}

/// The right to have one call in flight, until it is dropped.
pub(super) struct Permit {
    semaphore: Arc<FairSemaphore>,
    key: FairnessKey,
}

/// Too many calls wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

/// The key under which a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The first one: the call takes a queue slot.
    First,
    /// A further one: the call has its slot already.
    Further,
}

#[derive(Default)]
struct SemaphoreState {
    in_flight: usize,
    held_by_batches: usize,
    /// The number of permits that each key holds; one without any is not listed.
    held: HashMap<FairnessKey, usize>,
    /// The number of calls that wait.
    waiting: usize,
    /// The waiting calls, in the order of their arrival; an empty queue is not listed.
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

/// A position in a queue, which is left when this is dropped.
struct QueuePosition<'a> {
    semaphore: &'a Arc<FairSemaphore>,
    key: FairnessKey,
    number: u64,
}

impl FairSemaphore {
    /// A semaphore with this many permits; at least one.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), state: Mutex::default() }
    }

    /// A semaphore with a quarter of the permits of this one; at least one.
    pub(super) fn quarter(&self) -> Self {
        Self::new(quarter_of(self.max))
    }

    /// Waits for a permit. Dropping the future leaves the queue.
    pub(super) async fn acquire(self: &Arc<Self>, key: FairnessKey, wait: Wait) -> Result<Permit, QueueFull> {
        let (number, permit) = {
            let mut state = lock(&self.state);
            // This overtakes no waiting call: one that may get a permit has got it.
            if !state.queues.contains_key(&key) && state.may_take(key, self.max) {
                state.take(key);
                return Ok(self.permit(key));
            }
            let evicted = state.free_slot(key, wait)?;
            let (sender, permit) = oneshot::channel();
            let number = state.enqueue(key, wait, sender);
            drop(state);
            drop(evicted);
            (number, permit)
        };
        let _position = QueuePosition { semaphore: self, key, number };
        permit.await.map_err(|_evicted| QueueFull)
    }

    /// Changes the state, admits the calls that may get a permit then, and wakes them when the lock is free again.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut SemaphoreState)) {
        let admitted = {
            let mut state = lock(&self.state);
            change(&mut state);
            state.admit(self.max)
        };
        for (key, sender) in admitted {
            // If the call is gone, the permit is dropped, and so comes back.
            drop(sender.send(self.permit(key)));
        }
    }

    fn permit(self: &Arc<Self>, key: FairnessKey) -> Permit {
        Permit { semaphore: Arc::clone(self), key }
    }
}

impl Permit {
    /// The key under which it is held.
    pub(super) const fn key(&self) -> FairnessKey {
        self.key
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.semaphore.change(|state| state.give_back(self.key));
    }
}

impl Drop for QueuePosition<'_> {
    fn drop(&mut self) {
        // With one less waiting, other keys may hold more.
        self.semaphore.change(|state| state.leave(self.key, self.number));
    }
}

impl SemaphoreState {
    fn may_take(&self, key: FairnessKey, max: usize) -> bool {
        let by_caller = |caller| {
            let bound = if self.others_wait(caller, max) { quarter_of(max) } else { three_quarters_of(max) };
            keys_of(caller).map(|key| self.held(key)).iter().sum::<usize>() < bound
        };
        let by_key = match key {
            FairnessKey::Refresh | FairnessKey::ListingsAndDetails => self.held(key) < quarter_of(max),
            FairnessKey::Caller(caller) => by_caller(caller),
            FairnessKey::Batch(caller) => self.held_by_batches < three_quarters_of(max) && by_caller(caller),
        };
        self.in_flight < max && by_key
    }

    /// Returns true if another than this caller waits for a permit.
    fn others_wait(&self, caller: u64, max: usize) -> bool {
        let waits = |key: &FairnessKey| self.queues.contains_key(key);
        let others = self.queues.len() - keys_of(caller).iter().filter(|key| waits(key)).count();
        let only_for_itself = |key: &&FairnessKey| waits(key) && self.held(**key) >= quarter_of(max);
        others > QUARTERED.iter().filter(only_for_itself).count()
    }

    fn held(&self, key: FairnessKey) -> usize {
        self.held.get(&key).copied().unwrap_or_default()
    }

    fn take(&mut self, key: FairnessKey) {
        self.in_flight += 1;
        self.held_by_batches += usize::from(is_of_batch(key));
        *self.held.entry(key).or_default() += 1;
    }

    fn give_back(&mut self, key: FairnessKey) {
        self.in_flight -= 1;
        self.held_by_batches -= usize::from(is_of_batch(key));
        if let Some(held) = self.held.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&key);
            }
        }
    }

    /// Makes sure that there is a queue slot for a call of this key. Returns the waiter that was evicted for it.
    fn free_slot(&mut self, key: FairnessKey, wait: Wait) -> Result<Option<Waiter>, QueueFull> {
        if wait == Wait::Further || self.waiting < MAX_WAITING {
            return Ok(None);
        }
        let slots = |queue: &VecDeque<Waiter>| queue.iter().filter(|waiter| waiter.has_slot()).count();
        let own = self.queues.get(&key).map_or(0, slots);
        let queues = self.queues.values_mut().map(|queue| (slots(queue), queue));
        let (most, longest) = queues.max_by_key(|(slots, _)| *slots).ok_or(QueueFull)?;
        // It keeps at least one, so that its turn stays as it is.
        if most <= own + 1 {
            return Err(QueueFull);
        }
        let newest = longest.iter().rposition(Waiter::has_slot).ok_or(QueueFull)?;
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
    fn leave(&mut self, key: FairnessKey, number: u64) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        let Ok(position) = queue.binary_search_by_key(&number, |waiter| waiter.number) else { return };
        let Some(waiter) = queue.remove(position) else { return };
        self.waiting -= usize::from(waiter.has_slot());
        if queue.is_empty() {
            self.queues.remove(&key);
            self.turns.retain(|other| *other != key);
        }
    }

    /// Gives permits to all waiting calls that may get one now, and takes them out of their queues.
    fn admit(&mut self, max: usize) -> Vec<(FairnessKey, oneshot::Sender<Permit>)> {
        let mut admitted = Vec::new();
        while self.in_flight < max
            && let Some(turn) = self.turns.iter().position(|key| self.may_take(*key, max))
            && let Some(key) = self.turns.remove(turn)
            && let Some(queue) = self.queues.get_mut(&key)
            && let Some(waiter) = queue.pop_front()
        {
            if queue.is_empty() {
                self.queues.remove(&key);
            } else {
                self.turns.push_back(key);
            }
            self.waiting -= usize::from(waiter.has_slot());
            self.take(key);
            admitted.push((key, waiter.permit));
        }
        admitted
    }
}

impl Waiter {
    fn has_slot(&self) -> bool {
        self.wait == Wait::First
    }
}

fn keys_of(caller: u64) -> [FairnessKey; 2] {
    [FairnessKey::Caller(caller), FairnessKey::Batch(caller)]
}

fn is_of_batch(key: FairnessKey) -> bool {
    matches!(key, FairnessKey::Batch(_))
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
