//! Time as a value.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::coarse_clock;

/// The most by which the clocks of machines may differ: a link that another one wrote just now may seem to be from the
/// future.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A moment, in milliseconds since the Unix epoch. Wall-clock time, because a link outlives the process that found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// A moment on a clock that only goes forward, in milliseconds since a moment of its own. For what this process alone
/// remembers: it means nothing outside, and setting the wall clock changes nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonotonicTime(u64);

/// A clock. Tests have their own, so that they need not sleep.
pub trait Clock: Send + Sync + 'static {
    /// The present as a wall clock shows it, which may be set back and forth.
    fn now(&self) -> Timestamp;

    /// The present on a clock that only goes forward.
    fn monotonic(&self) -> MonotonicTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Timestamp {
    /// The moment this many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment this long after it.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The moment this long before it.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The time since `earlier`; zero if that is in the future, as after a clock that was set back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl MonotonicTime {
    /// The moment this many milliseconds after the clock began.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment this long after it.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The time since `earlier`; zero if that is in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(millis(coarse_clock::since_epoch()))
    }

    fn monotonic(&self) -> MonotonicTime {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        MonotonicTime(millis(BEGINNING.elapsed()))
    }
}

/// 64 bits of milliseconds last for half a billion years.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
