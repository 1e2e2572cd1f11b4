//! Phase and deadline of a connection in one atomic word, so that both change together without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

const PHASE_BITS: u32 = 3;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;

/// Microseconds since a server's start. What is left beside the phase lasts 73,000 years.
pub(super) const LAST_MICROS: u64 = u64::MAX >> PHASE_BITS;

/// Where a connection stands between two requests, or within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Has not sent a complete head yet.
    Awaiting,
    /// Was answered, and has not sent another complete head yet.
    Idle,
    /// Its request is being answered.
    Busy,
    /// The same, but the peer has finished sending: it waits for the answer, or it is gone.
    HalfClosed,
    /// The whole answer is known, but the socket has not taken all of it.
    Answered,
    /// The socket has taken the whole answer; another request may already wait in the buffer.
    Written,
    /// Is gone, or has been told to go.
    Ended,
}

/// A phase, and the time at which it ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing(u64);

impl Standing {
    pub(super) fn new(phase: Phase, deadline: u64) -> Self {
        let phase = match phase {
            Phase::Awaiting => 0,
            Phase::Idle => 1,
            Phase::Busy => 2,
            Phase::Answered => 3,
            Phase::Written => 4,
            Phase::Ended => 5,
            Phase::HalfClosed => 6,
        };
        Self(deadline.min(LAST_MICROS) << PHASE_BITS | phase)
    }

    pub(super) fn phase(self) -> Phase {
        match self.0 & PHASE_MASK {
            0 => Phase::Awaiting,
            1 => Phase::Idle,
            2 => Phase::Busy,
            3 => Phase::Answered,
            4 => Phase::Written,
            6 => Phase::HalfClosed,
            _ => Phase::Ended,
        }
    }

    pub(super) fn deadline(self) -> u64 {
        self.0 >> PHASE_BITS
    }

    /// Whether it is within an exchange: ending it now would cut an answer short.
    pub(super) fn is_busy(self) -> bool {
        matches!(self.phase(), Phase::Busy | Phase::HalfClosed | Phase::Answered)
    }
}

/// A standing that changes.
///
/// Relaxed ordering is enough where nothing but this word is told; see each method.
#[derive(Debug)]
pub(super) struct AtomicStanding(AtomicU64);

impl AtomicStanding {
    pub(super) fn new(standing: Standing) -> Self {
        Self(AtomicU64::new(standing.0))
    }

    pub(super) fn get(&self) -> Standing {
        Standing(self.0.load(Ordering::Relaxed))
    }

    /// Sees whatever was published before, in the one order that all threads agree on.
    pub(super) fn get_published(&self) -> Standing {
        Standing(self.0.load(Ordering::SeqCst))
    }

    pub(super) fn set(&self, standing: Standing) {
        self.0.store(standing.0, Ordering::Relaxed);
    }

    /// For who then asks another atomic whether somebody waited for this.
    pub(super) fn publish(&self, standing: Standing) {
        self.0.store(standing.0, Ordering::SeqCst);
    }

    /// Changes exactly `seen`; false if it has changed in the meantime.
    pub(super) fn replace(&self, seen: Standing, by: Standing) -> bool {
        self.0.compare_exchange(seen.0, by.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Changes whatever there is to what `change` makes of it, or leaves it if that is `None`.
    pub(super) fn change(&self, change: impl Fn(Standing) -> Option<Standing>) {
        let mut seen = self.get();
        while let Some(next) = change(seen) {
            match self.0.compare_exchange_weak(seen.0, next.0, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = Standing(now),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_keeps_its_phase_and_deadline() {
        let phases = [
            Phase::Awaiting,
            Phase::Idle,
            Phase::Busy,
            Phase::HalfClosed,
            Phase::Answered,
            Phase::Written,
            Phase::Ended,
        ];
        for phase in phases {
            for deadline in [0, 1, 1_000_000, LAST_MICROS] {
                let standing = Standing::new(phase, deadline);
                assert_eq!((standing.phase(), standing.deadline()), (phase, deadline));
            }
        }
    }

    #[test]
    fn a_deadline_beyond_the_last_is_the_last_and_leaves_the_phase_alone() {
        let standing = Standing::new(Phase::Busy, u64::MAX);
        assert_eq!((standing.phase(), standing.deadline()), (Phase::Busy, LAST_MICROS));
    }

    #[test]
    fn a_standing_that_has_changed_is_not_replaced() {
        let idle = Standing::new(Phase::Idle, 7);
        let busy = Standing::new(Phase::Busy, 9);
        let ended = Standing::new(Phase::Ended, 0);
        let cell = AtomicStanding::new(idle);
        cell.set(busy);
        assert!(!cell.replace(idle, ended));
        assert_eq!(cell.get(), busy);
        assert!(cell.replace(busy, ended));
    }
}
