//! Where circuits and refused keys take the present from.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A clock that only goes forward. Tests bring one that they move, so that they need not wait for a circuit to close.
///
/// Deadlines are not read from it: they are moments of the machine's clock.
#[derive(Clone)]
pub struct SteadyClock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl SteadyClock {
    /// A clock that shows what `now` returns.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> Instant {
        (self.0)()
    }
}

impl Default for SteadyClock {
    /// The machine's clock.
    fn default() -> Self {
        Self::new(Instant::now)
    }
}

impl fmt::Debug for SteadyClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SteadyClock")
    }
}
