//! The spans of calls, below the request that began them.
//!
//! Only what belongs to a traced request is traced. A refresh that nobody waits for is a trace of its own, linked to the
//! request that found the link stale. Nothing of it goes to Nebuly.

use opentelemetry::trace::{Link, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::api::Attempted;
use super::endpoint::Endpoint;
use crate::domain::{FairnessKey, ProjectName};
use crate::nebuly::metrics::CallResult;

/// The path of the call, without the id.
const TEMPLATE: &str = "/deeplinks/{kind}/{id}";

/// What a call's span is called.
const NAME: &str = "GET /deeplinks/{kind}/{id}";

/// What the spans of a project's calls for links have in common.
pub(in crate::nebuly) struct CallSpans {
    tracer: SdkTracer,
    attributes: Vec<KeyValue>,
}

/// The span of one call. It ends with this value, also if the call is given up.
pub(in crate::nebuly) struct CallSpan(Span);

impl CallSpans {
    pub(in crate::nebuly) fn new(tracer: SdkTracer, endpoint: &Endpoint, project: &ProjectName) -> Self {
        let mut attributes = vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.template", TEMPLATE),
            KeyValue::new("nebulink.project", project.to_string()),
            KeyValue::new("nebulink.call", "deeplink"),
        ];
        if let Some((host, port)) = endpoint.host_and_port() {
            attributes.push(KeyValue::new("server.address", host));
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        Self { tracer, attributes }
    }

    /// Begins the span of a call, if the request behind it is traced; `resent` counts the calls before it that were for
    /// the same.
    pub(in crate::nebuly) fn begin(&self, key: FairnessKey, resent: u32) -> Option<CallSpan> {
        let request = Context::current();
        let cause = request.span().span_context().clone();
        if !cause.is_sampled() {
            return None;
        }
        let mut attributes = self.attributes.clone();
        if resent > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", i64::from(resent)));
        }
        let mut builder =
            self.tracer.span_builder(NAME).with_kind(SpanKind::Client).with_attributes(attributes);
        let parent = match key {
            FairnessKey::Refresh => {
                builder = builder.with_links(vec![Link::with_context(cause)]);
                Context::new()
            }
            FairnessKey::Caller(_) => request,
        };
        Some(CallSpan(builder.start_with_context(&self.tracer, &parent)))
    }
}

impl CallSpan {
    /// Says what came of the call.
    pub(in crate::nebuly) fn ended(mut self, attempted: &Attempted) {
        if let Some(status) = attempted.status() {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let result = attempted.result();
        self.0.set_attribute(KeyValue::new("nebulink.result", result.as_str()));
        if !matches!(result, CallResult::Ok | CallResult::Absent) {
            self.0.set_attribute(KeyValue::new("error.type", result.as_str()));
            self.0.set_status(Status::error(""));
        }
    }
}
