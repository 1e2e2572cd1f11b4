//! The paths of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, any, get};

use super::caller::Guard;
use super::{Web, cors, exchange};
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

const PATHS: [(&str, &str, Option<Kind>); 5] = [
    ("/go/interaction/", "/go/interaction/{id}", Some(Kind::Interaction)),
    ("/go/conversation/", "/go/conversation/{id}", Some(Kind::Conversation)),
    ("/go/", "/go/{id}", None),
    ("/i/", "/i/{id}", Some(Kind::Interaction)),
    ("/c/", "/c/{id}", Some(Kind::Conversation)),
];

impl Route {
    /// The route's pattern: never anything that a caller chose.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Redirect(form) => form.pattern,
            Self::Open | Self::Api | Self::Unmatched | Self::WrongMethod => UNMATCHED,
        }
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

/// Every path of the public listener, below `server.base_path`.
pub fn router(web: &Arc<Web>) -> Router {
    let base = &web.base_path;
    let mut router = Router::new();
    for (prefix, pattern, kind) in PATHS {
        let in_path = Route::Redirect(Form { prefix, pattern, kind, id: IdPlace::Path });
        let without_id = prefix.trim_end_matches('/');
        let in_query = Route::Redirect(Form { prefix, pattern: without_id, kind, id: IdPlace::Query });
        router = router
            .route(&format!("{base}{without_id}"), endpoint(web, in_query))
            .route(&format!("{base}{prefix}"), endpoint(web, in_query))
            .route(&format!("{base}{prefix}{{*id}}"), endpoint(web, in_path));
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
    let (unmatched, wrong_method) = (Arc::clone(web), Arc::clone(web));
    router
        .merge(api(web))
        .method_not_allowed_fallback(move |request| {
            exchange::answer(Arc::clone(&wrong_method), Route::WrongMethod, request)
        })
        .fallback(move |request| exchange::answer(Arc::clone(&unmatched), Route::Unmatched, request))
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
    get(move |request| exchange::answer(Arc::clone(&web), route, request))
}

/// The same answer whatever the method.
fn anything(web: &Arc<Web>, route: Route) -> MethodRouter {
    let web = Arc::clone(web);
    any(move |request| exchange::answer(Arc::clone(&web), route, request))
}
