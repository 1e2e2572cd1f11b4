//! The rules for browsers on other origins (CORS): they may read `/api`, from the origins of `access.cors_origins`, without
//! credentials.

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
use super::handler::finish;
use super::headers::{CACHE_STATUS, NO_STORE, SERVER_TIMING, X_REQUEST_ID};
use super::observability::{RequestId, RequestRecord};
use super::route::{ApiRoute, Route};

/// How long a browser may keep the answer to a preflight: short, so that a changed setting arrives.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Headers for a listed origin alone.
const FOR_LISTED: [HeaderName; 4] = [
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Puts the rules around routes, errors included. They answer a preflight themselves, before it is authenticated: a browser
/// sends no credentials with one.
pub(super) fn around(router: Router, web: &Arc<Web>) -> Router {
    let origins = web.options.access.cors_origins.iter();
    let origins = origins.filter_map(|origin| HeaderValue::try_from(origin).ok());
    let rules = CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, X_REQUEST_ID])
        .expose_headers([CACHE_STATUS, RETRY_AFTER, SERVER_TIMING, X_REQUEST_ID])
        .max_age(MAX_AGE);
    let web = Arc::clone(web);
    router.layer(rules).layer(from_fn(move |request, next| answer(Arc::clone(&web), request, next)))
}

/// Gives a preflight the headers and the line in the log that every answer has, and tells other origins none of the rules.
async fn answer(web: Arc<Web>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let preflight = (request.method() == Method::OPTIONS).then(|| {
        let path = request.uri().path().strip_prefix(&web.options.base_path).unwrap_or_default();
        (RequestId::of(request.headers()), Route::Api(ApiRoute::of(path)))
    });
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        for name in FOR_LISTED {
            headers.remove(name);
        }
    }
    if let Some((request_id, route)) = preflight {
        headers.insert(CACHE_CONTROL, NO_STORE);
        *response.status_mut() = StatusCode::NO_CONTENT;
        let record = RequestRecord {
            request_id: &request_id,
            route,
            method: &Method::OPTIONS,
            status: response.status(),
            identity: None,
            tag: None,
            item: None,
            outcome: None,
            links: None,
            is_cold: false,
            started,
        };
        // No person asks for it and it costs next to nothing, so it is not traced.
        web.record(&record, None);
        finish(&mut response, request_id);
    }
    response
}
