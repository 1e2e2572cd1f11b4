//! A token bucket: its arithmetic over given moments, without a clock.
//!
//! A bucket is kept as one number, its theoretical arrival time (as the generic cell rate algorithm calls it): the moment
//! from which the bucket is full. Taking a token moves that moment later by the time that one takes to come back, so
//! nothing has to be refilled. The debt is the time that is left until then.

use std::time::Duration;

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// The rate at which buckets fill, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// The time in which one token comes back, in nanoseconds: rounded up, so that never more is given than was set.
    interval: u64,
    /// The most that may be owed while a token is still left, in nanoseconds.
    tolerance: u64,
}

/// The moment from which a bucket is full, in nanoseconds of its table. Zero: it always was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TheoreticalArrivalTime(pub(super) u64);

impl Rate {
    /// Tokens per second, and at most at once. Less than one counts as one.
    pub(super) fn new(per_second: u64, burst: u64) -> Self {
        let interval = SECOND.div_ceil(per_second.max(1)).max(1);
        Self { interval, tolerance: interval.saturating_mul(burst.max(1) - 1) }
    }

    fn time_of(self, tokens: u32) -> u64 {
        self.interval.saturating_mul(tokens.into())
    }
}

impl TheoreticalArrivalTime {
    /// Takes these tokens, whether they are there or not.
    pub(super) fn take(self, rate: Rate, tokens: u32, now: u64) -> Self {
        Self(self.0.max(now).saturating_add(rate.time_of(tokens)))
    }

    /// Gives back tokens that were taken. Those that have come back meanwhile are not given twice.
    pub(super) fn give_back(self, rate: Rate, tokens: u32) -> Self {
        Self(self.0.saturating_sub(rate.time_of(tokens)))
    }

    /// The time until at least one token is there, or would be, given the overdraft; zero if one is.
    pub(super) fn until_a_token(self, rate: Rate, overdraft: u32, now: u64) -> Duration {
        let owed = self.0.saturating_sub(now);
        Duration::from_nanos(owed.saturating_sub(rate.tolerance).saturating_sub(rate.time_of(overdraft)))
    }

    /// Returns true if everything that was taken has come back.
    pub(super) const fn is_full(self, now: u64) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_there(bucket: TheoreticalArrivalTime, rate: Rate, now: u64) -> bool {
        bucket.until_a_token(rate, 0, now).is_zero()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_token_after_the_other() {
        let rate = Rate::new(20, 100);
        let mut bucket = TheoreticalArrivalTime::default();
        let now = 5 * SECOND;
        for _ in 0..100 {
            assert!(is_there(bucket, rate, now));
            bucket = bucket.take(rate, 1, now);
        }
        assert_eq!(bucket.until_a_token(rate, 0, now), Duration::from_millis(50));
        assert!(!is_there(bucket, rate, now + SECOND / 20 - 1));
        assert!(is_there(bucket, rate, now + SECOND / 20));
        assert!(!bucket.is_full(now + 5 * SECOND - 1));
        assert!(bucket.is_full(now + 5 * SECOND));
    }

    #[test]
    fn a_balance_below_zero_is_paid_back_before_anything_is_given() {
        let rate = Rate::new(2, 1);
        let bucket = TheoreticalArrivalTime::default().take(rate, 10, 0);
        // Nine are owed, and one must be there again.
        assert_eq!(bucket.until_a_token(rate, 0, 0), Duration::from_secs(5));
        assert_eq!(bucket.until_a_token(rate, 0, SECOND), Duration::from_secs(4));
        assert_eq!(bucket.until_a_token(rate, 3, SECOND), Duration::from_millis(2_500));
        assert_eq!(bucket.until_a_token(rate, 8, SECOND), Duration::ZERO);
        assert_eq!(bucket.until_a_token(rate, 0, 5 * SECOND - 1), Duration::from_nanos(1));
        assert!(is_there(bucket, rate, 5 * SECOND));
    }

    #[test]
    fn what_is_given_back_is_as_if_it_had_never_been_taken_and_no_more() {
        let rate = Rate::new(2, 5);
        let bucket = TheoreticalArrivalTime::default().take(rate, 3, 0);
        assert_eq!(bucket.take(rate, 4, 0).give_back(rate, 4), bucket);
        // Once everything has come back, giving back adds nothing to the burst.
        let late = 60 * SECOND;
        let mut full = bucket.give_back(rate, 3);
        for _ in 0..5 {
            assert!(is_there(full, rate, late));
            full = full.take(rate, 1, late);
        }
        assert!(!is_there(full, rate, late));
    }

    #[test]
    fn limits_of_nothing_and_debts_without_end_are_no_panic() {
        let rate = Rate::new(0, 0);
        let bucket = TheoreticalArrivalTime(u64::MAX).take(rate, u32::MAX, u64::MAX);
        assert_eq!(bucket.until_a_token(rate, 0, 0), Duration::from_nanos(u64::MAX));
        assert_eq!(Rate::new(u64::MAX, u64::MAX).interval, 1);
    }

    proptest! {
        #[test]
        fn a_bucket_never_gives_more_than_its_burst_and_what_comes_back_meanwhile(
            per_second in 1_u64..50,
            burst in 1_u64..50,
            pauses in prop::collection::vec((0_u64..400_000_000, any::<bool>()), 1..300),
        ) {
            let rate = Rate::new(per_second, burst);
            let (mut bucket, mut now, mut given) = (TheoreticalArrivalTime::default(), 0_u64, 0_u64);
            for (pause, gives_back) in pauses {
                now += pause;
                while is_there(bucket, rate, now) {
                    bucket = bucket.take(rate, 1, now);
                    given += 1;
                }
                if gives_back {
                    bucket = bucket.give_back(rate, 1);
                    given -= 1;
                }
                let granted = u128::from(burst) + u128::from(now) * u128::from(per_second) / u128::from(SECOND);
                prop_assert!(u128::from(given) <= granted, "{given} of {granted}");
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_finds_a_token(
            per_second in 1_u64..1_000,
            burst in 1_u64..1_000,
            taken in 1_u32..5_000,
        ) {
            let rate = Rate::new(per_second, burst);
            let bucket = TheoreticalArrivalTime::default().take(rate, taken, 0);
            let wait = u64::try_from(bucket.until_a_token(rate, 0, 0).as_nanos()).unwrap();
            prop_assert!(is_there(bucket, rate, wait));
            prop_assert!(wait == 0 || !is_there(bucket, rate, wait - 1));
        }
    }
}
