//! The circuit breaker in front of Redis.

use std::time::{Duration, Instant};

/// The number of failures in a row that open the circuit breaker: a single one may be chance.
const FAILURES_TO_OPEN: u32 = 3;

/// The first pause; it doubles with each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, which is also the longest that a recovered server goes unnoticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A circuit breaker over given moments: it reads no clock.
///
/// Closed, it lets every request pass. Open, it lets one pass after each pause, as a probe: it is half-open then. It is
/// not the circuit breaker of Nebuly, which weighs failures by what they cost users: a failure here costs a cache miss.
#[derive(Debug, Default)]
pub(super) struct RedisBreaker {
    state: RedisBreakerState,
    /// Counts how often the circuit breaker opened or let a probe pass: permits from before that no longer count.
    generation: u64,
}

#[derive(Debug)]
enum RedisBreakerState {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
}

/// The permission to ask the server, to be handed back with the result. If it is dropped instead, nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedisPermit {
    generation: u64,
}

/// The effect of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureEffect {
    /// None.
    Tolerated,
    /// The circuit breaker opened.
    Opened,
    /// A probe failed, so the circuit breaker stays open.
    StillOpen,
}

impl Default for RedisBreakerState {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl RedisBreaker {
    /// Returns a permit if the server may be asked now.
    pub(super) fn admit(&mut self, now: Instant) -> Option<RedisPermit> {
        if let RedisBreakerState::Open { until, pause } = &mut self.state {
            if now < *until {
                return None;
            }
            // If the caller goes away before the answer, the next probe passes after another pause.
            *until = now + *pause;
            self.generation += 1;
        }
        Some(RedisPermit { generation: self.generation })
    }

    /// Returns true while the circuit breaker is open.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, RedisBreakerState::Open { .. })
    }

    /// Records an answer, and returns true if that closed the circuit breaker.
    pub(super) fn succeeded(&mut self, permit: RedisPermit) -> bool {
        if permit.generation != self.generation {
            return false;
        }
        let was_open = self.is_open();
        self.state = RedisBreakerState::default();
        was_open
    }

    /// Records a failure.
    pub(super) fn failed(&mut self, permit: RedisPermit, now: Instant) -> FailureEffect {
        if permit.generation != self.generation {
            return FailureEffect::Tolerated;
        }
        match &mut self.state {
            RedisBreakerState::Closed { failures } if *failures + 1 < FAILURES_TO_OPEN => {
                *failures += 1;
                FailureEffect::Tolerated
            }
            RedisBreakerState::Closed { .. } => {
                self.state = RedisBreakerState::Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE };
                self.generation += 1;
                FailureEffect::Opened
            }
            RedisBreakerState::Open { until, pause } => {
                *pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                *until = now + *pause;
                FailureEffect::StillOpen
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn opened_at(now: Instant) -> RedisBreaker {
        let mut breaker = RedisBreaker::default();
        for expected in [FailureEffect::Tolerated, FailureEffect::Tolerated, FailureEffect::Opened] {
            let permit = breaker.admit(now).unwrap();
            assert_eq!(breaker.failed(permit, now), expected);
        }
        breaker
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row_and_not_after_three_in_all() {
        let now = Instant::now();
        let mut breaker = RedisBreaker::default();
        for _ in 0..10 {
            for _ in 0..2 {
                let permit = breaker.admit(now).unwrap();
                assert_eq!(breaker.failed(permit, now), FailureEffect::Tolerated);
            }
            let permit = breaker.admit(now).unwrap();
            assert!(!breaker.succeeded(permit));
        }
        assert!(!breaker.is_open());
        assert!(opened_at(now).is_open());
    }

    #[test]
    fn one_probe_passes_after_each_pause_and_the_pauses_double_up_to_a_bound() {
        let mut now = Instant::now();
        let mut breaker = opened_at(now);
        for seconds in [1, 2, 4, 8, 15, 15] {
            let pause = SECOND * seconds;
            assert_eq!(breaker.admit(now + (pause / 1000) * 999), None);
            now += pause;
            let permit = breaker.admit(now).unwrap();
            assert_eq!(breaker.admit(now), None);
            assert_eq!(breaker.failed(permit, now), FailureEffect::StillOpen);
        }
    }

    #[test]
    fn an_answer_closes_it_and_everybody_may_ask_again() {
        let now = Instant::now();
        let mut breaker = opened_at(now);
        let permit = breaker.admit(now + SECOND).unwrap();
        assert!(breaker.succeeded(permit));
        assert!(breaker.admit(now + SECOND).is_some());
        assert!(breaker.admit(now + SECOND).is_some());
    }

    #[test]
    fn results_of_requests_from_before_it_opened_change_nothing() {
        let now = Instant::now();
        let mut breaker = RedisBreaker::default();
        let early = breaker.admit(now).unwrap();
        for _ in 0..3 {
            breaker.failed(early, now);
        }
        assert_eq!(breaker.failed(early, now + SECOND / 2), FailureEffect::Tolerated);
        assert!(!breaker.succeeded(early));
        assert!(breaker.is_open());
        assert!(breaker.admit(now + SECOND).is_some(), "the pause is still the first one");
    }

    #[test]
    fn a_probe_that_nobody_waited_for_does_not_keep_it_open() {
        let now = Instant::now();
        let mut breaker = opened_at(now);
        let lost = breaker.admit(now + SECOND).unwrap();
        assert_eq!(breaker.admit(now + SECOND), None);
        let permit = breaker.admit(now + SECOND * 2).unwrap();
        assert!(!breaker.succeeded(lost));
        assert!(breaker.succeeded(permit));
    }
}
