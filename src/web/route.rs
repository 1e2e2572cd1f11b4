//! The table of the paths of the public listener.

use super::caller::AccessRule;
use crate::domain::Kind;

/// Where a request was routed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A redirect.
    Redirect(RedirectRoute),
    /// A path that needs no identity, and has nothing to show yet.
    Open,
    /// `/api` and everything below, which has nothing to show yet.
    Api,
    /// No path of ours.
    Unmatched,
    /// A path of ours, but another method.
    WrongMethod,
}

/// A path that redirects, with its id in one of two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedirectRoute {
    /// The path below `server.base_path`, up to where an id may stand.
    pub(super) prefix: &'static str,
    /// The route's pattern, for logs and metrics.
    pub(super) pattern: &'static str,
    /// See [`Route::pattern_index`].
    pattern_index: usize,
    /// The kind that the path names; without one it is found out.
    pub(super) kind: Option<Kind>,
    /// Where the id stands.
    pub(super) id: IdLocation,
}

/// Where the id of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdLocation {
    /// In the rest of the path. Slashes that a proxy decoded on the way belong to it.
    Path,
    /// In the query: the form that survives tools which mangle paths.
    Query,
}

/// The pattern of everything that matches no route.
const UNMATCHED: &str = "unmatched";

/// The paths that browsers and robots ask for by themselves.
pub(super) const OPEN_PATHS: [&str; 2] = ["/favicon.svg", "/robots.txt"];

/// The short path of interactions.
const SHORT_INTERACTION: &str = "/i/";

/// The paths that an id may follow, the longer ones first; with their patterns and kinds.
const PATHS: [(&str, &str, Option<Kind>); 5] = [
    ("/go/interaction/", "/go/interaction/{id}", Some(Kind::Interaction)),
    ("/go/conversation/", "/go/conversation/{id}", Some(Kind::Conversation)),
    ("/go/", "/go/{id}", None),
    (SHORT_INTERACTION, "/i/{id}", Some(Kind::Interaction)),
    ("/c/", "/c/{id}", Some(Kind::Conversation)),
];

impl Route {
    /// The number of patterns: each path with the id in path or query, and `unmatched`.
    pub(super) const PATTERNS: usize = 1 + 2 * PATHS.len();

    /// The index of the route's pattern, below [`Self::PATTERNS`].
    pub(super) const fn pattern_index(self) -> usize {
        match self {
            Self::Redirect(redirect) => redirect.pattern_index,
            Self::Open | Self::Api | Self::Unmatched | Self::WrongMethod => 0,
        }
    }

    /// The route's pattern: never anything that a caller chose.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Redirect(redirect) => redirect.pattern,
            Self::Open | Self::Api | Self::Unmatched | Self::WrongMethod => UNMATCHED,
        }
    }

    /// The route's pattern; `None` for a path that is not ours.
    pub(super) fn pattern_if_matched(self) -> Option<&'static str> {
        Some(self.pattern()).filter(|pattern| *pattern != UNMATCHED)
    }

    /// The proof that the route requires of its callers.
    pub(super) const fn access_rule(self) -> AccessRule {
        match self {
            Self::Open => AccessRule::Open,
            Self::Api => AccessRule::Api,
            Self::Redirect(_) | Self::Unmatched | Self::WrongMethod => AccessRule::Identity,
        }
    }
}

impl RedirectRoute {
    /// Returns true if an interaction's id may also be written as its short code.
    pub(super) fn takes_short_code(self) -> bool {
        self.prefix == SHORT_INTERACTION
    }

    /// The route of a path with an id in it.
    ///
    /// axum's router knows no such path: it would copy and decode the id before we decode it, on the way of every redirect.
    pub(super) fn with_id_in_path(path: &str) -> Option<Self> {
        let (index, (prefix, pattern, kind)) = PATHS
            .into_iter()
            .enumerate()
            .find(|(_, (prefix, ..))| path.len() > prefix.len() && path.starts_with(prefix))?;
        Some(Self { prefix, pattern, pattern_index: 1 + index, kind, id: IdLocation::Path })
    }

    /// Every route with the id in the query.
    pub(super) fn all_with_id_in_query() -> impl Iterator<Item = Self> {
        PATHS.into_iter().enumerate().map(|(index, (prefix, _, kind))| {
            let (pattern, pattern_index) = (prefix.trim_end_matches('/'), 1 + PATHS.len() + index);
            Self { prefix, pattern, pattern_index, kind, id: IdLocation::Query }
        })
    }
}

#[cfg(test)]
impl Route {
    /// One route for each pattern.
    pub(super) fn all() -> Vec<Self> {
        let by_path = PATHS.into_iter().filter_map(|(_, pattern, _)| RedirectRoute::with_id_in_path(pattern));
        let by_query = RedirectRoute::all_with_id_in_query();
        by_path.chain(by_query).map(Self::Redirect).chain([Self::Unmatched]).collect()
    }
}
