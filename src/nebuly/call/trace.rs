//! The spans of calls, below the request that began them.
//!
//! Only the calls of a traced request are traced. A refresh that nobody waits for is a trace of its own, linked to the
//! request that found the link stale. Nothing of a trace is sent to Nebuly.

use opentelemetry::trace::{Link, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::api::CallOutcome;
use super::endpoint::Endpoint;
use crate::domain::{FairnessKey, ProjectName};
use crate::nebuly::metrics::CallResult;

/// The calls for links.
pub(in crate::nebuly) const DEEP_LINK: CallNames =
    CallNames { label: "deeplink", method: "GET", template: "/deeplinks/{kind}/{id}" };

/// The calls for the details of an interaction.
pub(in crate::nebuly) const INTERACTION_DETAIL: CallNames =
    CallNames { label: "interaction_detail", method: "GET", template: "/export/interactions/detail-v2/{id}" };

/// The calls for the details of a conversation.
pub(in crate::nebuly) const CONVERSATION_DETAIL: CallNames =
    CallNames { label: "conversation_detail", method: "POST", template: "/get-conversation-detail" };

/// The calls that list interactions.
pub(in crate::nebuly) const GET_INTERACTIONS: CallNames =
    CallNames { label: "get_interactions", method: "POST", template: "/get-interactions" };

/// The calls that list conversations.
pub(in crate::nebuly) const GET_INTERACTION_AGGREGATES: CallNames = CallNames {
    label: "get_interaction_aggregates",
    method: "POST",
    template: "/get-interaction-aggregates",
};

/// The names of a kind of call in metrics and traces.
pub(in crate::nebuly) struct CallNames {
    /// The label `call` of metrics, and the attribute of spans.
    pub(in crate::nebuly) label: &'static str,
    method: &'static str,
    /// The path of the call, without the id.
    template: &'static str,
}

/// Begins the spans of one kind of a project's calls.
pub(in crate::nebuly) struct CallSpans {
    tracer: SdkTracer,
    name: String,
    attributes: Vec<KeyValue>,
}

/// The span of one call. It ends when this is dropped, also if the call is abandoned.
pub(in crate::nebuly) struct CallSpan(Span);

impl CallSpans {
    pub(in crate::nebuly) fn new(
        tracer: SdkTracer,
        endpoint: &Endpoint,
        project: &ProjectName,
        names: &CallNames,
    ) -> Self {
        let mut attributes = vec![
            KeyValue::new("http.request.method", names.method),
            KeyValue::new("url.template", names.template),
            KeyValue::new("nebulink.project", project.to_string()),
            KeyValue::new("nebulink.call", names.label),
        ];
        if let Some((host, port)) = endpoint.host_and_port() {
            attributes.push(KeyValue::new("server.address", host));
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        Self { tracer, name: format!("{} {}", names.method, names.template), attributes }
    }

    /// Begins the span of a call, if the request behind it is traced; `resent` is the number of calls before it for the
    /// same item.
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
        let mut builder = self
            .tracer
            .span_builder(self.name.clone())
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let parent = match key {
            FairnessKey::Refresh => {
                builder = builder.with_links(vec![Link::with_context(cause)]);
                Context::new()
            }
            FairnessKey::Caller(_) | FairnessKey::Batch(_) | FairnessKey::ListingsAndDetails => request,
        };
        Some(CallSpan(builder.start_with_context(&self.tracer, &parent)))
    }
}

impl CallSpan {
    /// Ends the span with the outcome of the call.
    pub(in crate::nebuly) fn ended<T>(mut self, outcome: &CallOutcome<T>) {
        if let Some(status) = outcome.status() {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let result = outcome.result();
        self.0.set_attribute(KeyValue::new("nebulink.result", result.as_str()));
        if !matches!(result, CallResult::Ok | CallResult::Absent) {
            self.0.set_attribute(KeyValue::new("error.type", result.as_str()));
            self.0.set_status(Status::error(""));
        }
    }
}
