//! The table of the paths of the public listener.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::caller::AccessRule;
use crate::domain::Kind;

/// Where a request was routed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A redirect.
    Redirect(LinkRoute),
    /// A look-up by tag, which ends in a redirect.
    Tag(TagRoute),
    /// A page or a file at a path of its own.
    Fixed(FixedRoute),
    /// A path below `/api`.
    Api(ApiRoute),
    /// No path of ours.
    Unmatched,
    /// A path of ours, but another method than these.
    WrongMethod {
        /// The value of `Allow`.
        allow: &'static str,
        /// The proof that the path requires of its callers.
        rule: AccessRule,
    },
}

/// A path below `/api`, where every answer is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiRoute {
    /// One link.
    Link(LinkRoute),
    /// Many links.
    Links,
    /// No path of ours.
    Unmatched,
}

/// A page or a file at a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FixedRoute {
    /// The page where a person pastes ids and gets links.
    Paste,
    /// The templates for tools that embed links.
    Kit,
    /// The description of every path, for programs.
    OpenApi,
    /// The description of nebulink as a search engine, for browsers.
    OpenSearch,
    /// The mark.
    Favicon,
    /// The file that keeps search engines out.
    Robots,
}

/// A path that names a link, with its id in one of two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkRoute {
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

/// A path that looks a tag up, with its value in one of two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagRoute {
    /// The position of the tag's name in `lookup.tags`.
    pub(super) position: usize,
    /// Where the value stands.
    pub(super) value: IdLocation,
}

/// Where the id of a request stands, or the value of a tag.
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

/// The `Allow` of a link of the API. Browsers on other origins ask with `OPTIONS` first.
const ALLOW_API_LINK: &str = "GET,HEAD,OPTIONS";

/// The `Allow` of the many links of the API.
const ALLOW_API_LINKS: &str = "POST,OPTIONS";

/// The path of tag look-ups, which no id of `/go/{id}` may take.
pub(super) const TAGS: &str = "/go/tag";

/// The patterns of tag look-ups, with the value in path or query.
const TAG_PATTERNS: [&str; 2] = ["/go/tag/{name}/{value}", "/go/tag/{name}"];

/// The short path of interactions.
const SHORT_INTERACTION: &str = "/i/";

/// The paths that an id may follow, the longer ones first; with their patterns (the id in the path, in the query) and kinds.
static PATHS: [(&str, [&str; 2], Option<Kind>); 5] = [
    ("/go/interaction/", ["/go/interaction/{id}", "/go/interaction"], Some(Kind::Interaction)),
    ("/go/conversation/", ["/go/conversation/{id}", "/go/conversation"], Some(Kind::Conversation)),
    ("/go/", ["/go/{id}", "/go"], None),
    (SHORT_INTERACTION, ["/i/{id}", "/i"], Some(Kind::Interaction)),
    ("/c/", ["/c/{id}", "/c"], Some(Kind::Conversation)),
];

/// The path of the many links of the API.
const API_LINKS: &str = "/api/v1/links";

/// The pattern of a link of the API.
const API_LINK: &str = "/api/v1/links/{kind}/{id}";

/// The paths of the API that an id follows.
const API_PATHS: [(&str, Kind); 2] =
    [("/api/v1/links/interaction/", Kind::Interaction), ("/api/v1/links/conversation/", Kind::Conversation)];

impl Route {
    /// The number of patterns: `unmatched`, each path with the id in path or query, the two of the API, each fixed one, and
    /// those of tags.
    pub(super) const PATTERNS: usize = TagRoute::FIRST_INDEX + TAG_PATTERNS.len();

    /// The index of the route's pattern, below [`Self::PATTERNS`].
    pub(super) const fn pattern_index(self) -> usize {
        match self {
            Self::Redirect(link) | Self::Api(ApiRoute::Link(link)) => link.pattern_index,
            Self::Api(ApiRoute::Links) => ApiRoute::FIRST_INDEX + 1,
            Self::Fixed(fixed) => ApiRoute::FIRST_INDEX + 2 + fixed as usize,
            Self::Tag(tag) => TagRoute::FIRST_INDEX + tag.value as usize,
            Self::Api(ApiRoute::Unmatched) | Self::Unmatched | Self::WrongMethod { .. } => 0,
        }
    }

    /// The route's pattern: never anything that a caller chose.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Redirect(link) | Self::Api(ApiRoute::Link(link)) => link.pattern,
            Self::Api(ApiRoute::Links) => API_LINKS,
            Self::Fixed(fixed) => fixed.path(),
            Self::Tag(TagRoute { value: IdLocation::Path, .. }) => TAG_PATTERNS[0],
            Self::Tag(TagRoute { value: IdLocation::Query, .. }) => TAG_PATTERNS[1],
            Self::Api(ApiRoute::Unmatched) | Self::Unmatched | Self::WrongMethod { .. } => UNMATCHED,
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
            Self::Api(_) => AccessRule::Api,
            Self::WrongMethod { rule, .. } => rule,
            Self::Redirect(_) | Self::Tag(_) | Self::Fixed(_) | Self::Unmatched => AccessRule::Identity,
        }
    }

    /// Returns true if a browser gets its errors as pages.
    pub(super) const fn has_pages(self) -> bool {
        !matches!(self.access_rule(), AccessRule::Api)
    }
}

