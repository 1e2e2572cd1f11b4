//! The time of the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nebulink::domain::{Clock, MonotonicTime, Timestamp};

/// A clock that the simulation sets, in milliseconds since its first day began.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

/// When the first day began: any day will do.
const START: u64 = 1_800_000_000_000;

impl Time {
    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + self.millis())
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::from_millis(self.millis())
    }
}
