//! Phase and deadline of a connection in one atomic word, so that both change together without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

const PHASE_BITS: u32 = 3;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;

/// The latest deadline, in microseconds since the server's start. The bits beside the phase last 73,000 years.
pub(super) const LAST_MICROS: u64 = u64::MAX >> PHASE_BITS;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Has not sent its first complete head.
    Awaiting = 0,
    /// Its last request was answered, and it has not sent another complete head.
    Idle = 1,
    /// Its request is being answered.
    Busy = 2,
    /// The same, but the peer has finished sending: it waits for the answer, or it is gone.
    HalfClosed = 3,
    /// The whole answer is known, but the socket has not taken all of it.
    Flushing = 4,
    /// The socket has taken the whole answer; another request may already be in the buffer.
    Flushed = 5,
    /// Has ended, or has been told to.
    Ended = 6,
}

/// A phase, and the time at which the connection ends if it is still in that phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhaseAndDeadline(u64);

impl PhaseAndDeadline {
    pub(super) fn new(phase: Phase, deadline: u64) -> Self {
        Self(deadline.min(LAST_MICROS) << PHASE_BITS | phase as u64)
    }

    pub(super) fn phase(self) -> Phase {
        match self.0 & PHASE_MASK {
            0 => Phase::Awaiting,
            1 => Phase::Idle,
            2 => Phase::Busy,
            3 => Phase::HalfClosed,
            4 => Phase::Flushing,
            5 => Phase::Flushed,
            _ => Phase::Ended,
        }
    }

    pub(super) fn deadline(self) -> u64 {
        self.0 >> PHASE_BITS
    }

    /// Returns true while a request is in flight: ending the connection now would cut its answer short.
    pub(super) fn is_busy(self) -> bool {
        matches!(self.phase(), Phase::Busy | Phase::HalfClosed | Phase::Flushing)
    }
}

/// The same, shared by threads. Its methods are those of std's atomics.
///
/// Relaxed ordering is enough where this word alone is read. `SeqCst` is needed where another atomic is read or written
/// next to it; see the methods.
#[derive(Debug)]
pub(super) struct AtomicPhaseAndDeadline(AtomicU64);

impl AtomicPhaseAndDeadline {
    pub(super) fn new(value: PhaseAndDeadline) -> Self {
        Self(AtomicU64::new(value.0))
    }

    pub(super) fn load(&self) -> PhaseAndDeadline {
        PhaseAndDeadline(self.0.load(Ordering::Relaxed))
    }

    /// Sees every `store_seq_cst` before it, in the one order that all threads agree on.
    pub(super) fn load_seq_cst(&self) -> PhaseAndDeadline {
        PhaseAndDeadline(self.0.load(Ordering::SeqCst))
    }

    pub(super) fn store(&self, new: PhaseAndDeadline) {
        self.0.store(new.0, Ordering::Relaxed);
    }

    /// For callers that then read another atomic to learn if somebody waits for this.
    pub(super) fn store_seq_cst(&self, new: PhaseAndDeadline) {
        self.0.store(new.0, Ordering::SeqCst);
    }

    /// Replaces exactly `current`; returns false if it has changed in the meantime.
    pub(super) fn compare_exchange(&self, current: PhaseAndDeadline, new: PhaseAndDeadline) -> bool {
        self.0.compare_exchange(current.0, new.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Replaces the value by what `change` makes of it, or leaves it if that is `None`.
    pub(super) fn update(&self, change: impl Fn(PhaseAndDeadline) -> Option<PhaseAndDeadline>) {
        // An error says that `change` left it.
        let change = |current| change(PhaseAndDeadline(current)).map(|new| new.0);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_kept() {
        let phases = [
            Phase::Awaiting,
            Phase::Idle,
            Phase::Busy,
            Phase::HalfClosed,
            Phase::Flushing,
            Phase::Flushed,
            Phase::Ended,
        ];
        for phase in phases {
            for deadline in [0, 1, 1_000_000, LAST_MICROS] {
                let both = PhaseAndDeadline::new(phase, deadline);
                assert_eq!((both.phase(), both.deadline()), (phase, deadline));
            }
        }
    }

    #[test]
    fn a_deadline_beyond_the_last_is_the_last_and_leaves_the_phase_alone() {
        let both = PhaseAndDeadline::new(Phase::Busy, u64::MAX);
        assert_eq!((both.phase(), both.deadline()), (Phase::Busy, LAST_MICROS));
    }

    #[test]
    fn a_value_that_has_changed_is_not_replaced() {
        let idle = PhaseAndDeadline::new(Phase::Idle, 7);
        let busy = PhaseAndDeadline::new(Phase::Busy, 9);
        let ended = PhaseAndDeadline::new(Phase::Ended, 0);
        let cell = AtomicPhaseAndDeadline::new(idle);
        cell.store(busy);
        assert!(!cell.compare_exchange(idle, ended));
        assert_eq!(cell.load(), busy);
        assert!(cell.compare_exchange(busy, ended));
    }
}
