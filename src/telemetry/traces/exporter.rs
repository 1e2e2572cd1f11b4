//! Turns batches of spans into requests, on the thread of the queue.

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
use super::dropped_spans::Lost;

/// Sends batches, one at a time.
pub(super) struct OtlpExporter {
    delivery: Delivery,
    /// Of this exporter alone: the program's has better things to do, and at the end is gone.
    runtime: Runtime,
    resource: ResourceAttributesWithSchema,
    lost: Arc<Lost>,
}

impl OtlpExporter {
    pub(super) fn new(delivery: Delivery, lost: Arc<Lost>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { delivery, runtime, resource: ResourceAttributesWithSchema::default(), lost })
    }

    /// Sends a batch. It blocks, which the thread of the queue is for.
    fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.lost.taken(spans);
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        match self.runtime.block_on(self.delivery.deliver(body, self.lost.ending())) {
            Ok(rejected) => {
                self.lost.delivered(spans.saturating_sub(rejected));
                if rejected > 0 {
                    self.lost.failed(rejected, "it rejected some of a batch");
                }
                Ok(())
            }
            Err(reason) => {
                self.lost.failed(spans, &reason);
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
