//! The pause before another attempt.

use std::time::Duration;

/// The middle of the first pause: long enough for a load balancer to notice a dead server, short for who waits.
const FIRST: Duration = Duration::from_millis(100);

/// How long to wait before the attempt after `failed` failed ones: around 100 ms before the second, and twice as long
/// before each further one. Half more or less at random, so that those who failed together do not come back together.
pub(super) fn pause(failed: u32) -> Duration {
    jittered(failed, fastrand::f64())
}

/// [`pause`], with a random number from 0 to 1.
fn jittered(failed: u32, random: f64) -> Duration {
    let doublings = failed.saturating_sub(1).min(10);
    FIRST.saturating_mul(1 << doublings).mul_f64(0.5 + random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pause_is_50_to_150_milliseconds_and_each_further_one_doubles() {
        let milliseconds = |failed, random| jittered(failed, random).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(|random| milliseconds(1, random)), [50, 100, 150]);
        assert_eq!([1, 2, 3, 4].map(|failed| milliseconds(failed, 0.5)), [100, 200, 400, 800]);
        assert_eq!(milliseconds(u32::MAX, 0.5), milliseconds(11, 0.5));
    }
}
