//! Spans that never arrive: counted, and told of without flooding the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use tokio_util::sync::CancellationToken;

/// The pause between two lines about a collector that takes nothing.
const QUIET: Duration = Duration::from_secs(60);

/// What became of the spans that ended.
#[derive(Debug)]
pub(super) struct Lost {
    /// How many spans the queue takes.
    capacity: u64,
    ended: AtomicU64,
    /// Of them, those that arrived.
    delivered: AtomicU64,
    /// And those of which it is known that they did not.
    failed: AtomicU64,
    /// When the log last said something.
    said: Mutex<Option<Instant>>,
    ending: CancellationToken,
}

/// Counts the spans on their way into the queue, which drops some without a word when it is full.
#[derive(Debug)]
pub(super) struct Counted {
    queue: BatchSpanProcessor,
    lost: Arc<Lost>,
}

impl Lost {
    /// Nothing has ended yet. The queue takes so many spans.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: u64::try_from(capacity).unwrap_or(u64::MAX),
            ended: AtomicU64::default(),
            delivered: AtomicU64::default(),
            failed: AtomicU64::default(),
            said: Mutex::default(),
            ending: CancellationToken::new(),
        }
    }

    /// So many have just left the queue. What is neither among them nor in the queue nor settled has been dropped; one that
    /// is about to enter the queue may be taken for dropped here, but not in the sum.
    pub(super) fn taken(&self, spans: u64) {
        let settled = self.delivered.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed);
        let waiting = self.ended.load(Ordering::Relaxed).saturating_sub(settled);
        let dropped = waiting.saturating_sub(self.capacity.saturating_add(spans));
        if dropped > 0 {
            self.failed(dropped, "more end than it takes: the queue is full");
        }
    }

    /// So many spans have arrived.
    pub(super) fn delivered(&self, spans: u64) {
        self.delivered.fetch_add(spans, Ordering::Relaxed);
    }

    /// So many have not, or not all of them. The reason holds neither the URL nor anything of a body.
    pub(super) fn failed(&self, spans: u64, reason: &str) {
        self.failed.fetch_add(spans, Ordering::Relaxed);
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| now.duration_since(said) >= QUIET) {
            *said = Some(now);
            tracing::warn!(
                spans,
                reason,
                "the collector does not take traces; more of them are lost without a line for a minute"
            );
        }
    }

    /// The program ends: what is left is tried once.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// Tells when it does.
    pub(super) const fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Says how many were lost in all.
    pub(super) fn sum_up(&self) {
        let ended = self.ended.load(Ordering::Relaxed);
        let lost = ended.saturating_sub(self.delivered.load(Ordering::Relaxed));
        if lost > 0 {
            tracing::warn!(lost, of = ended, "spans were lost");
        }
    }
}

impl Counted {
    pub(super) const fn new(queue: BatchSpanProcessor, lost: Arc<Lost>) -> Self {
        Self { queue, lost }
    }
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.lost.ended.fetch_add(1, Ordering::Relaxed);
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}
