//! Whether Nebuly takes a key. A rule over given moments.

use std::time::{Duration, Instant};

/// How long a refused key is not tried again.
pub(in crate::nebuly) const PAUSE: Duration = Duration::from_secs(10);

/// What is known of a key: as long as it is not refused, nothing.
#[derive(Debug, Default)]
pub(in crate::nebuly) struct KeyStanding {
    refusal: Option<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    again_at: Instant,
    /// A call that tries it again is on its way.
    is_tried: bool,
}

/// What a call uses a key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) enum Use {
    /// As any call does.
    Plain,
    /// To see whether it is still refused.
    Trial,
}

impl KeyStanding {
    /// Whether Nebuly refused it last.
    pub(in crate::nebuly) const fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Whether a call may use it. Nothing is claimed by asking.
    pub(in crate::nebuly) fn allows(&self, now: Instant) -> bool {
        self.refusal.as_ref().is_none_or(|refusal| !refusal.is_tried && now >= refusal.again_at)
    }

    /// Claims its use for a call, if a call may use it. A trial is to end with one of the methods below.
    pub(in crate::nebuly) fn claim(&mut self, now: Instant) -> Option<Use> {
        if !self.allows(now) {
            return None;
        }
        Some(match &mut self.refusal {
            Some(refusal) => {
                refusal.is_tried = true;
                Use::Trial
            }
            None => Use::Plain,
        })
    }

    /// What is known is outdated: it may be taken by now.
    pub(in crate::nebuly) fn forget(&mut self) {
        self.refusal = None;
    }

    /// Nebuly took it. An answer that was on its way when it was refused changes nothing.
    pub(in crate::nebuly) fn accepted(&mut self, used: Use) {
        if used == Use::Trial {
            self.refusal = None;
        }
    }

    /// Nebuly refused it.
    pub(in crate::nebuly) fn refused(&mut self, used: Use, now: Instant) {
        if self.refusal.is_none() || used == Use::Trial {
            self.refusal = Some(Refusal { again_at: now + PAUSE, is_tried: false });
        }
    }

    /// What came of the call said nothing of the key: the next trial is as far away as after a refusal.
    pub(in crate::nebuly) fn said_nothing(&mut self, used: Use, now: Instant) {
        if used == Use::Trial {
            self.refused(used, now);
        }
    }

    /// The call was given up: the next one may try.
    pub(in crate::nebuly) fn given_up(&mut self, used: Use) {
        if let (Use::Trial, Some(refusal)) = (used, &mut self.refusal) {
            refusal.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUST_BEFORE: Duration = Duration::from_millis(9_999);

    fn refused() -> (KeyStanding, Instant) {
        let (mut standing, now) = (KeyStanding::default(), Instant::now());
        assert_eq!(standing.claim(now), Some(Use::Plain));
        standing.refused(Use::Plain, now);
        (standing, now)
    }

    #[test]
    fn a_refused_key_is_not_tried_for_ten_seconds_and_then_by_one_call() {
        let (mut standing, now) = refused();
        assert_eq!(standing.claim(now + JUST_BEFORE), None);
        assert_eq!(standing.claim(now + PAUSE), Some(Use::Trial));
        assert_eq!(standing.claim(now + PAUSE * 9), None);
        standing.refused(Use::Trial, now + PAUSE);
        assert_eq!(standing.claim(now + PAUSE + JUST_BEFORE), None);
        assert_eq!(standing.claim(now + PAUSE * 2), Some(Use::Trial));
        standing.accepted(Use::Trial);
        assert_eq!(standing.claim(now + PAUSE * 2), Some(Use::Plain));
    }

    #[test]
    fn answers_that_were_on_their_way_change_nothing() {
        let (mut standing, now) = refused();
        standing.accepted(Use::Plain);
        assert!(standing.is_refused());
        standing.refused(Use::Plain, now + PAUSE);
        assert!(standing.allows(now + PAUSE));
    }

    #[test]
    fn a_trial_that_is_given_up_is_left_to_the_next_call_and_one_that_says_nothing_is_not() {
        let (mut standing, now) = refused();
        let later = now + PAUSE;
        let used = standing.claim(later).unwrap();
        standing.given_up(used);
        let used = standing.claim(later).unwrap();
        standing.said_nothing(used, later);
        assert_eq!(standing.claim(later), None);
        assert_eq!(standing.claim(later + PAUSE), Some(Use::Trial));
    }
}
