//! A request for a link, as it is read from path and query.

use std::borrow::Cow;
use std::time::Duration;

use url::Url;

use super::Web;
use super::installation::Installation;
use super::link_address::SelfLink;
use super::negotiation::forbids_cached;
use super::parameters::{Parameters, id_in_path, id_in_query};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::request_head::RequestHead;
use super::route::{IdLocation, LinkRoute, is_of_tags};
use crate::domain::{AllowedHosts, IdCandidates, IdText, InvalidId, Item, Kind, LazyCaller, PastedId, Scope};
use crate::resolver::{Mode, ResolveRequest};

/// A request for a link.
pub(super) struct LinkRequest<'a> {
    pub(super) candidates: IdCandidates<'a>,
    pub(super) scope: Scope,
    pub(super) parameters: Parameters<'a>,
}

impl<'a> LinkRequest<'a> {
    /// Reads it. The problem says what was received for an id, if that is what is wrong.
    pub(super) fn read(
        web: &Web,
        route: LinkRoute,
        head: &'a RequestHead,
    ) -> Result<Self, Box<ProblemResponse>> {
        let problem = |problem| Box::new(ProblemResponse::from(problem));
        let mut parameters = Parameters::parse(head.uri.query()).map_err(problem)?;
        let path = head.uri.path().get(web.options.base_path.len()..).unwrap_or_default();
        let raw = raw_id(route, path, &parameters).map_err(problem)?;
        let candidates = match pasted_own_link(web, route, head, raw) {
            None => candidates(&web.options.allowed_hosts, route, raw),
            Some(own_link) => {
                parameters.project = parameters.project.or(own_link.project.map(Cow::Owned));
                own_link.candidates
            }
        };
        let candidates = candidates.map_err(|why| {
            let received = decoded(route, raw).map_or(Cow::Borrowed(raw), |text| text.decoded);
            let problem = Problem::InvalidId { why, kind: route.kind };
            Box::new(ProblemResponse { received: Some(received.into_owned()), ..problem.into() })
        })?;
        let scope = scope(web, &parameters).map_err(|problem| {
            let (noredirect, looks) = (parameters.noredirect, parameters.looks);
            let in_all = SelfLink::new(&web.options.base_path, &candidates, None, noredirect, looks);
            Box::new(ProblemResponse { link: Some(in_all), ..*problem })
        })?;
        Ok(Self { candidates, scope, parameters })
    }

    /// The same for the resolver. If the caller wants to wait for the item, the request gets the time for it.
    pub(super) fn to_resolve<'r>(
        &'r self,
        web: &Web,
        head: &RequestHead,
        caller: &'r dyn LazyCaller,
    ) -> ResolveRequest<'r> {
        let (mode, wait) = mode_and_wait(web, head, &self.parameters);
        ResolveRequest { candidates: &self.candidates, scope: self.scope, mode, wait, caller }
    }

    /// The item that a request names, if it names one.
    pub(super) fn item(web: &Web, route: LinkRoute, head: &'a RequestHead) -> Option<Item<'a>> {
        Some(Self::read(web, route, head).ok()?.candidates.into_first())
    }
}

/// The projects that a request wants to be asked.
pub(super) fn scope(web: &Web, parameters: &Parameters<'_>) -> Result<Scope, Box<ProblemResponse>> {
    let Some(name) = &parameters.project else { return Ok(Scope::All) };
    let unknown =
        || ProblemResponse { received: Some(name.clone().into_owned()), ..Problem::UnknownProject.into() };
    web.project(name).map(Scope::Only).ok_or_else(|| Box::new(unknown()))
}

/// The way in which a request wants its link, and the time for which it waits for the item, which it is given.
pub(super) fn mode_and_wait(web: &Web, head: &RequestHead, parameters: &Parameters<'_>) -> (Mode, Duration) {
    let refresh = parameters.refresh || forbids_cached(&head.headers);
    let wait = parameters.wait.min(web.options.max_wait);
    if !wait.is_zero()
        && let Some(connection) = &head.connection
    {
        connection.extend_deadline(wait);
    }
    (if refresh { Mode::Refresh } else { Mode::Cached }, wait)
}

