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

use super::Web;
use super::access_log::{CLIENT_CLOSED_REQUEST, Entry};
use super::caller::CallerOfRequest;
use super::metrics::LinkOutcome;
use super::problem::{Failure, Problem};
use super::redirect;
use super::request_id::RequestId;
use super::route::{Form, Route};
use super::trace::RequestSpan;
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
        Failure::from(Problem::Internal).into_response(&web.pages, &parts.headers, &request_id)
    });
    finish(&mut response, request_id);
    web.request_metrics.count(route, &parts.method, response.status(), began);
    response
}

/// Answers a request, counts what became of its link, and writes its line in the log.
async fn observed(
    web: &Web,
    route: Route,
    parts: &Parts,
    request_id: &RequestId,
    began: Instant,
) -> Response {
    let span = web.tracing.as_ref().and_then(|tracing| tracing.begin(&web.gate, route, parts));
    let admitted = web.gate.admit(route.guard(), parts);
    let reply = match (&admitted, route) {
        (Err(problem), _) => (*problem).into(),
        (Ok(admitted), Route::Redirect(form)) => {
            let caller = CallerOfRequest::new(&web.gate, admitted, parts);
            let identity = admitted.identity;
            let mut guard = DisconnectGuard {
                web,
                route,
                form,
                parts,
                request_id,
                identity,
                span: span.as_ref(),
                began,
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
    if let Some(span) = &span {
        let link = reply.item.as_ref().map(Item::kind).zip(reply.outcome.map(LinkOutcome::as_str));
        span.answered(response.status(), link);
    }
    let entry = Entry {
        request_id: request_id.as_str(),
        route: route.pattern(),
        method: &parts.method,
        status: response.status(),
        identity: admitted.as_ref().ok().and_then(|admitted| admitted.identity),
        item: reply.item.as_ref(),
        outcome: reply.outcome.map(LinkOutcome::as_str),
        trace_id: span.as_ref().map(RequestSpan::trace_id),
        began,
    };
    web.access_log.note(&entry, reply.cold);
    response
}

/// Counts and logs a request that ends before its answer is ready. The server then drops what answers it.
struct DisconnectGuard<'a> {
    web: &'a Web,
    route: Route,
    form: Form,
    parts: &'a Parts,
    request_id: &'a RequestId,
    identity: Option<&'a str>,
    span: Option<&'a RequestSpan>,
    began: Instant,
    is_armed: bool,
}

impl Drop for DisconnectGuard<'_> {
    fn drop(&mut self) {
        // A panic is answered.
        if !self.is_armed || std::thread::panicking() {
            return;
        }
        let Self { web, route, parts, began, .. } = *self;
        web.request_metrics.count(route, &parts.method, CLIENT_CLOSED_REQUEST, began);
        if let Some(span) = self.span {
            span.answered(CLIENT_CLOSED_REQUEST, None);
        }
        // Read once more: nothing is kept for this on the way of the others.
        let item = redirect::item(web, self.form, &parts.uri);
        let entry = Entry {
            request_id: self.request_id.as_str(),
            route: route.pattern(),
            method: &parts.method,
            status: CLIENT_CLOSED_REQUEST,
            identity: self.identity,
            item: item.as_ref(),
            outcome: None,
            trace_id: self.span.map(RequestSpan::trace_id),
            began,
        };
        // Only what is not in memory is waited for, so it counts as cold.
        web.access_log.note(&entry, true);
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
