//! The handler of every route: authenticates the caller of a request, answers it and records it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{HeaderMap, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use super::Web;
use super::answer::{Outgoing, RouteAnswer};
use super::caller::RequestCaller;
use super::headers::X_REQUEST_ID;
use super::installation::Installation;
use super::late_record::{LateRecord, RecordedBody};
use super::link_request::LinkRequest;
use super::observability::{CLIENT_CLOSED_REQUEST, RequestId, RequestRecord, RequestSpan};
use super::pages::{favicon, open_search, robots};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::request_head::{Disconnected, RequestHead};
use super::route::{ApiRoute, FixedRoute, Route, is_of_tags};
use super::{api, kit, negotiation, openapi, paste, redirect, tag};
use crate::domain::{Item, LazyCaller};

/// Answers a request, whatever its route. A defect that panics is a 500, not a closed connection.
pub(super) async fn handle(web: &Arc<Web>, route: Route, head: RequestHead, body: Body) -> Response {
    let started = Instant::now();
    let request_id = RequestId::of(&head.headers);
    let answered =
        AssertUnwindSafe(respond(web, route, &head, body, &request_id, started)).catch_unwind().await;
    let answer = answered.unwrap_or_else(|_panic| {
        tracing::error!(
            request_id = request_id.as_str(),
            route = route.pattern(),
            "failed to answer a request: the handler panicked"
        );
        let as_page = wants_page(route, &head);
        let response = ProblemResponse::from(Problem::Internal).into_response(web, as_page, &request_id);
        web.request_metrics.count(route, &head.method, response.status(), started.elapsed());
        response.into()
    });
    let mut response = answer.into_response(head.headers);
    finish(&mut response, request_id);
    response
}

/// Answers a request, counts it and the outcome of its link, and writes its line in the log.
async fn respond(
    web: &Arc<Web>,
    route: Route,
    head: &RequestHead,
    body: Body,
    request_id: &RequestId,
    started: Instant,
) -> Outgoing {
    let tracer = web.options.tracer.as_ref();
    let span = tracer.and_then(|tracer| tracer.start_span(&web.authenticator, route, head));
    let principal = web.authenticator.authenticate(route.access_rule(), head);
    let unanswered = RequestRecord {
        request_id,
        route,
        method: &head.method,
        status: CLIENT_CLOSED_REQUEST,
        identity: principal.as_ref().ok().and_then(|principal| principal.identity),
        tag: web.tag_of(route).map(|tag| &**tag),
        item: None,
        outcome: None,
        links: None,
        // Only a cold request waits for anything.
        is_cold: true,
        started,
    };
    let answer = match (&principal, route) {
        (Err(problem), _) => (*problem).into(),
        (Ok(principal), Route::Redirect(_) | Route::Tag(_) | Route::Fixed(_) | Route::Api(_)) => {
            let caller = RequestCaller::new(&web.authenticator, principal, head);
            let span = span.as_ref();
            let mut guard = DisconnectGuard { web, record: &unanswered, head, span, is_armed: true };
            let answer = async {
                match route {
                    Route::Redirect(route) => redirect::answer(web, route, head, &caller).await,
                    // Boxed, so that the future of a redirect stays small.
                    Route::Tag(route) => Box::pin(tag::answer(web, route, head, &caller)).await,
                    Route::Fixed(route) => Box::pin(fixed(web, route, head, body, &caller)).await,
                    Route::Api(route) => Box::pin(api::answer(web, route, head, body, &caller)).await,
                    Route::Unmatched | Route::WrongMethod { .. } => {
                        Problem::UnknownPath { is_api: false }.into()
                    }
                }
            };
            let answer = match span {
                None => answer.await,
                Some(span) => span.around(answer).await,
            };
            guard.is_armed = false;
            answer
        }
        (Ok(_), Route::Unmatched) => unmatched(web, head).into(),
        (Ok(_), Route::WrongMethod { allow, .. }) => Problem::MethodNotAllowed { allow }.into(),
    };
    let RouteAnswer { result, item, outcome, links, is_cold, becomes_cold } = answer;
    if is_cold || becomes_cold.is_some() || result.is_err() {
        web.authenticator.warn_of_untrusted_forwarder(head);
    }
    if let (Some(item), Some(outcome)) = (&item, outcome) {
        web.resolution_metrics.count(item.kind(), outcome);
    }
    let answer = result
        .unwrap_or_else(|problem| problem.into_response(web, wants_page(route, head), request_id).into());
    let record =
        RequestRecord { status: answer.status(), item: item.as_ref(), outcome, links, is_cold, ..unanswered };
    if let Some(is_cold) = becomes_cold {
        let record = LateRecord::new(web, &record, span);
        let response = answer.into_response(HeaderMap::new());
        return response.map(|body| Body::new(RecordedBody::new(body, record, is_cold))).into();
    }
    let watch_disconnect = || head.connection.as_ref()?.watch_disconnect();
    if is_cold && let Some(disconnected) = watch_disconnect() {
        record_later(LateRecord::new(web, &record, span), disconnected);
    } else {
        web.record(&record, span.as_ref());
    }
    answer
}

