//! The table of the paths of the public listener.

use super::caller::AccessRule;
use crate::domain::Kind;

/// Where a request was routed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A redirect.
    Redirect(RedirectRoute),
    /// A page or a file at a path of its own.
    Fixed(FixedRoute),
    /// `/api` and everything below, which has nothing to show yet.
    Api,
    /// No path of ours.
    Unmatched,
    /// A path of ours, but another method than these.
    WrongMethod {
        /// The value of `Allow`.
        allow: &'static str,
    },
}

/// A page or a file at a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FixedRoute {
    /// The page where a person pastes ids and gets links.
    Paste,
    /// The templates for tools that embed links.
    Kit,
    /// The description of nebulink as a search engine, for browsers.
    OpenSearch,
    /// The mark.
    Favicon,
    /// The file that keeps search engines out.
    Robots,
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

/// The `Allow` of a path that is only read.
pub(super) const ALLOW_GET: &str = "GET,HEAD";

/// The `Allow` of a page with a form.
pub(super) const ALLOW_FORM: &str = "GET,HEAD,POST";

/// The path of tag look-ups, which no id of `/go/{id}` may take.
pub(super) const TAGS: &str = "/go/tag";

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
    /// The number of patterns: each path with the id in path or query, each fixed one, and `unmatched`.
    pub(super) const PATTERNS: usize = 1 + 2 * PATHS.len() + FixedRoute::ALL.len();

    /// The index of the route's pattern, below [`Self::PATTERNS`].
    pub(super) const fn pattern_index(self) -> usize {
        match self {
            Self::Redirect(redirect) => redirect.pattern_index,
            Self::Fixed(fixed) => 1 + 2 * PATHS.len() + fixed as usize,
            Self::Api | Self::Unmatched | Self::WrongMethod { .. } => 0,
        }
    }

    /// The route's pattern: never anything that a caller chose.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Redirect(redirect) => redirect.pattern,
            Self::Fixed(fixed) => fixed.path(),
            Self::Api | Self::Unmatched | Self::WrongMethod { .. } => UNMATCHED,
        }
    }

    /// The route's pattern; `None` for a path that is not ours.
    pub(super) fn pattern_if_matched(self) -> Option<&'static str> {
        Some(self.pattern()).filter(|pattern| *pattern != UNMATCHED)
    }

    /// The proof that the route requires of its callers.
    pub(super) const fn access_rule(self) -> AccessRule {
        match self {
            Self::Fixed(FixedRoute::Favicon | FixedRoute::Robots) => AccessRule::Open,
            Self::Api => AccessRule::Api,
            Self::Redirect(_) | Self::Fixed(_) | Self::Unmatched | Self::WrongMethod { .. } => {
                AccessRule::Identity
            }
        }
    }
}

impl FixedRoute {
    /// Every one, in the order of the discriminants.
    pub(super) const ALL: [Self; 5] = [Self::Paste, Self::Kit, Self::OpenSearch, Self::Favicon, Self::Robots];

    /// The path below `server.base_path`.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Paste => "/",
            Self::Kit => "/kit",
            Self::OpenSearch => "/opensearch.xml",
            Self::Favicon => "/favicon.svg",
            Self::Robots => "/robots.txt",
        }
    }

    /// Returns true if the page has a form, which is sent to the same path.
    pub(super) const fn has_form(self) -> bool {
        matches!(self, Self::Paste | Self::Kit)
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

    /// The route of a path, wherever its id stands.
    pub(super) fn of(path: &str) -> Option<Self> {
        let without_slash = path.strip_suffix('/').unwrap_or(path);
        if without_slash == TAGS || path.strip_prefix(TAGS).is_some_and(|rest| rest.starts_with('/')) {
            return None;
        }
        let in_query = Self::all_with_id_in_query().find(|route| route.pattern == without_slash);
        in_query.or_else(|| Self::with_id_in_path(path))
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
        let fixed = FixedRoute::ALL.map(Self::Fixed);
        by_path.chain(by_query).map(Self::Redirect).chain(fixed).chain([Self::Unmatched]).collect()
    }
}
