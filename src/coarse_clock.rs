//! Clocks that lag behind by some milliseconds, the tick of the kernel, and are read in a few nanoseconds.
//!
//! For deadlines and lifetimes of a second and more, which every redirect looks at. Elsewhere than on Linux they are the
//! usual ones.

use std::time::Duration;

/// The time since the Unix epoch; zero before it.
#[must_use]
pub(crate) fn since_epoch() -> Duration {
    #[cfg(target_os = "linux")]
    return read(rustix::time::ClockId::RealtimeCoarse);
    #[cfg(not(target_os = "linux"))]
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The time since a moment in the past, on a clock that only goes forward.
#[must_use]
pub(crate) fn monotonic() -> Duration {
    #[cfg(target_os = "linux")]
    return read(rustix::time::ClockId::MonotonicCoarse);
    #[cfg(not(target_os = "linux"))]
    {
        static BEGINNING: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGINNING.elapsed()
    }
}

#[cfg(target_os = "linux")]
fn read(clock: rustix::time::ClockId) -> Duration {
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    /// More than the slowest tick of Linux, 10 ms, and than a pause of this thread.
    const LAG: Duration = Duration::from_secs(10);

    #[test]
    fn both_clocks_go_as_the_exact_ones_do() {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(since_epoch().abs_diff(wall) < LAG);
        let (before, began) = (monotonic(), Instant::now());
        while monotonic() == before {
            assert!(began.elapsed() < LAG, "it stands still");
            std::hint::spin_loop();
        }
        assert!(monotonic() > before);
    }
}