impl ApiRoute {
    /// See [`Route::pattern_index`].
    const FIRST_INDEX: usize = 1 + 2 * PATHS.len();

    /// The route of a path below `/api`, whatever the method.
    pub(super) fn of(path: &str) -> Self {
        if path.strip_suffix('/').unwrap_or(path) == API_LINKS {
            return Self::Links;
        }
        let with_id = |(prefix, _): &(&str, Kind)| path.len() > prefix.len() && path.starts_with(prefix);
        let link = API_PATHS.into_iter().find(with_id);
        link.map_or(Self::Unmatched, |(prefix, kind)| {
            let (pattern, pattern_index) = (API_LINK, Self::FIRST_INDEX);
            Self::Link(LinkRoute { prefix, pattern, pattern_index, kind: Some(kind), id: IdLocation::Path })
        })
    }

    /// The value of `Allow`; `None` for a path that is not ours.
    pub(super) const fn allow(self) -> Option<&'static str> {
        match self {
            Self::Link(_) => Some(ALLOW_API_LINK),
            Self::Links => Some(ALLOW_API_LINKS),
            Self::Unmatched => None,
        }
    }
}

impl FixedRoute {
    /// Every one, in the order of the discriminants.
    pub(super) const ALL: [Self; 6] =
        [Self::Paste, Self::Kit, Self::OpenApi, Self::OpenSearch, Self::Favicon, Self::Robots];

    /// The path below `server.base_path`.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Paste => "/",
            Self::Kit => "/kit",
            Self::OpenApi => "/openapi.json",
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

impl LinkRoute {
    /// Returns true if an interaction's id may also be written as its short code.
    pub(super) fn takes_short_code(self) -> bool {
        self.prefix == SHORT_INTERACTION
    }

    /// The route of a path with an id in it.
    ///
    /// axum's router knows no such path: it would copy and decode the id before we decode it, on the way of every redirect.
    pub(super) fn with_id_in_path(path: &str) -> Option<Self> {
        let (index, &(prefix, [pattern, _], kind)) = PATHS
            .iter()
            .enumerate()
            .find(|(_, (prefix, ..))| path.len() > prefix.len() && path.starts_with(prefix))?;
        Some(Self { prefix, pattern, pattern_index: 1 + index, kind, id: IdLocation::Path })
    }

    /// The route of a path, wherever its id stands.
    pub(super) fn of(path: &str) -> Option<Self> {
        if is_of_tags(path) {
            return None;
        }
        let without_slash = path.strip_suffix('/').unwrap_or(path);
        let in_query = Self::all_with_id_in_query().find(|route| route.pattern == without_slash);
        in_query.or_else(|| Self::with_id_in_path(path))
    }

    /// Every route with the id in the query.
    pub(super) fn all_with_id_in_query() -> impl Iterator<Item = Self> {
        PATHS.iter().enumerate().map(|(index, &(prefix, [_, pattern], kind))| {
            let pattern_index = 1 + PATHS.len() + index;
            Self { prefix, pattern, pattern_index, kind, id: IdLocation::Query }
        })
    }
}

impl TagRoute {
    /// See [`Route::pattern_index`].
    const FIRST_INDEX: usize = ApiRoute::FIRST_INDEX + 2 + FixedRoute::ALL.len();

    /// The route of a path that looks one of these tags up.
    pub(super) fn of(path: &str, tags: &[Arc<str>]) -> Option<Self> {
        let (name, value) = Self::segments(path)?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let position = tags.iter().position(|tag| **tag == *name)?;
        let value = if value.is_some() { IdLocation::Path } else { IdLocation::Query };
        Some(Self { position, value })
    }

    /// The value in such a path, still encoded. Slashes that a proxy decoded on the way belong to it.
    pub(super) fn raw_value(path: &str) -> Option<&str> {
        Self::segments(path)?.1
    }

    /// The name in such a path, and the value unless it stands in the query.
    fn segments(path: &str) -> Option<(&str, Option<&str>)> {
        let rest = path.strip_prefix(TAGS)?.strip_prefix('/')?;
        // A trailing slash changes nothing.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        Some(rest.split_once('/').map_or((rest, None), |(name, value)| (name, Some(value))))
    }
}

/// Returns true if a path is one of tag look-ups, whether there is such a tag or not.
pub(super) fn is_of_tags(path: &str) -> bool {
    path.strip_prefix(TAGS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Route {
    /// One route for each pattern.
    pub(super) fn all() -> Vec<Self> {
        let by_path = PATHS.iter().filter_map(|(_, [pattern, _], _)| LinkRoute::with_id_in_path(pattern));
        let by_query = LinkRoute::all_with_id_in_query();
        let api = [API_LINKS, "/api/v1/links/interaction/x"].map(|path| Self::Api(ApiRoute::of(path)));
        let fixed = FixedRoute::ALL.map(Self::Fixed);
        let tags =
            [IdLocation::Path, IdLocation::Query].map(|value| Self::Tag(TagRoute { position: 0, value }));
        let links = by_path.chain(by_query).map(Self::Redirect);
        links.chain(api).chain(fixed).chain(tags).chain([Self::Unmatched]).collect()
    }
}
