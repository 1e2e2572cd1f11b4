//! What writes links behind the answers.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::redis_client::{NoAnswer, Server, Write};

/// How many links wait to be written at most. Each takes a few hundred bytes, 8 KiB at worst.
pub(super) const WAITING: usize = 512;

/// How many links are written at once: one round trip for all of them.
const BATCH: usize = 64;

/// Writes what [`SharedCache`](super::SharedCache) is given.
///
/// It has to run, or else nothing is shared. It ends when the cache is gone and everything was written; whoever cannot
/// wait for that may drop it at any time.
#[must_use = "nothing is shared unless it runs"]
pub struct SharedCacheWriter {
    pub(super) server: Arc<Server>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) waiting: mpsc::Receiver<Write>,
}

impl SharedCacheWriter {
    /// Runs until the cache is gone. Needs a tokio runtime.
    pub async fn run(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_refused = false;
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.write(&batch, &mut is_refused).await;
            batch.clear();
        }
    }

    async fn write(&self, batch: &[Write], is_refused: &mut bool) {
        let puts = &self.metrics.puts;
        let all = batch.len() as u64;
        match self.server.write(batch).await {
            Err(NoAnswer::Skipped) => puts.skipped.increment(all),
            Err(NoAnswer::Timeout) => puts.timeout.increment(all),
            Err(NoAnswer::Failed(_)) => puts.failed.increment(all),
            Ok(written) => {
                for written in written {
                    match &written {
                        Ok(()) => puts.ok.increment(1),
                        Err(_) => puts.failed.increment(1),
                    }
                    // A server that is full, or lets itself only be read, answers everything else.
                    if let (Err(fault), false) = (&written, *is_refused) {
                        tracing::warn!(cause = fault.0, "the shared cache refuses to be written to");
                    }
                    *is_refused = written.is_err();
                }
            }
        }
    }
}
