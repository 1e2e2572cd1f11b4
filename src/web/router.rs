//! The router of the public listener: which handler answers which path and method.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, any};
use http::Method;

use super::caller::AccessRule;
use super::route::{ALLOW_FORM, ALLOW_GET, ApiRoute, FixedRoute, LinkRoute, Route, TAGS, TagRoute};
use super::{Web, cors, handler, openapi};

/// Every path of the public listener, below `server.base_path`.
pub fn public_router(web: Web) -> Router {
    openapi::prepare(&web);
    let web = &Arc::new(web);
    let base = &web.options.base_path;
    let mut router = Router::new();
    for redirect in LinkRoute::all_with_id_in_query() {
        for path in [redirect.pattern, redirect.prefix] {
            router = router.route(&format!("{base}{path}"), get_or_head(web, Route::Redirect(redirect)));
        }
    }
    for fixed in FixedRoute::ALL {
        let path = format!("{base}{}", fixed.path());
        let other_spelling = match path.strip_suffix('/') {
            Some(without_slash) => without_slash.to_owned(),
            None => format!("{path}/"),
        };
        for path in [path, other_spelling].into_iter().filter(|path| !path.is_empty()) {
            let method_router = if fixed.has_form() { with_form } else { get_or_head };
            router = router.route(&path, method_router(web, Route::Fixed(fixed)));
        }
    }
    // Tag look-ups have paths of their own, which no id of `/go/{id}` may take.
    for rest in ["", "/", "/{*rest}"] {
        let web = Arc::clone(web);
        let answer = any(move |request: Request| {
            let route = tag_route(&web, request.method(), request.uri().path());
            handler::handle(Arc::clone(&web), route, request)
        });
        router = router.route(&format!("{base}{TAGS}{rest}"), answer);
    }
    let mut api = Router::new();
    for path in ["/api", "/api/", "/api/{*rest}"] {
        let web = Arc::clone(web);
        let answer = any(move |request: Request| {
            let route = api_route(&web.options.base_path, request.method(), request.uri().path());
            handler::handle(Arc::clone(&web), route, request)
        });
        api = api.route(&format!("{base}{path}"), answer);
    }
    let with_id = Arc::clone(web);
    router.merge(cors::around(api, web)).fallback(move |request: Request| {
        let route = route_with_id(&with_id.options.base_path, request.method(), request.uri().path());
        handler::handle(Arc::clone(&with_id), route, request)
    })
}

/// The route of a path that axum's router does not know: one with an id in it, or none of ours.
fn route_with_id(base_path: &str, method: &Method, path: &str) -> Route {
    match path.strip_prefix(base_path).and_then(LinkRoute::with_id_in_path) {
        Some(redirect) if matches!(*method, Method::GET | Method::HEAD) => Route::Redirect(redirect),
        Some(_) => wrong_method(ALLOW_GET),
        None => Route::Unmatched,
    }
}

/// The route of a path below `/go/tag`. axum's router would decode a value before we decode it.
fn tag_route(web: &Web, method: &Method, path: &str) -> Route {
    let path = path.strip_prefix(&*web.options.base_path).unwrap_or_default();
    match TagRoute::of(path, &web.options.lookup_tags) {
        Some(tag) if matches!(*method, Method::GET | Method::HEAD) => Route::Tag(tag),
        Some(_) => wrong_method(ALLOW_GET),
        None => Route::Unmatched,
    }
}

/// The route of a path below `/api`. axum's router would decode an id before we decode it.
fn api_route(base_path: &str, method: &Method, path: &str) -> Route {
    let api = ApiRoute::of(path.strip_prefix(base_path).unwrap_or_default());
    match api.allow() {
        Some(allow) if !allow.split(',').any(|allowed| allowed == method.as_str()) => {
            Route::WrongMethod { allow, rule: AccessRule::Api }
        }
        _ => Route::Api(api),
    }
}

const fn wrong_method(allow: &'static str) -> Route {
    Route::WrongMethod { allow, rule: AccessRule::Identity }
}

/// `HEAD` is answered as `GET`; the server leaves the body out.
fn get_or_head(web: &Arc<Web>, route: Route) -> MethodRouter {
    let other_methods = any_method(web, wrong_method(ALLOW_GET));
    let web = Arc::clone(web);
    other_methods.get(move |request| handler::handle(Arc::clone(&web), route, request))
}

fn with_form(web: &Arc<Web>, route: Route) -> MethodRouter {
    let other_methods = any_method(web, wrong_method(ALLOW_FORM));
    let (page, form) = (Arc::clone(web), Arc::clone(web));
    other_methods
        .get(move |request| handler::handle(Arc::clone(&page), route, request))
        .post(move |request| handler::handle(Arc::clone(&form), route, request))
}

fn any_method(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    any(move |request| handler::handle(Arc::clone(&web), route, request))
}
