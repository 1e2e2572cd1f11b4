//! Spans that never arrive: counted, and told of without flooding the log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

/// The pause between two lines about a collector that takes nothing.
const QUIET: Duration = Duration::from_secs(60);

/// What became of the spans that ended.
#[derive(Debug, Default)]
pub(super) struct Lost {
    ended: AtomicU64,
    delivered: AtomicU64,
    /// When the log last said something.
    said: Mutex<Option<Instant>>,
    ending: AtomicBool,
}

/// Counts the spans on their way into the queue, which drops some without a word when it is full.
#[derive(Debug)]
pub(super) struct Counted {
    queue: BatchSpanProcessor,
    lost: Arc<Lost>,
}

impl Lost {
    /// So many spans have arrived.
    pub(super) fn delivered(&self, spans: u64) {
        self.delivered.fetch_add(spans, Ordering::Relaxed);
    }

    /// So many have not, or not all of them. The reason holds neither the URL nor anything of a body.
    pub(super) fn failed(&self, spans: u64, reason: &str) {
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

    /// The program ends: nothing is tried again.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
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
