//! Traces, as OpenTelemetry defines them, sent to a collector by OTLP over HTTP (protobuf).
//!
//! # Where spans are made
//!
//! | where | job |
//! |---|---|
//! | `web` | decides at a request's head whether it is traced, and makes its SERVER span |
//! | `resolver` | carries the span's context into the task of a resolution |
//! | `nebuly` | makes a CLIENT span for each call, below the request that began it, or linked to it if nobody waits |
//! | here | sends spans that have ended, in batches |
//!
//! The sampling decision is made once, before there is a span: every span that reaches this module is sent, and a
//! request that is not traced costs a comparison. There is no global tracer; each [`Traces`] has its own.
//!
//! # A collector cannot harm requests
//!
//! Spans wait in a queue of bounded length and are dropped beyond it. A thread of their own sends them, with a runtime
//! of its own, so that not even a collector that never answers takes a thread from requests. The shutdown waits at most
//! [`FLUSH_TIMEOUT`] for it. Dropped spans are logged at most once a minute, and their total at the end. Sending makes
//! no spans, since only the places above do.
//!
//! # Why not `opentelemetry-otlp`
//!
//! With an `HttpClient` of ours, `opentelemetry-otlp` 0.33 would add only what `opentelemetry-proto` already does, the
//! encoding. It overrides the given headers with those of the environment and does not mark them as sensitive. Its
//! retries sleep through a shutdown, and a request in flight may outlast the timeout. It returns neither the number of
//! rejected spans nor the reason of a failed connection, so dropped spans could not be counted and logged as they are
//! here.

mod delivery;
mod dropped_spans;
mod exporter;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanLimits,
};
use tokio::sync::oneshot;
use url::Url;

use self::delivery::Delivery;
pub use self::delivery::{Authorities, TracesError};
use self::dropped_spans::{CountingProcessor, DroppedSpans};
use self::exporter::OtlpExporter;

/// The longest that the shutdown waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The options for sending traces.
#[derive(Debug, Clone)]
pub struct TracesOptions {
    /// The URL that they are posted to, without user and password.
    pub endpoint: Url,
    /// Headers of each request, marked as sensitive.
    pub headers: HeaderMap,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Authorities>,
    /// The longest that one export may take, with all its attempts.
    pub timeout: Duration,
    /// The resource attribute `service.name`.
    pub service_name: String,
    /// Further resource attributes.
    pub resource_attributes: Vec<(String, String)>,
    /// The length of the queue, in spans.
    pub max_queue_size: usize,
    /// The most spans in one export.
    pub max_export_batch_size: usize,
    /// The pause between two exports.
    pub schedule_delay: Duration,
}

/// Sends spans to the collector, from the start to the shutdown of the program.
pub struct Traces {
    provider: SdkTracerProvider,
    dropped_spans: Arc<DroppedSpans>,
}

impl Traces {
    /// Starts the thread that sends spans. Nothing is sent before the first span ends.
    pub fn start(options: TracesOptions) -> Result<Self, TracesError> {
        let attributes =
            options.resource_attributes.into_iter().map(|(key, value)| KeyValue::new(key, value));
        let resource = Resource::builder_empty()
            .with_attributes(attributes)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_service_name(options.service_name)
            .build();
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(options.max_queue_size)
            .with_max_export_batch_size(options.max_export_batch_size)
            .with_scheduled_delay(options.schedule_delay)
            .build();
        let dropped_spans = Arc::new(DroppedSpans::new(options.max_queue_size));
        let delivery = Delivery::new(
            options.endpoint,
            options.headers,
            options.certificate_authorities.as_ref(),
            options.timeout,
        )?;
        let exporter =
            OtlpExporter::new(delivery, Arc::clone(&dropped_spans)).map_err(TracesError::Runtime)?;
        let queue = BatchSpanProcessor::new(exporter, batches);
        let processor = CountingProcessor { queue, dropped_spans: Arc::clone(&dropped_spans) };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // The decision was made before the span.
            .with_sampler(Sampler::AlwaysOn)
            // Else the SDK reads them from the environment.
            .with_span_limits(SpanLimits::default())
            .with_span_processor(processor)
            .build();
        Ok(Self { provider, dropped_spans })
    }

    /// The tracer that makes spans.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        self.provider.tracer_with_scope(scope)
    }

    /// Sends the spans that are left, for a short while. Spans that end later are dropped.
    pub async fn end(self) {
        let Self { provider, dropped_spans } = self;
        dropped_spans.shutdown().cancel();
        let (done, ended) = oneshot::channel();
        let flush = move || {
            // If it fails or takes too long, the spans are counted as dropped.
            drop(provider.shutdown_with_timeout(FLUSH_TIMEOUT));
            let _nobody_waits_any_more = done.send(());
        };
        // Not on the runtime, whose end would wait for it.
        if std::thread::Builder::new().name("traces-end".to_owned()).spawn(flush).is_ok() {
            drop(tokio::time::timeout(FLUSH_TIMEOUT, ended).await);
        }
        dropped_spans.log_total();
    }
}
