//! Encodes batches of spans as OTLP requests and sends them, on the thread of the queue.

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};

use super::delivery::Delivery;
use super::dropped_spans::DroppedSpans;

/// Sends batches, one at a time.
pub(super) struct OtlpExporter {
    delivery: Delivery,
    /// Of this exporter alone: the program's runtime serves requests, and has ended when the last batch is sent.
    runtime: Runtime,
    resource: ResourceAttributesWithSchema,
    dropped_spans: Arc<DroppedSpans>,
}

impl OtlpExporter {
    pub(super) fn new(delivery: Delivery, dropped_spans: Arc<DroppedSpans>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { delivery, runtime, resource: ResourceAttributesWithSchema::default(), dropped_spans })
    }

    /// Sends a batch. It blocks the thread of the queue.
    fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.dropped_spans.batch_taken(spans);
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        match self.runtime.block_on(self.delivery.deliver(body, self.dropped_spans.shutdown())) {
            Ok(rejected) => {
                self.dropped_spans.delivered(spans.saturating_sub(rejected));
                if rejected > 0 {
                    self.dropped_spans.failed(rejected, "the collector rejected some of a batch");
                }
                Ok(())
            }
            Err(reason) => {
                self.dropped_spans.failed(spans, &reason);
                Err(OTelSdkError::InternalFailure(reason))
            }
        }
    }
}

impl SpanExporter for OtlpExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        ready(self.send(batch))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OtlpExporter").finish_non_exhaustive()
    }
}
