//! A balance that fills up by itself: the rule, over given moments.
//!
//! A bucket is kept as one number, the moment from which it is full. Each token moves that moment on by the time that
//! one takes to come back, so nothing has to be refilled, and what it owes is the time that is left (known as the
//! generic cell rate algorithm).

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// How fast buckets fill, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// How long one token takes to come back, in nanoseconds: rounded up, so that never more is given than was set.
    interval: u64,
    /// How much may be owed while a token is still left, in nanoseconds.
    affordable: u64,
}

/// The moment from which a bucket is full, in nanoseconds of its table. Zero: it always was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FullFrom(pub(super) u64);

impl Rate {
    /// Tokens per second, and at most at once. Less than one counts as one.
    pub(super) fn new(per_second: u64, burst: u64) -> Self {
        let interval = SECOND.div_ceil(per_second.max(1)).max(1);
        Self { interval, affordable: interval.saturating_mul(burst.max(1) - 1) }
    }
}

impl FullFrom {
    /// Takes a token, whether there is one or not.
    pub(super) fn spend(self, rate: Rate, now: u64) -> Self {
        Self(self.0.max(now).saturating_add(rate.interval))
    }

    /// Whether at least one token is there; if not, in how many seconds, at least 1.
    pub(super) fn afford(self, rate: Rate, now: u64) -> Result<(), u32> {
        let owed = self.0.saturating_sub(now);
        match owed.checked_sub(rate.affordable) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(u32::try_from(missing.div_ceil(SECOND)).unwrap_or(u32::MAX)),
        }
    }

    /// Whether nothing was spent that has not come back.
    pub(super) const fn is_full(self, now: u64) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_token_after_the_other() {
        let rate = Rate::new(20, 100);
        let mut bucket = FullFrom::default();
        let now = 5 * SECOND;
        for _ in 0..100 {
            assert_eq!(bucket.afford(rate, now), Ok(()));
            bucket = bucket.spend(rate, now);
        }
        assert_eq!(bucket.afford(rate, now), Err(1));
        assert_eq!(bucket.afford(rate, now + SECOND / 20 - 1), Err(1));
        assert_eq!(bucket.afford(rate, now + SECOND / 20), Ok(()));
        assert!(!bucket.is_full(now + 5 * SECOND - 1));
        assert!(bucket.is_full(now + 5 * SECOND));
    }

    #[test]
    fn a_balance_below_zero_is_paid_back_before_anything_is_given() {
        let rate = Rate::new(2, 1);
        let mut bucket = FullFrom::default();
        for _ in 0..10 {
            bucket = bucket.spend(rate, 0);
        }
        // Nine are owed, and one must be there again.
        assert_eq!(bucket.afford(rate, 0), Err(5));
        assert_eq!(bucket.afford(rate, SECOND / 10), Err(5));
        assert_eq!(bucket.afford(rate, SECOND), Err(4));
        assert_eq!(bucket.afford(rate, 5 * SECOND - 1), Err(1));
        assert_eq!(bucket.afford(rate, 5 * SECOND), Ok(()));
    }

    #[test]
    fn limits_of_nothing_and_debts_without_end_are_no_panic() {
        let rate = Rate::new(0, 0);
        let bucket = FullFrom(u64::MAX).spend(rate, u64::MAX);
        assert_eq!(bucket.afford(rate, 0), Err(u32::MAX));
        assert_eq!(Rate::new(u64::MAX, u64::MAX).interval, 1);
    }

    proptest! {
        #[test]
        fn a_bucket_never_gives_more_than_its_burst_and_what_comes_back_meanwhile(
            per_second in 1_u64..50,
            burst in 1_u64..50,
            pauses in prop::collection::vec(0_u64..400_000_000, 1..300),
        ) {
            let rate = Rate::new(per_second, burst);
            let (mut bucket, mut now, mut given) = (FullFrom::default(), 0_u64, 0_u64);
            for pause in pauses {
                now += pause;
                while bucket.afford(rate, now).is_ok() {
                    bucket = bucket.spend(rate, now);
                    given += 1;
                }
                let granted = u128::from(burst) + u128::from(now) * u128::from(per_second) / u128::from(SECOND);
                prop_assert!(u128::from(given) <= granted, "{given} of {granted}");
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_can_afford_another(
            per_second in 1_u64..1_000,
            burst in 1_u64..1_000,
            spent in 1_u32..5_000,
        ) {
            let rate = Rate::new(per_second, burst);
            let mut bucket = FullFrom::default();
            for _ in 0..spent {
                bucket = bucket.spend(rate, 0);
            }
            if let Err(seconds) = bucket.afford(rate, 0) {
                prop_assert!(seconds >= 1);
                prop_assert!(bucket.afford(rate, u64::from(seconds) * SECOND).is_ok());
                prop_assert!(bucket.afford(rate, u64::from(seconds - 1) * SECOND).is_err());
            }
        }
    }
}
