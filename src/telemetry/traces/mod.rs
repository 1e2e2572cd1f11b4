//! Traces, as OpenTelemetry defines them, sent to a collector by OTLP over HTTP (protobuf).
//!
//! # Who does what
//!
//! | where | job |
//! |---|---|
//! | `web` | decides at a request's head whether it is traced, and makes its SERVER span |
//! | `resolver` | carries the span's context into the task of a resolution |
//! | `nebuly` | makes a CLIENT span for each call, below the request that began it, or linked to it if nobody waits |
//! | here | takes spans that have ended, and sends them in batches |
//!
//! The decision is made once, before there is a span: whatever reaches this module is sent, and a request that is not
//! traced costs a comparison. There is no tracer for the whole process; each [`Traces`] has its own.
//!
//! # What a collector can do to us
//!
//! Nothing. Spans wait in a queue of bounded length and are dropped beyond it; a thread of their own sends them, with a
//! runtime of its own, so that not even a collector that never answers takes a thread from requests; the end of the
//! program waits at most [`FLUSH`] for it. Of lost spans the log says something once a minute at most, and how many there
//! were at the end. Sending makes no spans, since nothing makes spans but the places above.
//!
//! The SDK's exporter for OTLP is not used: it reads the environment behind our back, brings a second HTTP client, and
//! goes on trying after it was told to end. Its encoding of spans is.

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
use self::dropped_spans::{Counted, Lost};
use self::exporter::OtlpExporter;

/// The longest that the end of the program waits for the last spans to be sent. What is above it in the grace period of
/// a pod is spare.
const FLUSH: Duration = Duration::from_secs(2);

/// How traces are sent.
#[derive(Debug, Clone)]
pub struct TracesOptions {
    /// Where they are posted, without user and password.
    pub endpoint: Url,
    /// What goes with them, marked as sensitive.
    pub headers: HeaderMap,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Authorities>,
    /// How long one export may take, with all its attempts.
    pub timeout: Duration,
    /// What the program is called.
    pub service_name: String,
    /// What else is said of it.
    pub resource_attributes: Vec<(String, String)>,
    /// Spans that may wait.
    pub max_queue_size: usize,
    /// Spans in one export.
    pub max_export_batch_size: usize,
    /// The pause between two exports.
    pub schedule_delay: Duration,
}

/// Certificate authorities of the operator's.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The variable that names their file.
    pub variable: &'static str,
    /// What is in it.
    pub pem: Vec<u8>,
}

/// Traces cannot be sent with these options.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The file of certificate authorities holds none.
    #[error("the file of {variable} holds no usable certificate in PEM")]
    CertificateAuthorities {
        /// The variable that names it.
        variable: &'static str,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client for traces could not be set up")]
    Client(#[source] reqwest::Error),
    /// Its runtime could not be set up.
    #[error("the runtime for traces could not be set up")]
    Runtime(#[source] std::io::Error),
}

/// The way of spans to the collector, from the start to the end of the program.
pub struct Traces {
    provider: SdkTracerProvider,
    lost: Arc<Lost>,
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
        let lost = Arc::new(Lost::new(options.max_queue_size));
        let delivery = Delivery::new(
            options.endpoint,
            options.headers,
            options.certificate_authorities.as_ref(),
            options.timeout,
        )?;
        let exporter = OtlpExporter::new(delivery, Arc::clone(&lost)).map_err(TracesError::Runtime)?;
        let processor = Counted::new(BatchSpanProcessor::new(exporter, batches), Arc::clone(&lost));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // Whoever makes a span has decided already.
            .with_sampler(Sampler::AlwaysOn)
            // Else the SDK takes them from the environment.
            .with_span_limits(SpanLimits::default())
            .with_span_processor(processor)
            .build();
        Ok(Self { provider, lost })
    }

    /// What makes spans.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        self.provider.tracer_with_scope(scope)
    }

    /// Sends what is left, for a short while. Spans that end later are dropped.
    pub async fn end(self) {
        let Self { provider, lost } = self;
        lost.end();
        let (done, ended) = oneshot::channel();
        let flush = move || {
            // It failed or it took too long: what became of the spans has been counted.
            drop(provider.shutdown_with_timeout(FLUSH));
            let _nobody_waits_any_more = done.send(());
        };
        // Not on the runtime, whose end would wait for it.
        if std::thread::Builder::new().name("traces-end".to_owned()).spawn(flush).is_ok() {
            drop(tokio::time::timeout(FLUSH, ended).await);
        }
        lost.sum_up();
    }
}
