//! The steps of a graceful shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const DRAINING: u8 = 1;
const CLOSING: u8 = 2;
const ABORTING: u8 = 3;

/// A graceful shutdown, step by step and never back. Clones share their steps, so one may serve several listeners.
///
/// 1. At first everything is served.
/// 2. Draining: the same, but every answer says `connection: close`.
/// 3. Closing: the listener is closed, idle connections too; requests in flight finish.
/// 4. Aborting: the requests that are still in flight are aborted.
///
/// The caller decides when each step begins.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Steps>);

#[derive(Debug, Default)]
struct Steps {
    /// Read for every answer, and written three times in all.
    step: AtomicU8,
    moved: Notify,
}

impl Drain {
    /// Begins: every answer from now on says `connection: close`.
    pub fn begin(&self) {
        self.advance(DRAINING);
    }

    /// Closes the listener and idle connections, and lets requests in flight finish.
    pub fn close(&self) {
        self.advance(CLOSING);
    }

    /// Aborts the requests that are still in flight.
    pub fn abort(&self) {
        self.advance(ABORTING);
    }

    /// Returns true once the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.step.load(Ordering::Relaxed) >= DRAINING
    }

    /// Returns true once idle connections are to be closed.
    ///
    /// `SeqCst` is needed, here and in `advance`: a connection that turns idle publishes that and then asks this, while the
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
            // Created before the load: it is notified of every step from here on.
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
        assert!(!drain.is_draining());
        drain.close();
        drain.begin();
        assert!(drain.is_draining());
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
    async fn a_waiter_is_woken_by_its_step_alone() {
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
            () = &mut closing => panic!("draining is not closing"),
            () = std::future::ready(()) => drain.close(),
        }
        closing.await;
    }
}
