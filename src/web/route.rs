//! The paths of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, any, get};
use http::Method;

use super::caller::Guard;
use super::{Web, cors, handler};
use crate::domain::Kind;

/// Where a request was routed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A redirect.
    Redirect(Form),
    /// A path that asks nobody who they are, and has nothing to show yet.
    Open,
    /// `/api` and everything below, which has nothing to show yet.
    Api,
    /// No path of ours.
    Unmatched,
    /// A path of ours, but another method.
    WrongMethod,
}

/// One way to name an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// The path below `server.base_path`, up to where an id may stand.
    pub(super) prefix: &'static str,
    /// The route's pattern, for logs and metrics.
    pub(super) pattern: &'static str,
    /// Its place among the paths that an id may follow.
    place: usize,
    /// The kind that the path names; without one it is found out.
    pub(super) kind: Option<Kind>,
    /// Where the id stands.
    pub(super) id: IdPlace,
}

/// Where the id of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdPlace {
    /// In the rest of the path. Slashes that a proxy decoded on the way belong to it.
    Path,
    /// In the query: the form that survives tools which mangle paths.
    Query,
}

/// The pattern of everything that matches no route.
const UNMATCHED: &str = "unmatched";

/// What a browser and a robot ask for without anybody behind them.
const OPEN: [&str; 2] = ["/favicon.svg", "/robots.txt"];

/// The paths that an id may follow, the longer ones first; with their patterns and kinds.
const PATHS: [(&str, &str, Option<Kind>); 5] = [
    ("/go/interaction/", "/go/interaction/{id}", Some(Kind::Interaction)),
    ("/go/conversation/", "/go/conversation/{id}", Some(Kind::Conversation)),
    ("/go/", "/go/{id}", None),
    ("/i/", "/i/{id}", Some(Kind::Interaction)),
    ("/c/", "/c/{id}", Some(Kind::Conversation)),
];

impl Route {
    /// How many numbers there are.
    pub(super) const NUMBERS: usize = 1 + 2 * PATHS.len();

    /// The number of the route's pattern, below [`Self::NUMBERS`].
    pub(super) const fn number(self) -> usize {
        match self {
            Self::Redirect(Form { place, id: IdPlace::Path, .. }) => 1 + place,
            Self::Redirect(Form { place, id: IdPlace::Query, .. }) => 1 + PATHS.len() + place,
            Self::Open | Self::Api | Self::Unmatched | Self::WrongMethod => 0,
        }
    }

    /// The route's pattern: never anything that a caller chose.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Redirect(form) => form.pattern,
            Self::Open | Self::Api | Self::Unmatched | Self::WrongMethod => UNMATCHED,
        }
    }

    /// The same, but only of a path that is ours.
    pub(super) fn pattern_if_matched(self) -> Option<&'static str> {
        Some(self.pattern()).filter(|pattern| *pattern != UNMATCHED)
    }

    /// What it asks of those who want to get in.
    pub(super) const fn guard(self) -> Guard {
        match self {
            Self::Open => Guard::Open,
            Self::Api => Guard::Api,
            Self::Redirect(_) | Self::Unmatched | Self::WrongMethod => Guard::Identity,
        }
    }
}

impl Form {
    /// The form of a path with an id in it.
    ///
    /// The router knows no such path: it would copy and decode the id before we decode it, on the way of every redirect.
    fn of_path(path: &str) -> Option<Self> {
        let (place, (prefix, pattern, kind)) = PATHS
            .into_iter()
            .enumerate()
            .find(|(_, (prefix, ..))| path.len() > prefix.len() && path.starts_with(prefix))?;
        Some(Self { prefix, pattern, place, kind, id: IdPlace::Path })
    }

    /// The form of a path with the id in the query.
    fn without_id((place, (prefix, _, kind)): (usize, (&'static str, &'static str, Option<Kind>))) -> Self {
        Self { prefix, pattern: prefix.trim_end_matches('/'), place, kind, id: IdPlace::Query }
    }
}

/// Every path of the public listener, below `server.base_path`.
pub fn router(web: &Arc<Web>) -> Router {
    let base = &web.base_path;
    let mut router = Router::new();
    for path in PATHS.into_iter().enumerate() {
        let form = Form::without_id(path);
        let endpoint = || endpoint(web, Route::Redirect(form));
        router = router
            .route(&format!("{base}{}", form.pattern), endpoint())
            .route(&format!("{base}{}", form.prefix), endpoint());
    }
    for path in OPEN {
        router = router
            .route(&format!("{base}{path}"), anything(web, Route::Open))
            .route(&format!("{base}{path}/"), anything(web, Route::Open));
    }
    // Tag look-ups have paths of their own, which no id of `/go/{id}` may take.
    for tags in ["/go/tag", "/go/tag/", "/go/tag/{*rest}"] {
        router = router.route(&format!("{base}{tags}"), anything(web, Route::Unmatched));
    }
    let (with_id, wrong_method) = (Arc::clone(web), Arc::clone(web));
    router
        .merge(api(web))
        .method_not_allowed_fallback(move |request| {
            handler::answer(Arc::clone(&wrong_method), Route::WrongMethod, request)
        })
        .fallback(move |request: Request| {
            let route = with_id.route_of(request.method(), request.uri().path());
            handler::answer(Arc::clone(&with_id), route, request)
        })
}

impl Web {
    /// The route of a path that the router does not know: one with an id in it, or none of ours.
    fn route_of(&self, method: &Method, path: &str) -> Route {
        match path.strip_prefix(self.base_path.as_str()).and_then(Form::of_path) {
            Some(form) if matches!(*method, Method::GET | Method::HEAD) => Route::Redirect(form),
            Some(_) => Route::WrongMethod,
            None => Route::Unmatched,
        }
    }
}

/// `/api` and everything below.
fn api(web: &Arc<Web>) -> Router {
    let base = &web.base_path;
    let api = || anything(web, Route::Api);
    let router = Router::new()
        .route(&format!("{base}/api"), api())
        .route(&format!("{base}/api/"), api())
        .route(&format!("{base}/api/{{*rest}}"), api());
    cors::around(router, web, Route::Api)
}

/// `HEAD` is answered as `GET`; the server leaves the body out.
fn endpoint(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    get(move |request| handler::answer(Arc::clone(&web), route, request))
}

/// The same answer whatever the method.
fn anything(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    any(move |request| handler::answer(Arc::clone(&web), route, request))
}

#[cfg(test)]
impl Route {
    /// One route for each pattern.
    pub(super) fn all() -> Vec<Self> {
        let by_path = PATHS.into_iter().filter_map(|(_, pattern, _)| Form::of_path(pattern));
        let by_query = PATHS.into_iter().enumerate().map(Form::without_id);
        by_path.chain(by_query).map(Self::Redirect).chain([Self::Unmatched]).collect()
    }
}
