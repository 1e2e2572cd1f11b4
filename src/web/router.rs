//! The router of the public listener: which handler answers which path and method.
//!
//! Redirects do not reach axum's router, because they are all that has to be quick; everything else does. Both know the paths
//! of redirects from one table, [`LinkRoute::of`].

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use http::Method;
use tower::ServiceExt as _;

use super::caller::AccessRule;
use super::request_head::{ClientConnection, RequestHead};
use super::route::{ALLOW_FORM, ALLOW_GET, ApiRoute, FixedRoute, LinkRoute, Route, TAGS, TagRoute};
use super::{Web, cors, handler};

/// Answers every request of the public listener.
#[derive(Clone)]
pub struct PublicRouter(Arc<PublicRoutes>);

struct PublicRoutes {
    web: Arc<Web>,
    others: Router,
}

impl PublicRouter {
    /// Every path of the public listener, below `server.base_path`.
    #[must_use]
    pub fn new(web: Web) -> Self {
        let web = Arc::new(web);
        let others = all_but_redirects(&web);
        Self(Arc::new(PublicRoutes { web, others }))
    }

    /// Answers a request. It comes without a connection in a test of the routes alone; then all callers are one.
    pub async fn answer<B>(
        &self,
        connection: Option<Arc<dyn ClientConnection>>,
        mut request: http::Request<B>,
    ) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let PublicRoutes { web, others } = &*self.0;
        if let Some(redirect) = redirect_route(&web.options.base_path, request.method(), request.uri().path())
        {
            let (parts, _not_read) = request.into_parts();
            let head = RequestHead::new(parts, connection);
            return handler::handle(web, Route::Redirect(redirect), head, Body::empty()).await;
        }
        if let Some(connection) = connection {
            request.extensions_mut().insert(connection);
        }
        // Boxed, so that the future of a redirect stays small.
        let answered: Result<_, Infallible> = Box::pin(others.clone().oneshot(request)).await;
        let Ok(response) = answered;
        response
    }
}

/// The redirect that a request asks for.
fn redirect_route(base_path: &str, method: &Method, path: &str) -> Option<LinkRoute> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if is_read { LinkRoute::of(path.strip_prefix(base_path)?) } else { None }
}

/// axum's router.
fn all_but_redirects(web: &Arc<Web>) -> Router {
    let base = &web.options.base_path;
    let mut router = Router::new();
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
            answer(Arc::clone(&web), route, request)
        });
        router = router.route(&format!("{base}{TAGS}{rest}"), answer);
    }
    let mut api = Router::new();
    for path in ["/api", "/api/", "/api/{*rest}"] {
        let web = Arc::clone(web);
        let answer = any(move |request: Request| {
            let route = api_route(&web.options.base_path, request.method(), request.uri().path());
            answer(Arc::clone(&web), route, request)
        });
        api = api.route(&format!("{base}{path}"), answer);
    }
    let remaining = Arc::clone(web);
    router.merge(cors::around(api, web)).fallback(move |request: Request| {
        // A redirect that is not read has another method.
        let path = request.uri().path().strip_prefix(&*remaining.options.base_path);
        let route = path.and_then(LinkRoute::of).map_or(Route::Unmatched, |_| wrong_method(ALLOW_GET));
        answer(Arc::clone(&remaining), route, request)
    })
}

async fn answer(web: Arc<Web>, route: Route, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let connection = parts.extensions.remove();
    handler::handle(&web, route, RequestHead::new(parts, connection), body).await
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
    other_methods.get(move |request| answer(Arc::clone(&web), route, request))
}

fn with_form(web: &Arc<Web>, route: Route) -> MethodRouter {
    let other_methods = any_method(web, wrong_method(ALLOW_FORM));
    let (page, form) = (Arc::clone(web), Arc::clone(web));
    other_methods
        .get(move |request| answer(Arc::clone(&page), route, request))
        .post(move |request| answer(Arc::clone(&form), route, request))
}

fn any_method(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    any(move |request| answer(Arc::clone(&web), route, request))
}
