//! A request for a link, as it is read from path and query.

use std::borrow::Cow;

use http::Uri;

use super::Web;
use super::parameters::{Parameters, id_in_path, id_in_query};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::route::{IdLocation, RedirectRoute};
use crate::domain::{IdCandidates, IdText, InvalidId, Item, Scope};

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
        let raw = match route.id {
            IdLocation::Query => parameters.raw_id().map_err(problem)?,
            IdLocation::Path => {
                let rest = uri.path().get(web.options.base_path.len() + route.prefix.len()..);
                let rest = rest.unwrap_or_default();
                // A trailing slash changes nothing.
                rest.strip_suffix('/').unwrap_or(rest)
            }
        };
        let candidates = candidates(web, route, raw).map_err(|why| {
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

fn candidates<'a>(web: &Web, route: RedirectRoute, raw: &'a str) -> Result<IdCandidates<'a>, InvalidId> {
    let text = decoded(route, raw)?;
    match route.kind {
        Some(kind) => IdCandidates::of_kind(kind, text),
        None => IdCandidates::of_any_kind(text, &web.options.allowed_hosts),
    }
}

fn decoded(route: RedirectRoute, raw: &str) -> Result<IdText<'_>, InvalidId> {
    match route.id {
        IdLocation::Path => id_in_path(raw),
        IdLocation::Query => id_in_query(raw),
    }
}