/// The problem of a path that is not ours.
fn unmatched(web: &Web, head: &RequestHead) -> Problem {
    let path = head.uri.path().strip_prefix(&*web.options.base_path);
    if path.is_some_and(is_of_tags) { Problem::UnknownTag } else { Problem::UnknownPath { is_api: false } }
}

/// Returns true if the caller is a browser that wants a page, where there are pages.
fn wants_page(route: Route, head: &RequestHead) -> bool {
    route.has_pages() && negotiation::wants_page(&head.headers)
}

/// Answers at the path of a page or a file.
async fn fixed(
    web: &Arc<Web>,
    route: FixedRoute,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'static> {
    match route {
        FixedRoute::Paste => paste::answer(web, head, body, caller).await,
        FixedRoute::Kit => kit::answer(web, head, body, caller).await,
        FixedRoute::OpenApi => match openapi::answer(web).await {
            Ok(description) => description.into(),
            Err(problem) => problem.into(),
        },
        FixedRoute::OpenSearch => match open_search(&Installation::of(web, head).address_of("")) {
            Ok(description) => description.into(),
            Err(problem) => problem.into(),
        },
        FixedRoute::Favicon => favicon().into(),
        FixedRoute::Robots => robots().into(),
    }
}

impl Web {
    /// Counts, logs and traces an answered request.
    pub(super) fn record(&self, record: &RequestRecord<'_>, span: Option<&RequestSpan>) {
        let duration = record.started.elapsed();
        self.request_metrics.count(record.route, record.method, record.status, duration);
        if let Some(span) = span {
            span.answered(record.status, record.item.map(Item::kind).zip(record.outcome));
        }
        self.options.access_log.log(record, duration, span.map(RequestSpan::trace_id));
    }
}

/// Records a request as soon as it is known whether its client had disconnected before the answer was sent.
fn record_later(record: LateRecord, disconnected: Disconnected) {
    let answered = Instant::now();
    tokio::spawn(async move {
        let is_disconnected = disconnected.await;
        record.write(|record| {
            if is_disconnected {
                record.status = CLIENT_CLOSED_REQUEST;
                record.outcome = None;
            }
            // The wait for the disconnect does not belong to the request.
            record.started += answered.elapsed();
        });
    });
}

/// Records a request whose client disconnects before its answer is ready: the server then drops the future that answers it.
struct DisconnectGuard<'a> {
    web: &'a Web,
    record: &'a RequestRecord<'a>,
    head: &'a RequestHead,
    span: Option<&'a RequestSpan>,
    is_armed: bool,
}

impl Drop for DisconnectGuard<'_> {
    fn drop(&mut self) {
        // A panic is answered.
        if self.is_armed && !std::thread::panicking() {
            // The item is read once more here: the requests that are answered keep nothing for this.
            let item = match self.record.route {
                Route::Redirect(route) | Route::Api(ApiRoute::Link(route)) => {
                    LinkRequest::item(self.web, route, self.head)
                }
                _ => None,
            };
            self.web.record(&RequestRecord { item: item.as_ref(), ..*self.record }, self.span);
        }
    }
}

/// Adds the headers that every answer has.
pub(super) fn finish(response: &mut Response, request_id: RequestId) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    // A page with a form has another one.
    headers.entry(REFERRER_POLICY).or_insert(NO_REFERRER);
    headers.insert(X_REQUEST_ID, request_id.into_header());
}
