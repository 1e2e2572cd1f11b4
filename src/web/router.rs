//! The router of the public listener: which handler answers which path and method.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, any};
use http::Method;

use super::route::{ALLOW_FORM, ALLOW_GET, FixedRoute, RedirectRoute, Route, TAGS};
use super::{Web, cors, handler};

/// Every path of the public listener, below `server.base_path`.
pub fn public_router(web: Web) -> Router {
    let web = &Arc::new(web);
    let base = &web.options.base_path;
    let mut router = Router::new();
    for redirect in RedirectRoute::all_with_id_in_query() {
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
        router = router.route(&format!("{base}{TAGS}{rest}"), any_method(web, Route::Unmatched));
    }
    let mut api = Router::new();
    for path in ["/api", "/api/", "/api/{*rest}"] {
        api = api.route(&format!("{base}{path}"), any_method(web, Route::Api));
    }
    let with_id = Arc::clone(web);
    router.merge(cors::around(api, web, Route::Api)).fallback(move |request: Request| {
        let route = route_with_id(&with_id.options.base_path, request.method(), request.uri().path());
        handler::handle(Arc::clone(&with_id), route, request)
    })
}

/// The route of a path that axum's router does not know: one with an id in it, or none of ours.
fn route_with_id(base_path: &str, method: &Method, path: &str) -> Route {
    match path.strip_prefix(base_path).and_then(RedirectRoute::with_id_in_path) {
        Some(redirect) if matches!(*method, Method::GET | Method::HEAD) => Route::Redirect(redirect),
        Some(_) => Route::WrongMethod { allow: ALLOW_GET },
        None => Route::Unmatched,
    }
}

/// `HEAD` is answered as `GET`; the server leaves the body out.
fn get_or_head(web: &Arc<Web>, route: Route) -> MethodRouter {
    let other_methods = any_method(web, Route::WrongMethod { allow: ALLOW_GET });
    let web = Arc::clone(web);
    other_methods.get(move |request| handler::handle(Arc::clone(&web), route, request))
}

fn with_form(web: &Arc<Web>, route: Route) -> MethodRouter {
    let other_methods = any_method(web, Route::WrongMethod { allow: ALLOW_FORM });
    let (page, form) = (Arc::clone(web), Arc::clone(web));
    other_methods
        .get(move |request| handler::handle(Arc::clone(&page), route, request))
        .post(move |request| handler::handle(Arc::clone(&form), route, request))
}

fn any_method(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    any(move |request| handler::handle(Arc::clone(&web), route, request))
}
