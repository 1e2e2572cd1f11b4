//! The state of a key that Nebuly has rejected (401): no call uses it for a while, and then one tries it again. A rule
//! over given moments.

use std::time::{Duration, Instant};

/// The time for which a rejected key is not tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// The last rejection of a key, if it has not been accepted since.
#[derive(Debug, Default)]
pub(super) struct RejectionState(Option<Rejection>);

#[derive(Debug)]
struct Rejection {
    retry_at: Instant,
    /// A call that tries the key again is in flight.
    is_tried: bool,
}

/// The reason for which a call uses a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyUse {
    /// The key is not known to be rejected.
    Normal,
    /// The key was rejected: the call tries it again.
    Trial,
}

impl RejectionState {
    /// Returns true if Nebuly has rejected the key and not accepted it since.
    pub(super) const fn is_rejected(&self) -> bool {
        self.0.is_some()
    }

    /// Returns true if a call may use the key. It changes nothing.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|rejection| !rejection.is_tried && now >= rejection.retry_at)
    }

    /// Claims the key for a call, if a call may use it. A trial must end with one of the methods below.
    pub(super) fn claim(&mut self, now: Instant) -> Option<KeyUse> {
        if !self.allows(now) {
            return None;
        }
        Some(match &mut self.0 {
            Some(rejection) => {
                rejection.is_tried = true;
                KeyUse::Trial
            }
            None => KeyUse::Normal,
        })
    }

    /// Forgets the rejection: Nebuly may accept the key by now.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// Nebuly accepted the key. An answer to a call from before the rejection changes nothing.
    pub(super) fn accepted(&mut self, used: KeyUse) {
        if used == KeyUse::Trial {
            self.0 = None;
        }
    }

    /// Nebuly rejected the key.
    pub(super) fn rejected(&mut self, used: KeyUse, now: Instant) {
        if self.0.is_none() || used == KeyUse::Trial {
            self.0 = Some(Rejection { retry_at: now + PAUSE, is_tried: false });
        }
    }

    /// The call said nothing of the key: the next trial is as far away as after a rejection.
    pub(super) fn inconclusive(&mut self, used: KeyUse, now: Instant) {
        if used == KeyUse::Trial {
            self.rejected(used, now);
        }
    }

    /// The call was abandoned: the next one may try the key.
    pub(super) fn abandoned(&mut self, used: KeyUse) {
        if let (KeyUse::Trial, Some(rejection)) = (used, &mut self.0) {
            rejection.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUST_BEFORE: Duration = Duration::from_millis(9_999);

    fn rejected() -> (RejectionState, Instant) {
        let (mut state, now) = (RejectionState::default(), Instant::now());
        assert_eq!(state.claim(now), Some(KeyUse::Normal));
        state.rejected(KeyUse::Normal, now);
        (state, now)
    }

    #[test]
    fn a_rejected_key_is_not_tried_for_ten_seconds_and_then_by_one_call() {
        let (mut state, now) = rejected();
        assert_eq!(state.claim(now + JUST_BEFORE), None);
        assert_eq!(state.claim(now + PAUSE), Some(KeyUse::Trial));
        assert_eq!(state.claim(now + PAUSE * 9), None);
        state.rejected(KeyUse::Trial, now + PAUSE);
        assert_eq!(state.claim(now + PAUSE + JUST_BEFORE), None);
        assert_eq!(state.claim(now + PAUSE * 2), Some(KeyUse::Trial));
        state.accepted(KeyUse::Trial);
        assert_eq!(state.claim(now + PAUSE * 2), Some(KeyUse::Normal));
    }

    #[test]
    fn late_answers_change_nothing() {
        let (mut state, now) = rejected();
        state.accepted(KeyUse::Normal);
        assert!(state.is_rejected());
        state.rejected(KeyUse::Normal, now + PAUSE);
        assert!(state.allows(now + PAUSE));
    }

    #[test]
    fn after_an_abandoned_trial_the_next_call_may_try_and_after_an_inconclusive_one_it_may_not() {
        let (mut state, now) = rejected();
        let later = now + PAUSE;
        let used = state.claim(later).unwrap();
        state.abandoned(used);
        let used = state.claim(later).unwrap();
        state.inconclusive(used, later);
        assert_eq!(state.claim(later), None);
        assert_eq!(state.claim(later + PAUSE), Some(KeyUse::Trial));
    }
}
