//! What browsers on other origins may read: `/api`, from the origins of `access.cors_origins`, without credentials.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE,
    HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Method, StatusCode};
use tower_http::cors::CorsLayer;

use super::Web;
use super::handler::{X_REQUEST_ID, finish};
use super::observability::Entry;
use super::observability::RequestId;
use super::route::Route;

/// How long a browser need not ask again: short, so that a changed setting arrives.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// What only a listed origin is told.
const FOR_LISTED: [HeaderName; 4] = [
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The rules for these origins, as browsers spell them.
pub(super) fn layer(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER, X_REQUEST_ID])
        .max_age(MAX_AGE)
}

/// Puts the rules around routes, errors included. They answer a preflight themselves, before anybody is asked who they
/// are: a browser sends none of that with one.
pub(super) fn around(router: Router, web: &Arc<Web>, route: Route) -> Router {
    let rules = web.cors.clone();
    let web = Arc::clone(web);
    router.layer(rules).layer(from_fn(move |request, next| answer(Arc::clone(&web), route, request, next)))
}

/// Gives a preflight the headers and the line in the log that every answer has, and tells other origins nothing.
async fn answer(web: Arc<Web>, route: Route, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let preflight = (request.method() == Method::OPTIONS).then(|| RequestId::of(request.headers()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        for name in FOR_LISTED {
            headers.remove(name);
        }
    }
    if let Some(request_id) = preflight {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let entry = Entry {
            request_id: request_id.as_str(),
            route: route.pattern(),
            method: &Method::OPTIONS,
            status: response.status(),
            identity: None,
            item: None,
            outcome: None,
            // It is no request of a person, and costs next to nothing.
            trace_id: None,
            began,
        };
        web.access_log.note(&entry, false);
        finish(&mut response, request_id);
        web.request_metrics.count(route, &Method::OPTIONS, response.status(), began);
    }
    response
}
