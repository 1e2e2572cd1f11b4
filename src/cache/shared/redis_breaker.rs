//! When a server that does not answer is left alone.

use std::time::{Duration, Instant};

/// How many questions in a row go unanswered before it is left alone: a single one may be chance.
const BEARABLE: u32 = 3;

/// The first pause; it doubles each time that the server is tried in vain.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, which is also how long a server that is back stays unnoticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A rule over given moments: it looks at no clock.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Which admissions still count: whoever was admitted before the server was given up says nothing new.
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
}

/// Leave to ask the server, to be handed back with what came of it; if it is not, nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    generation: u64,
}

/// What a failure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing yet.
    Borne,
    /// The server is given up from now on.
    Opened,
    /// It was tried again, and stays given up.
    StillOpen,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether the server may be asked now. While it is given up, one question passes after each pause.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Admission> {
        if let State::Open { until, pause } = &mut self.state {
            if now < *until {
                return None;
            }
            // If its caller goes away before the answer, the next question passes after another pause.
            *until = now + *pause;
            self.generation += 1;
        }
        Some(Admission { generation: self.generation })
    }

    /// Whether the server is given up.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// The server answered. Says whether it had been given up.
    pub(super) fn succeeded(&mut self, admission: Admission) -> bool {
        if admission.generation != self.generation {
            return false;
        }
        let was_open = self.is_open();
        self.state = State::default();
        was_open
    }

    /// The server did not answer.
    pub(super) fn failed(&mut self, admission: Admission, now: Instant) -> Failed {
        if admission.generation != self.generation {
            return Failed::Borne;
        }
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < BEARABLE => {
                *failures += 1;
                Failed::Borne
            }
            State::Closed { .. } => {
                self.state = State::Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE };
                self.generation += 1;
                Failed::Opened
            }
            State::Open { until, pause } => {
                *pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                *until = now + *pause;
                Failed::StillOpen
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn opened_at(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for expected in [Failed::Borne, Failed::Borne, Failed::Opened] {
            let admission = breaker.admit(now).unwrap();
            assert_eq!(breaker.failed(admission, now), expected);
        }
        breaker
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row_and_not_after_three_in_all() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 0..2 {
                let admission = breaker.admit(now).unwrap();
                assert_eq!(breaker.failed(admission, now), Failed::Borne);
            }
            let admission = breaker.admit(now).unwrap();
            assert!(!breaker.succeeded(admission));
        }
        assert!(!breaker.is_open());
        assert!(opened_at(now).is_open());
    }

    #[test]
    fn one_question_passes_after_each_pause_and_the_pauses_double_up_to_a_bound() {
        let mut now = Instant::now();
        let mut breaker = opened_at(now);
        for seconds in [1, 2, 4, 8, 15, 15] {
            let pause = SECOND * seconds;
            assert_eq!(breaker.admit(now + (pause / 1000) * 999), None);
            now += pause;
            let admission = breaker.admit(now).unwrap();
            assert_eq!(breaker.admit(now), None);
            assert_eq!(breaker.failed(admission, now), Failed::StillOpen);
        }
    }

    #[test]
    fn an_answer_closes_it_and_everybody_may_ask_again() {
        let now = Instant::now();
        let mut breaker = opened_at(now);
        let admission = breaker.admit(now + SECOND).unwrap();
        assert!(breaker.succeeded(admission));
        assert!(breaker.admit(now + SECOND).is_some());
        assert!(breaker.admit(now + SECOND).is_some());
    }

    #[test]
    fn what_comes_of_questions_from_before_it_opened_changes_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let early = breaker.admit(now).unwrap();
        for _ in 0..3 {
            breaker.failed(early, now);
        }
        assert_eq!(breaker.failed(early, now + SECOND / 2), Failed::Borne);
        assert!(!breaker.succeeded(early));
        assert!(breaker.is_open());
        assert!(breaker.admit(now + SECOND).is_some(), "the pause is still the first one");
    }

    #[test]
    fn a_question_that_nobody_waited_for_does_not_keep_it_open() {
        let now = Instant::now();
        let mut breaker = opened_at(now);
        let lost = breaker.admit(now + SECOND).unwrap();
        assert_eq!(breaker.admit(now + SECOND), None);
        let admission = breaker.admit(now + SECOND * 2).unwrap();
        assert!(!breaker.succeeded(lost));
        assert!(breaker.succeeded(admission));
    }
}
