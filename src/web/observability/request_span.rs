//! The span of a request, if it is traced.
//!
//! The sampling decision comes before anything is spent on a span: a trusted caller may have made it already, else the
//! ratio that the operator set makes it. A span says nothing that a caller chose: no id, no path, no query, no address,
//! no header. Its attributes are the route's pattern, the method if it is a standard one, the status, and the outcome
//! of the link.

use std::pin::Pin;

use http::StatusCode;
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::link_outcome::LinkOutcome;
use super::request_metrics::standard_name;
use super::trace_parent::TraceParent;
use crate::domain::Kind;
use crate::web::caller::Authenticator;
use crate::web::request_head::RequestHead;
use crate::web::route::Route;

/// Starts the spans of requests.
#[derive(Debug, Clone)]
pub struct RequestTracer {
    /// The tracer of the SDK. It must keep every span: sampling happens here.
    pub tracer: SdkTracer,
    /// Decides which requests are traced.
    pub sampling: TraceSampling,
}

/// Decides which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceSampling {
    /// True if the decision of a trusted caller is followed.
    pub parent_decides: bool,
    /// The share of the other requests that is traced, from 0 to 1.
    pub ratio: f64,
}

/// The span of a traced request. It ends with this value, also if the request is dropped.
pub(in crate::web) struct RequestSpan(Context);

impl RequestTracer {
    /// Starts the span of a request, if it is traced.
    pub(in crate::web) fn start_span(
        &self,
        authenticator: &Authenticator,
        route: Route,
        head: &RequestHead,
    ) -> Option<RequestSpan> {
        let parent = TraceParent::of(&head.headers).filter(|_| authenticator.trusts_peer_of(head));
        self.sampling.samples(parent.as_ref()).then(|| self.start(route, head, parent.as_ref()))
    }

    fn start(&self, route: Route, head: &RequestHead, parent: Option<&TraceParent>) -> RequestSpan {
        let method = standard_name(&head.method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            // Our own scheme, whatever a proxy in front of us serves.
            KeyValue::new("url.scheme", "http"),
        ];
        let mut name = method.unwrap_or("HTTP").to_owned();
        if let Some(pattern) = route.pattern_if_matched() {
            attributes.push(KeyValue::new("http.route", pattern));
            name = format!("{name} {pattern}");
        }
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.to_context(&head.headers)),
            None => Context::new(),
        };
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        RequestSpan(Context::new().with_span(builder.start_with_context(&self.tracer, &parent)))
    }
}

impl TraceSampling {
    fn samples(self, parent: Option<&TraceParent>) -> bool {
        match parent {
            Some(parent) if self.parent_decides => parent.is_sampled(),
            _ if self.ratio >= 1.0 => true,
            // Every service of this trace that has the same ratio decides so.
            Some(parent) => parent.fraction() < self.ratio,
            None => self.ratio > 0.0 && fastrand::f64() < self.ratio,
        }
    }
}

impl RequestSpan {
    /// Runs a future as part of the request: spans that it starts are children of this one.
    pub(in crate::web) fn around<F: Future>(&self, future: F) -> Pin<Box<WithContext<F>>> {
        Box::pin(future.with_context(self.0.clone()))
    }

    /// Makes the request the context of what this thread does, until the guard is dropped.
    pub(in crate::web) fn enter(&self) -> ContextGuard {
        self.0.clone().attach()
    }

    /// The id of the trace, by which the line in the log is found.
    pub(in crate::web) fn trace_id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }

    /// Sets the attributes of an answered request.
    pub(in crate::web) fn answered(&self, status: StatusCode, link: Option<(Kind, LinkOutcome)>) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some((kind, outcome)) = link {
            span.set_attribute(KeyValue::new("nebulink.kind", kind.as_str()));
            span.set_attribute(KeyValue::new("nebulink.outcome", outcome.as_str()));
        }
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The status that the caller gets.
            self.answered(StatusCode::INTERNAL_SERVER_ERROR, None);
        }
        // The resolution that it started may hold its context for longer.
        self.0.span().end();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::Arc;
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
    use parking_lot::Mutex;

    use super::*;

    /// Records the spans that have ended.
    #[derive(Debug, Clone, Default)]
    struct RecordingProcessor(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for RecordingProcessor {
        fn on_start(&self, _span: &mut Span, _context: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    #[test]
    fn a_request_that_panics_has_its_status() {
        let processor = RecordingProcessor::default();
        let provider = SdkTracerProvider::builder().with_span_processor(processor.clone()).build();
        let start = || RequestSpan(Context::new().with_span(provider.tracer("test").start("GET")));
        let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let _span = start();
            std::panic::resume_unwind(Box::new("a defect"));
        }));
        assert!(panicked.is_err());
        let spans = processor.0.lock();
        let [panicked] = &spans[..] else { panic!("{spans:?}") };
        assert!(panicked.attributes.contains(&KeyValue::new("http.response.status_code", 500)));
        assert_eq!(panicked.status, Status::error(""));
    }

    fn parent(trace_id: &str, flags: &str) -> TraceParent {
        let line = format!("00-{trace_id}-00f067aa0ba902b7-{flags}");
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::try_from(line).unwrap());
        TraceParent::of(&headers).unwrap()
    }

    #[test]
    fn a_share_of_the_requests_is_traced() {
        for (ratio, expected) in [(0.0, 0..=0), (0.25, 2_000..=3_000), (1.0, 10_000..=10_000)] {
            let sampling = TraceSampling { parent_decides: true, ratio };
            let sampled = (0..10_000).filter(|_| sampling.samples(None)).count();
            assert!(expected.contains(&sampled), "{ratio}: {sampled}");
        }
    }

    #[test]
    fn a_parents_decision_is_followed_or_else_its_trace_id_decides() {
        let low = "ffffffffffffffff1000000000000000";
        let high = "0000000000000001f000000000000000";
        for (trace, flags, parent_decides, ratio, sampled) in [
            (high, "01", true, 0.0, true),
            (low, "00", true, 1.0, false),
            (low, "00", false, 0.5, true),
            (high, "01", false, 0.5, false),
            (high, "00", false, 1.0, true),
            (low, "01", false, 0.0, false),
        ] {
            let sampling = TraceSampling { parent_decides, ratio };
            assert_eq!(
                sampling.samples(Some(&parent(trace, flags))),
                sampled,
                "{trace} {flags} {sampling:?}"
            );
        }
    }
}