/// The text that a request has for an id, decoded once, as a page shows it.
pub(super) fn received_id(web: &Web, route: LinkRoute, head: &RequestHead) -> Option<String> {
    let path = head.uri.path().get(web.options.base_path.len()..)?;
    let raw = raw_id(route, path, &Parameters::parse(head.uri.query()).ok()?).ok()?;
    Some(decoded(route, raw).ok()?.decoded.into_owned())
}

/// Reads a pasted link of this installation, of which it takes kind, id and project: an absolute address, or a path. A link
/// that looks a tag up is not valid, because it has no id. It returns `None` for any other text. The URL is the text's, if it is one.
pub(super) fn own_link(
    web: &Web,
    installation: &Installation<'_>,
    text: &str,
    url: Option<&Url>,
) -> Option<PastedId> {
    let (path, query) = if let Some(url) = url {
        (installation.path_below(url)?, url.query())
    } else {
        let target = text.strip_prefix(&web.options.base_path)?.split('#').next()?;
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
    };
    if is_of_tags(path) {
        // The item that it leads to would have to be looked up first.
        return Some(PastedId { text: text.to_owned(), candidates: Err(InvalidId::TagLink), project: None });
    }
    let route = LinkRoute::of(path)?;
    let parameters = Parameters::parse(query).ok()?;
    let raw = raw_id(route, path, &parameters).ok()?;
    Some(PastedId {
        text: text.to_owned(),
        candidates: candidates(&web.options.allowed_hosts, route, raw).map(IdCandidates::into_owned),
        project: parameters.project.as_deref().map(str::to_owned),
    })
}

/// The link of this installation that stands in place of an id on `/go`.
fn pasted_own_link(web: &Web, route: LinkRoute, head: &RequestHead, raw: &str) -> Option<PastedId> {
    // Looked at before it is decoded: nearly all ids are no address.
    if route.kind.is_some() || !raw.starts_with("http") {
        return None;
    }
    own_address(web, &Installation::of(web, head), &decoded(route, raw).ok()?.decoded)
}

/// The link of this installation whose absolute address a text is.
pub(super) fn own_address(web: &Web, installation: &Installation<'_>, text: &str) -> Option<PastedId> {
    let text = text.trim();
    own_link(web, installation, text, Some(&Url::parse(text).ok()?))
}

/// The text that stands for an id in a path below `server.base_path`, or in the query; still encoded.
pub(super) fn raw_id<'a>(
    route: LinkRoute,
    path: &'a str,
    parameters: &Parameters<'a>,
) -> Result<&'a str, Problem> {
    match route.id {
        IdLocation::Query => parameters.raw_id(),
        IdLocation::Path => {
            let rest = path.get(route.prefix.len()..).unwrap_or_default();
            // A trailing slash changes nothing.
            Ok(rest.strip_suffix('/').unwrap_or(rest))
        }
    }
}

/// The items that such a text may mean.
pub(super) fn candidates<'a>(
    allowed_hosts: &AllowedHosts,
    route: LinkRoute,
    raw: &'a str,
) -> Result<IdCandidates<'a>, InvalidId> {
    let text = decoded(route, raw)?;
    match route.kind {
        Some(Kind::Interaction) if route.takes_short_code() => IdCandidates::of_interaction_or_code(&text),
        Some(kind) => IdCandidates::of_kind(kind, text),
        None => IdCandidates::of_any_kind(text, allowed_hosts),
    }
}

/// Decodes such a text.
pub(super) fn decoded(route: LinkRoute, raw: &str) -> Result<IdText<'_>, InvalidId> {
    match route.id {
        IdLocation::Path => id_in_path(raw),
        IdLocation::Query => id_in_query(raw),
    }
}
