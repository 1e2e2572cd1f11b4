//! How long to wait for others who are busy.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The longest time without any progress: as long as Nebuly's longest `Retry-After` that is obeyed.
const LONGEST: Duration = Duration::from_secs(300);

/// The patience of a whole run. Every id whose result is known renews it.
pub(super) struct Patience {
    last_progress: Cell<Instant>,
}

impl Patience {
    /// Whole, for now.
    pub(super) fn new() -> Self {
        Self { last_progress: Cell::new(Instant::now()) }
    }

    /// Renews it.
    pub(super) fn renew(&self) {
        self.last_progress.set(Instant::now());
    }

    /// Waits, and returns true. If there is not so much patience left, returns false at once.
    pub(super) async fn wait(&self, pause: Duration) -> bool {
        let lasts = self.last_progress.get().elapsed() + pause <= LONGEST;
        if lasts {
            sleep(pause).await;
        }
        lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_without_progress_and_is_renewed_by_it() {
        let patience = Patience::new();
        for _ in 0..3 {
            assert!(patience.wait(Duration::from_secs(100)).await);
        }
        let began = Instant::now();
        assert!(!patience.wait(Duration::from_secs(1)).await);
        assert!(began.elapsed().is_zero(), "it waited in vain");
        patience.renew();
        assert!(patience.wait(LONGEST).await);
        assert!(!patience.wait(Duration::from_secs(1)).await);
    }
}
