//! One request and its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, StatusCode, Uri};

use super::caller::CallerOfRequest;
use super::observability::LinkOutcome;
use super::observability::RequestId;
use super::observability::RequestSpan;
use super::observability::{CLIENT_CLOSED_REQUEST, Entry};
use super::problem::{Failure, Problem};
use super::redirect;
use super::route::{Form, Route};
use super::{Departure, Web};
use crate::domain::Item;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What came of a request: its answer, and what the log says of it.
pub(super) struct Reply<'a> {
    pub(super) answer: Result<Response, Box<Failure>>,
    pub(super) item: Option<Item<'a>>,
    /// What became of the link.
    pub(super) outcome: Option<LinkOutcome>,
    /// Whether it cost a call to Nebuly.
    pub(super) cold: bool,
}

impl From<Problem> for Reply<'_> {
    fn from(problem: Problem) -> Self {
        Self { answer: Err(Box::new(problem.into())), item: None, outcome: None, cold: false }
    }
}

/// Answers a request, whatever its route. A defect that panics is a 500, not a dead connection.
pub(super) async fn answer(web: Arc<Web>, route: Route, request: Request) -> Response {
    let began = Instant::now();
    let (parts, _body) = request.into_parts();
    let request_id = RequestId::of(&parts.headers);
    let answered = AssertUnwindSafe(observed(&web, route, &parts, &request_id, began)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_panic| {
        tracing::error!(
            request_id = request_id.as_str(),
            route = route.pattern(),
            "a request ended in a panic"
        );
        let failure = Failure::from(Problem::Internal);
        let response = failure.into_response(&web.pages, &parts.headers, &request_id);
        web.request_metrics.count(route, &parts.method, response.status(), began);
        response
    });
    finish(&mut response, request_id);
    response
}

/// Answers a request, counts it and what became of its link, and writes its line in the log.
async fn observed(
    web: &Arc<Web>,
    route: Route,
    parts: &Parts,
    request_id: &RequestId,
    began: Instant,
) -> Response {
    let span = web.tracing.as_ref().and_then(|tracing| tracing.begin(&web.gate, route, parts));
    let admitted = web.gate.admit(route.guard(), parts);
    let identity = admitted.as_ref().ok().and_then(|admitted| admitted.identity);
    let record = Record { web, route, method: &parts.method, request_id, identity, began };
    let reply = match (&admitted, route) {
        (Err(problem), _) => (*problem).into(),
        (Ok(admitted), Route::Redirect(form)) => {
            let caller = CallerOfRequest::new(&web.gate, admitted, parts);
            let mut guard = DisconnectGuard {
                record: &record,
                form,
                uri: &parts.uri,
                span: span.as_ref(),
                is_armed: true,
            };
            let reply = match &span {
                None => redirect::reply(web, form, parts, &caller).await,
                Some(span) => span.around(redirect::reply(web, form, parts, &caller)).await,
            };
            guard.is_armed = false;
            reply
        }
        (Ok(_), Route::Open | Route::Api | Route::Unmatched) => Problem::UnknownPath.into(),
        (Ok(_), Route::WrongMethod) => Problem::MethodNotAllowed.into(),
    };
    if reply.cold || reply.answer.is_err() {
        web.gate.look_for_strangers(parts);
    }
    if let (Some(item), Some(outcome)) = (&reply.item, reply.outcome) {
        web.metrics.count(item.kind(), outcome);
    }
    let response = match reply.answer {
        Ok(response) => response,
        Err(failure) => failure.into_response(&web.pages, &parts.headers, request_id),
    };
    let (status, outcome) = (response.status(), reply.outcome);
    if reply.cold
        && let Some(departure) = (web.departure)(&parts.extensions)
    {
        record.write_later(departure, status, span, reply.item.map(Item::into_owned), outcome);
    } else {
        record.write(status, span.as_ref(), reply.item.as_ref(), outcome, reply.cold);
    }
    response
}

/// A request as it is counted, logged and traced.
struct Record<'a> {
    web: &'a Arc<Web>,
    route: Route,
    method: &'a Method,
    request_id: &'a RequestId,
    identity: Option<&'a str>,
    /// When its head had been read.
    began: Instant,
}

impl Record<'_> {
    fn write(
        &self,
        status: StatusCode,
        span: Option<&RequestSpan>,
        item: Option<&Item<'_>>,
        outcome: Option<LinkOutcome>,
        cold: bool,
    ) {
        let Self { web, route, method, request_id, identity, began } = *self;
        let outcome = outcome.map(LinkOutcome::as_str);
        web.request_metrics.count(route, method, status, began);
        if let Some(span) = span {
            span.answered(status, item.map(Item::kind).zip(outcome));
        }
        let entry = Entry {
            request_id: request_id.as_str(),
            route: route.pattern(),
            method,
            status,
            identity,
            item,
            outcome,
            trace_id: span.map(RequestSpan::trace_id),
            began,
        };
        web.access_log.note(&entry, cold);
    }

    /// Writes it as soon as it is known whether the caller was gone before the answer came.
    fn write_later(
        &self,
        departure: Departure,
        status: StatusCode,
        span: Option<RequestSpan>,
        item: Option<Item<'static>>,
        outcome: Option<LinkOutcome>,
    ) {
        let (web, method, request_id) = (Arc::clone(self.web), self.method.clone(), self.request_id.clone());
        let identity = self.identity.map(str::to_owned);
        let Self { route, began, .. } = *self;
        let answered = Instant::now();
        tokio::spawn(async move {
            let was_gone = departure.await;
            let (status, outcome) = if was_gone { (CLIENT_CLOSED_REQUEST, None) } else { (status, outcome) };
            // The wait for this does not belong to the request.
            let began = began + answered.elapsed();
            let (method, identity) = (&method, identity.as_deref());
            let record = Record { web: &web, route, method, request_id: &request_id, identity, began };
            record.write(status, span.as_ref(), item.as_ref(), outcome, true);
        });
    }
}

/// Records a request that ends before its answer is ready. The server then drops what answers it.
struct DisconnectGuard<'a> {
    record: &'a Record<'a>,
    form: Form,
    uri: &'a Uri,
    span: Option<&'a RequestSpan>,
    is_armed: bool,
}

impl Drop for DisconnectGuard<'_> {
    fn drop(&mut self) {
        // A panic is answered.
        if self.is_armed && !std::thread::panicking() {
            // Read once more: nothing is kept for this on the way of the others.
            let item = redirect::item(self.record.web, self.form, self.uri);
            // Only what is not in memory is waited for, so it counts as cold.
            self.record.write(CLIENT_CLOSED_REQUEST, self.span, item.as_ref(), None, true);
        }
    }
}

/// The headers that every answer has.
pub(super) fn finish(response: &mut Response<Body>, request_id: RequestId) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(REFERRER_POLICY, NO_REFERRER);
    headers.insert(X_REQUEST_ID, request_id.into_header());
}
