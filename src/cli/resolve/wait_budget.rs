//! The time to wait for a server that is busy.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::{Answers, Printout};

/// The longest pause, and the time without any progress after which there is no further one: as long as the longest
/// `Retry-After` of Nebuly's that the server obeys.
const LONGEST: Duration = Duration::from_secs(300);

/// Of a pause that is this long somebody who waits for the output is told, once.
const LONG: Duration = Duration::from_secs(3);

/// The time that a run may wait without progress. Every id whose result is known renews it.
pub(super) struct WaitBudget {
    last_progress: Cell<Instant>,
    notices: Cell<Option<Answers>>,
}

impl WaitBudget {
    /// A whole budget. Takes a place for a notice among the answers.
    pub(super) fn new(answers: &Answers) -> Self {
        Self { last_progress: Cell::new(Instant::now()), notices: Cell::new(Some(answers.clone())) }
    }

    /// Makes it whole again.
    pub(super) fn renew(&self) {
        self.last_progress.set(Instant::now());
    }

    /// Waits for this reason, and returns true. If that takes too long, or nothing has come for too long, returns false at
    /// once.
    pub(super) async fn wait(&self, pause: Duration, why: &str) -> bool {
        let lasts = pause <= LONGEST && self.last_progress.get().elapsed() < LONGEST;
        if lasts {
            if pause >= LONG
                && let Some(notices) = self.notices.take()
            {
                let notice = format!(
                    "{why} Waiting for {}, and longer if need be.",
                    humantime::format_duration(pause)
                );
                // If there is no place for it, something else is being printed.
                drop(notices.try_send(Printout::Notice(notice)));
            }
            sleep(pause).await;
        }
        lasts
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_without_progress_and_is_renewed_by_it() {
        let (answers, mut printouts) = mpsc::channel(8);
        let wait_budget = WaitBudget::new(&answers);
        assert!(wait_budget.wait(Duration::from_secs(1), "Busy.").await);
        wait_budget.renew();
        assert!(printouts.try_recv().is_err());
        for _ in 0..30 {
            assert!(wait_budget.wait(Duration::from_secs(10), "Busy.").await);
        }
        let Ok(Printout::Notice(notice)) = printouts.try_recv() else { panic!("no notice") };
        assert_eq!(notice, "Busy. Waiting for 10s, and longer if need be.");
        assert!(printouts.try_recv().is_err(), "there are several notices");
        let began = Instant::now();
        assert!(!wait_budget.wait(Duration::from_secs(1), "Busy.").await);
        assert!(began.elapsed().is_zero(), "it waited in vain");
        wait_budget.renew();
        assert!(!wait_budget.wait(LONGEST + Duration::from_secs(1), "Busy.").await);
        assert!(wait_budget.wait(LONGEST, "Busy.").await);
        assert!(!wait_budget.wait(Duration::from_secs(1), "Busy.").await);
    }
}
