//! How much is measured.

use std::time::Duration;

/// Numbers of everything that is repeated.
pub(crate) struct Scale {
    /// Rounds of the CPU time, in each of which every server has its turn.
    pub(crate) rounds: usize,
    /// Redirects of one turn. At about 10 µs each, a turn is longer than the kernel's tick; and a round of short turns is over
    /// before the machine has changed its mind.
    pub(crate) redirects: usize,
    /// Redirects of each server before the first round: caches fill, buffers grow.
    pub(crate) warm_up: usize,
    /// Rounds of the latency.
    pub(crate) latency_rounds: usize,
    /// Time of one turn at the fixed rate.
    pub(crate) latency_time: Duration,
    /// Cold redirects, each with a direct call beside it.
    pub(crate) cold: usize,
    /// Starts of the program.
    pub(crate) starts: usize,
}

/// For figures that one may quote.
pub(crate) const FULL: Scale = Scale {
    rounds: 141,
    redirects: 6_000,
    warm_up: 60_000,
    latency_rounds: 7,
    latency_time: Duration::from_secs(2),
    cold: 3_000,
    starts: 20,
};

/// For seeing that everything works, with figures that are about right.
pub(crate) const SHORT: Scale = Scale {
    rounds: 3,
    redirects: 10_000,
    warm_up: 5_000,
    latency_rounds: 1,
    latency_time: Duration::from_millis(500),
    cold: 500,
    starts: 20,
};
