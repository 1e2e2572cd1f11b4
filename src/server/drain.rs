//! The steps of leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const LEAVING: u8 = 1;
const CLOSING: u8 = 2;
const ABORTING: u8 = 3;

/// Takes servers out of service, step by step and never back. Clones drive and see the same steps, so one may serve
/// several listeners.
///
/// 1. At first everything is served.
/// 2. Leaving: the same, but every answer asks its peer to connect anew (`connection: close`).
/// 3. Closing: the listener is closed, idle connections too; open requests finish.
/// 4. Aborting: what is still open is cut.
///
/// The pauses between the steps are the caller's.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Steps>);

#[derive(Debug, Default)]
struct Steps {
    /// Read for every answer, and written three times in all.
    step: AtomicU8,
    moved: Notify,
}

impl Drain {
    /// Leaves: answers from now on ask their peers to connect anew.
    pub fn begin(&self) {
        self.advance(LEAVING);
    }

    /// Closes the listener and what is idle, and lets open requests finish.
    pub fn close(&self) {
        self.advance(CLOSING);
    }

    /// Cuts what is still open.
    pub fn abort(&self) {
        self.advance(ABORTING);
    }

    /// Whether any of the steps was taken.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.0.step.load(Ordering::Relaxed) >= LEAVING
    }

    /// Whether idle connections have no future.
    ///
    /// `SeqCst` is needed, here and in `advance`: one that turns idle publishes that and then asks this, while the
    /// listener learns of the step and then looks for idle connections. One of the two must see the other.
    pub(super) fn is_closing(&self) -> bool {
        self.0.step.load(Ordering::SeqCst) >= CLOSING
    }

    pub(super) async fn closing(&self) {
        self.reached(CLOSING).await;
    }

    pub(super) async fn aborting(&self) {
        self.reached(ABORTING).await;
    }

    fn advance(&self, step: u8) {
        self.0.step.fetch_max(step, Ordering::SeqCst);
        self.0.moved.notify_waiters();
    }

    async fn reached(&self, step: u8) {
        loop {
            // Created before the look: it sees every move from here on.
            let moved = self.0.moved.notified();
            if self.0.step.load(Ordering::SeqCst) >= step {
                return;
            }
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_taken_back() {
        let drain = Drain::default();
        assert!(!drain.is_leaving());
        drain.close();
        drain.begin();
        assert!(drain.is_leaving());
        assert!(drain.is_closing());
    }

    #[tokio::test]
    async fn a_later_step_includes_the_earlier_ones() {
        let drain = Drain::default();
        drain.clone().abort();
        drain.closing().await;
        drain.aborting().await;
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_its_step_alone() {
        let drain = Drain::default();
        let closing = drain.closing();
        tokio::pin!(closing);
        tokio::select! {
            biased;
            () = &mut closing => panic!("not closing yet"),
            () = std::future::ready(()) => drain.begin(),
        }
        tokio::select! {
            biased;
            () = &mut closing => panic!("leaving is not closing"),
            () = std::future::ready(()) => drain.close(),
        }
        closing.await;
    }
}
