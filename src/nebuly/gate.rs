//! The calls in flight, shared by all projects and fairly by all who cause them.
//!
//! # The rules
//!
//! 1. At most `max` calls hold a permit.
//! 2. Refreshes together hold at most a quarter of them.
//! 3. One caller holds at most a quarter while another share waits for room, and at most three quarters otherwise, so
//!    that a newcomer finds room at once. Refreshes that wait for nothing but rule 2 do not count as waiting here.
//! 4. Whoever may enter by these rules does. A share's own calls enter in the order in which they came, and the shares
//!    take turns.
//! 5. At most [`MAX_WAITING`] calls wait. When the places are taken, a newcomer gets that of the newest call of the share
//!    that has the most, so that a flood of one share leaves the others theirs.
//!
//! # Why nobody waits for ever
//!
//! Every change that may let somebody in (a permit comes back, a waiting call is given up) ends with [`State::let_in`],
//! which goes on until nobody may enter. A share that holds nothing may always enter when nothing is in flight, because
//! each bound is at least 1: so whenever calls wait, at least one holds a permit, and its return is the next change.
//! A permit travels to a waiting call as a value; if that call has been given up in the meantime, the value is dropped,
//! and that is its return.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::domain::Share;

/// How many calls may wait. Each costs little, but those behind so many others would wait in vain.
pub(super) const MAX_WAITING: usize = 1024;

/// Lets a bounded number of calls be in flight.
pub(super) struct Gate {
    max: usize,
    state: Mutex<State>,
}

/// The right to have one call in flight, until it is dropped.
pub(super) struct Permit {
    gate: Arc<Gate>,
    share: Share,
}

/// Too many calls wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Default)]
struct State {
    in_flight: usize,
    /// How many permits each share holds; none is not listed.
    held: HashMap<Share, usize>,
    waiting: usize,
    /// Those who wait, in the order in which they came; an empty queue is not listed.
    queues: HashMap<Share, VecDeque<Waiter>>,
    /// The shares that wait, the next one first.
    turns: VecDeque<Share>,
    next_number: u64,
}

struct Waiter {
    /// Grows within a queue.
    number: u64,
    permit: oneshot::Sender<Permit>,
}

/// A place in a queue, which is given up when this is dropped.
struct Place<'a> {
    gate: &'a Arc<Gate>,
    share: Share,
    number: u64,
}

impl Gate {
    /// A gate for so many calls at once; at least one.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), state: Mutex::default() }
    }

    /// Waits for a permit. Dropping the future gives the place up.
    pub(super) async fn enter(self: &Arc<Self>, share: Share) -> Result<Permit, Full> {
        let (number, permit) = {
            let mut state = self.state();
            // Who waits cannot be overtaken here: of those others nobody may enter, or they would have.
            if !state.queues.contains_key(&share) && state.may_enter(share, self.max) {
                state.take(share);
                return Ok(self.permit(share));
            }
            let pushed_out = state.make_place(share)?;
            let (sender, permit) = oneshot::channel();
            let number = state.wait(share, sender);
            drop(state);
            drop(pushed_out);
            (number, permit)
        };
        let _place = Place { gate: self, share, number };
        permit.await.map_err(|_pushed_out| Full)
    }

    /// Changes the state, lets in whoever may enter then, and wakes them when the lock is free again.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let let_in = {
            let mut state = self.state();
            change(&mut state);
            state.let_in(self.max)
        };
        for (share, sender) in let_in {
            // A permit that finds nobody comes back by being dropped.
            drop(sender.send(self.permit(share)));
        }
    }

    fn permit(self: &Arc<Self>, share: Share) -> Permit {
        Permit { gate: Arc::clone(self), share }
    }

    /// Nothing panics while it holds the lock, so a poisoned state is a whole one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.change(|state| state.give_back(self.share));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // With one less waiting, others may be free to hold more.
        self.gate.change(|state| state.give_up(self.share, self.number));
    }
}

impl State {
    fn may_enter(&self, share: Share, max: usize) -> bool {
        let bound = match share {
            Share::Refresh => quarter_of(max),
            Share::Caller(_) if self.others_wait(share, max) => quarter_of(max),
            Share::Caller(_) => three_quarters_of(max),
        };
        self.in_flight < max && self.held(share) < bound
    }

    /// Whether another share than this caller's waits for room.
    fn others_wait(&self, share: Share, max: usize) -> bool {
        let others = self.queues.len() - usize::from(self.queues.contains_key(&share));
        let only_for_themselves =
            self.queues.contains_key(&Share::Refresh) && self.held(Share::Refresh) >= quarter_of(max);
        others > usize::from(only_for_themselves)
    }

    fn held(&self, share: Share) -> usize {
        self.held.get(&share).copied().unwrap_or_default()
    }

    fn take(&mut self, share: Share) {
        self.in_flight += 1;
        *self.held.entry(share).or_default() += 1;
    }

    fn give_back(&mut self, share: Share) {
        self.in_flight -= 1;
        if let Some(held) = self.held.get_mut(&share) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&share);
            }
        }
    }

    /// Makes room in the queues for a call of this share; returns the one that it pushed out.
    fn make_place(&mut self, share: Share) -> Result<Option<Waiter>, Full> {
        if self.waiting < MAX_WAITING {
            return Ok(None);
        }
        let own = self.queues.get(&share).map_or(0, VecDeque::len);
        let longest = self.queues.values_mut().max_by_key(|queue| queue.len()).ok_or(Full)?;
        // It keeps at least one, so that its turn stays as it is.
        if longest.len() <= own + 1 {
            return Err(Full);
        }
        self.waiting -= 1;
        Ok(longest.pop_back())
    }

    fn wait(&mut self, share: Share, permit: oneshot::Sender<Permit>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let queue = self.queues.entry(share).or_default();
        if queue.is_empty() {
            self.turns.push_back(share);
        }
        queue.push_back(Waiter { number, permit });
        self.waiting += 1;
        number
    }

    /// Takes a call out of its queue, if it is still there.
    fn give_up(&mut self, share: Share, number: u64) {
        let Some(queue) = self.queues.get_mut(&share) else { return };
        let Ok(position) = queue.binary_search_by_key(&number, |waiter| waiter.number) else { return };
        queue.remove(position);
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&share);
            self.turns.retain(|other| *other != share);
        }
    }

    /// Takes everybody out of the queues who may enter now.
    fn let_in(&mut self, max: usize) -> Vec<(Share, oneshot::Sender<Permit>)> {
        let mut let_in = Vec::new();
        while self.in_flight < max
            && let Some(turn) = self.turns.iter().position(|share| self.may_enter(*share, max))
            && let Some(share) = self.turns.remove(turn)
            && let Some(queue) = self.queues.get_mut(&share)
            && let Some(waiter) = queue.pop_front()
        {
            if queue.is_empty() {
                self.queues.remove(&share);
            } else {
                self.turns.push_back(share);
            }
            self.waiting -= 1;
            self.take(share);
            let_in.push((share, waiter.permit));
        }
        let_in
    }
}

fn quarter_of(max: usize) -> usize {
    (max / 4).max(1)
}

fn three_quarters_of(max: usize) -> usize {
    (max * 3 / 4).max(1)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
