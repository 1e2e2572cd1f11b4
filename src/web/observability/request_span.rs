//! The span of a request, if it is traced.
//!
//! Whether it is, is decided before anything is spent on it: by a trusted caller who has decided already, else by the share
//! that the operator set. A span says nothing that a caller chose: no id, no path, no query, no address, no header. What
//! it has is the route's pattern, the method if it is a standard one, the status, and what became of the link.

use std::pin::Pin;

use http::StatusCode;
use http::request::Parts;
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::standard_method;
use super::trace_parent::TraceParent;
use crate::domain::Kind;
use crate::web::caller::Gate;
use crate::web::route::Route;

/// How requests are traced.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// What makes spans. It must keep each of them: the decision is made here.
    pub tracer: SdkTracer,
    /// Which requests are traced.
    pub sampling: Sampling,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether a trusted caller that has decided already is followed.
    pub parent_decides: bool,
    /// The share of the others, from 0 to 1.
    pub ratio: f64,
}

/// The span of a traced request. It ends with this value, also if the request is given up.
pub(in crate::web) struct RequestSpan(Context);

impl Tracing {
    /// Begins the span of a request, if it is traced.
    pub(in crate::web) fn begin(&self, gate: &Gate, route: Route, parts: &Parts) -> Option<RequestSpan> {
        let parent = TraceParent::of(&parts.headers).filter(|_| gate.trusts_peer_of(parts));
        self.sampling.takes(parent.as_ref()).then(|| self.start(route, parts, parent.as_ref()))
    }

    fn start(&self, route: Route, parts: &Parts, parent: Option<&TraceParent>) -> RequestSpan {
        let method = standard_method::name_of(&parts.method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            // What we serve, whatever a proxy in front of us does.
            KeyValue::new("url.scheme", "http"),
        ];
        let mut name = method.unwrap_or("HTTP").to_owned();
        if let Some(pattern) = route.pattern_if_matched() {
            attributes.push(KeyValue::new("http.route", pattern));
            name = format!("{name} {pattern}");
        }
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.to_context(&parts.headers)),
            None => Context::new(),
        };
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        RequestSpan(Context::new().with_span(builder.start_with_context(&self.tracer, &parent)))
    }
}

impl Sampling {
    fn takes(self, parent: Option<&TraceParent>) -> bool {
        match parent {
            Some(parent) if self.parent_decides => parent.is_sampled(),
            _ if self.ratio >= 1.0 => true,
            // As every program of this trace decides that has the same share.
            Some(parent) => parent.fraction() < self.ratio,
            None => self.ratio > 0.0 && fastrand::f64() < self.ratio,
        }
    }
}

impl RequestSpan {
    /// Does something as part of the request: what it begins is below this span.
    pub(in crate::web) fn around<F: Future>(&self, future: F) -> Pin<Box<WithContext<F>>> {
        Box::pin(future.with_context(self.0.clone()))
    }

    /// By which its line in the log is found.
    pub(in crate::web) fn trace_id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }

    /// Says what came of the request.
    pub(in crate::web) fn answered(&self, status: StatusCode, link: Option<(Kind, &'static str)>) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some((kind, outcome)) = link {
            span.set_attribute(KeyValue::new("nebulink.kind", kind.as_str()));
            span.set_attribute(KeyValue::new("nebulink.outcome", outcome));
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
            // What the caller gets for it.
            self.answered(StatusCode::INTERNAL_SERVER_ERROR, None);
        }
        // The resolution that it began may hold its context for longer.
        self.0.span().end();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

    use super::*;

    /// Keeps the spans that have ended.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _span: &mut Span, _context: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
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
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_span_processor(kept.clone()).build();
        let begin = || RequestSpan(Context::new().with_span(provider.tracer("test").start("GET")));
        let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let _span = begin();
            std::panic::resume_unwind(Box::new("a defect"));
        }));
        assert!(panicked.is_err());
        let spans = kept.0.lock().unwrap();
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
            let sampling = Sampling { parent_decides: true, ratio };
            let taken = (0..10_000).filter(|_| sampling.takes(None)).count();
            assert!(expected.contains(&taken), "{ratio}: {taken}");
        }
    }

    #[test]
    fn a_parent_is_followed_or_else_its_trace_decides_as_it_does_elsewhere() {
        let low = "ffffffffffffffff1000000000000000";
        let high = "0000000000000001f000000000000000";
        for (trace, flags, parent_decides, ratio, taken) in [
            (high, "01", true, 0.0, true),
            (low, "00", true, 1.0, false),
            (low, "00", false, 0.5, true),
            (high, "01", false, 0.5, false),
            (high, "00", false, 1.0, true),
            (low, "01", false, 0.0, false),
        ] {
            let sampling = Sampling { parent_decides, ratio };
            assert_eq!(sampling.takes(Some(&parent(trace, flags))), taken, "{trace} {flags} {sampling:?}");
        }
    }
}
