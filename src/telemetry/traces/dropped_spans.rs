//! Counts the spans that never arrive, and logs them at most once a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The pause between two log lines about failed exports.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The counts of spans that ended, arrived and failed.
#[derive(Debug)]
pub(super) struct DroppedSpans {
    /// The length of the queue.
    capacity: u64,
    ended: AtomicU64,
    /// The number of them that arrived.
    delivered: AtomicU64,
    /// The number of them that are known not to have arrived.
    failed: AtomicU64,
    /// When a failure was last logged.
    last_warning: Mutex<Option<Instant>>,
    shutdown: CancellationToken,
}

/// Counts the spans that enter the queue, which drops spans silently when it is full.
#[derive(Debug)]
pub(super) struct CountingProcessor {
    pub(super) queue: BatchSpanProcessor,
    pub(super) dropped_spans: Arc<DroppedSpans>,
}

impl DroppedSpans {
    /// Counts for a queue of this length.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: u64::try_from(capacity).unwrap_or(u64::MAX),
            ended: AtomicU64::default(),
            delivered: AtomicU64::default(),
            failed: AtomicU64::default(),
            last_warning: Mutex::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Counts the spans that the queue has dropped, when a batch has just left it: all that have ended, but are neither
    /// in the batch nor in the queue, nor counted as delivered or failed. One that is about to enter the queue may be
    /// counted as dropped here, but not in the total.
    pub(super) fn batch_taken(&self, spans: u64) {
        let settled = self.delivered.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed);
        let waiting = self.ended.load(Ordering::Relaxed).saturating_sub(settled);
        let dropped = waiting.saturating_sub(self.capacity.saturating_add(spans));
        if dropped > 0 {
            self.failed(dropped, "the queue is full");
        }
    }

    /// Counts spans that have arrived.
    pub(super) fn delivered(&self, spans: u64) {
        self.delivered.fetch_add(spans, Ordering::Relaxed);
    }

    /// Counts spans that have not arrived. The reason holds neither the URL nor anything of a body.
    pub(super) fn failed(&self, spans: u64, reason: &str) {
        self.failed.fetch_add(spans, Ordering::Relaxed);
        let now = Instant::now();
        let mut last_warning = self.last_warning.lock();
        if last_warning.is_none_or(|last| now.duration_since(last) >= LOG_INTERVAL) {
            *last_warning = Some(now);
            tracing::warn!(
                spans,
                reason,
                "failed to export spans; further failures are not logged for a minute"
            );
        }
    }

    /// Cancelled when the program ends: then each batch gets one last attempt.
    pub(super) const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Logs the total of dropped spans, if there are any.
    pub(super) fn log_total(&self) {
        let ended = self.ended.load(Ordering::Relaxed);
        let lost = ended.saturating_sub(self.delivered.load(Ordering::Relaxed));
        if lost > 0 {
            tracing::warn!(lost, of = ended, "spans were dropped");
        }
    }
}

impl SpanProcessor for CountingProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.dropped_spans.ended.fetch_add(1, Ordering::Relaxed);
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
