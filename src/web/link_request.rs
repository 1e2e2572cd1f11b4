//! A request for a link, as it is read from path and query.

use std::borrow::Cow;

use http::Uri;

use super::Web;
use super::parameters::{Parameters, id_in_path, id_in_query};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::route::{IdLocation, RedirectRoute};
use crate::domain::{AllowedHosts, IdCandidates, IdText, InvalidId, Item, Scope};

/// A request for a link.
pub(super) struct LinkRequest<'a> {
    pub(super) candidates: IdCandidates<'a>,
    pub(super) scope: Scope,
    pub(super) parameters: Parameters<'a>,
}

impl<'a> LinkRequest<'a> {
    /// Reads it. The problem says what was received for an id, if that is what is wrong.
    pub(super) fn read(web: &Web, route: RedirectRoute, uri: &'a Uri) -> Result<Self, Box<ProblemResponse>> {
        let problem = |problem| Box::new(ProblemResponse::from(problem));
        let parameters = Parameters::parse(uri.query()).map_err(problem)?;
        let raw = raw_id(&web.options.base_path, route, uri, &parameters).map_err(problem)?;
        let candidates = candidates(&web.options.allowed_hosts, route, raw).map_err(|why| {
            let received = decoded(route, raw).map_or(Cow::Borrowed(raw), |text| text.decoded);
            let problem = Problem::InvalidId { why, kind: route.kind };
            Box::new(ProblemResponse { received: Some(received.into_owned()), ..problem.into() })
        })?;
        let scope = match &parameters.project {
            None => Scope::All,
            Some(name) => {
                let project = web.project(name).ok_or(Problem::UnknownProject).map_err(problem)?;
                Scope::Only(project)
            }
        };
        Ok(Self { candidates, scope, parameters })
    }

    /// The item that a request names, if it names one.
    pub(super) fn item(web: &Web, route: RedirectRoute, uri: &'a Uri) -> Option<Item<'a>> {
        Some(Self::read(web, route, uri).ok()?.candidates.into_first())
    }
}

/// The text that stands for the id, still encoded.
pub(super) fn raw_id<'a>(
    base_path: &str,
    route: RedirectRoute,
    uri: &'a Uri,
    parameters: &Parameters<'a>,
) -> Result<&'a str, Problem> {
    match route.id {
        IdLocation::Query => parameters.raw_id(),
        IdLocation::Path => {
            let rest = uri.path().get(base_path.len() + route.prefix.len()..).unwrap_or_default();
            // A trailing slash changes nothing.
            Ok(rest.strip_suffix('/').unwrap_or(rest))
        }
    }
}

/// The items that such a text may mean.
pub(super) fn candidates<'a>(
    allowed_hosts: &AllowedHosts,
    route: RedirectRoute,
    raw: &'a str,
) -> Result<IdCandidates<'a>, InvalidId> {
    let text = decoded(route, raw)?;
    match route.kind {
        Some(kind) => IdCandidates::of_kind(kind, text),
        None => IdCandidates::of_any_kind(text, allowed_hosts),
    }
}

/// Decodes such a text.
pub(super) fn decoded(route: RedirectRoute, raw: &str) -> Result<IdText<'_>, InvalidId> {
    match route.id {
        IdLocation::Path => id_in_path(raw),
        IdLocation::Query => id_in_query(raw),
    }
}
