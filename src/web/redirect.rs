//! The redirect: reads the id, asks the resolver, and writes the answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LOCATION};
use http::request::Parts;
use http::{StatusCode, Uri};

use super::Web;
use super::headers::{NO_ROBOTS, NO_STORE, X_ROBOTS_TAG};
use super::negotiation::forbids_cached;
use super::observability::{LinkOutcome, LinkStatus};
use super::pages::{Choice, SelfLink, card, is_preview_robot};
use super::parameters::{Parameters, id_in_path};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::route::{IdLocation, RedirectRoute};
use crate::domain::{
    IdCandidates, Item, Kind, LazyCaller, ProjectIndex, ProjectName, Scope, TargetUrl, Timestamp,
};
use crate::resolver::{Found, Mode, Outcome, Resolution, ResolveRequest};

/// As many headers as a redirect has, so that their map is made once.
const HEADERS: usize = 9;

/// The answer to a request, and what its record says of the link.
pub(super) struct LinkAnswer<'a> {
    pub(super) result: Result<Response, Box<ProblemResponse>>,
    pub(super) item: Option<Item<'a>>,
    pub(super) outcome: Option<LinkOutcome>,
}

impl From<Problem> for LinkAnswer<'_> {
    fn from(problem: Problem) -> Self {
        Self { result: Err(Box::new(problem.into())), item: None, outcome: None }
    }
}

/// A request for a link, as it was read from path and query.
struct LinkRequest<'a> {
    candidates: IdCandidates<'a>,
    scope: Scope,
    parameters: Parameters<'a>,
}

/// Answers a request for a link.
pub(super) async fn answer<'a>(
    web: &Web,
    route: RedirectRoute,
    parts: &'a Parts,
    caller: &dyn LazyCaller,
) -> LinkAnswer<'a> {
    let LinkRequest { candidates, scope, parameters } = match LinkRequest::read(web, route, &parts.uri) {
        Ok(request) => request,
        Err(problem) => return problem.into(),
    };
    if web.options.unfurl && is_preview_robot(&parts.headers) {
        let result = card(&candidates).map_err(|problem| Box::new(problem.into()));
        return LinkAnswer { result, item: Some(candidates.into_first()), outcome: None };
    }
    let refresh = parameters.refresh || forbids_cached(&parts.headers);
    let mode = if refresh { Mode::Refresh } else { Mode::Cached };
    let wait = parameters.wait.min(web.options.max_wait);
    if !wait.is_zero() {
        (web.options.extend_deadline)(&parts.extensions, wait);
    }
    let request = ResolveRequest { candidates: &candidates, scope, mode, wait, caller };
    let resolution = web.resolver.resolve(&request).await;
    let link_status = LinkStatus::of(&resolution);
    let outcome = Some(link_status.outcome);
    let result = respond(web, &request, &parameters, resolution, link_status);
    LinkAnswer { result, item: Some(candidates.into_first()), outcome }
}

/// The item that a request names, if it names one.
pub(super) fn item<'a>(web: &Web, route: RedirectRoute, uri: &'a Uri) -> Option<Item<'a>> {
    Some(LinkRequest::read(web, route, uri).ok()?.candidates.into_first())
}

impl<'a> LinkRequest<'a> {
    fn read(web: &Web, route: RedirectRoute, uri: &'a Uri) -> Result<Self, Problem> {
        let parameters = Parameters::parse(uri.query())?;
        let text = match route.id {
            IdLocation::Query => parameters.id()?,
            IdLocation::Path => {
                let rest = uri.path().get(web.options.base_path.len() + route.prefix.len()..);
                let rest = rest.unwrap_or_default();
                // A trailing slash changes nothing.
                id_in_path(rest.strip_suffix('/').unwrap_or(rest))?
            }
        };
        let candidates = match route.kind {
            Some(Kind::Interaction) if route.takes_short_code() => {
                IdCandidates::of_interaction_or_code(&text)
            }
            Some(kind) => IdCandidates::of_kind(kind, text),
            None => IdCandidates::of_any_kind(text, &web.options.allowed_hosts),
        }?;
        let scope = match &parameters.project {
            None => Scope::All,
            Some(name) => Scope::Only(web.project(name).ok_or(Problem::UnknownProject)?),
        };
        Ok(Self { candidates, scope, parameters })
    }
}

impl Web {
    fn project(&self, name: &str) -> Option<ProjectIndex> {
        let position = self.options.projects.iter().position(|project| project.as_str() == name)?;
        ProjectIndex::new(position)
    }

    fn name_of(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.options.projects.get(project.position())
    }
}

/// Writes the redirect to the link that was found, or the problem that stands in its place.
fn respond(
    web: &Web,
    request: &ResolveRequest<'_>,
    parameters: &Parameters<'_>,
    resolution: Resolution,
    link_status: LinkStatus,
) -> Result<Response, Box<ProblemResponse>> {
    let mut choices = Vec::new();
    let problem = match resolution.outcome {
        Outcome::Resolved(found) => {
            let is_cacheable = request.mode == Mode::Cached
                && !matches!(link_status.outcome, LinkOutcome::Stale | LinkOutcome::Constructed);
            let cache_control = if is_cacheable { web.cacheable.clone() } else { NO_STORE };
            return redirect(found.url, cache_control, link_status);
        }
        Outcome::Absent => Problem::NotFound,
        Outcome::Ambiguous(found) => {
            choices = found.iter().filter_map(|found| choice(web, request, found)).collect();
            Problem::Ambiguous
        }
        Outcome::Failed(failure) => failure.cause.into(),
    };
    let project = match request.scope {
        Scope::All => None,
        Scope::Only(project) => web.name_of(project),
    };
    let link = SelfLink::new(&web.options.base_path, request.candidates, project, parameters.looks);
    Err(Box::new(ProblemResponse { problem, link_status: Some(link_status), link: Some(link), choices }))
}

fn redirect(
    url: TargetUrl,
    cache_control: HeaderValue,
    link_status: LinkStatus,
) -> Result<Response, Box<ProblemResponse>> {
    let location =
        HeaderValue::from_maybe_shared(url.into_bytes()).map_err(|_| Box::new(Problem::Internal.into()))?;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, cache_control);
    link_status.add_to(&mut headers);
    headers.insert(X_ROBOTS_TAG, NO_ROBOTS);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    *response.headers_mut() = headers;
    Ok(response)
}

/// One of the links that an id stands for.
fn choice(web: &Web, request: &ResolveRequest<'_>, found: &Found) -> Option<Choice> {
    let item = request.candidates.first();
    let project = web.name_of(found.project)?;
    Some(Choice {
        kind: item.kind().as_str(),
        id: item.id().into_owned(),
        state: "resolved",
        url: found.url.as_str().to_owned(),
        project: project.to_string(),
        resolved_at: found.resolved_at.and_then(rfc3339),
        path: SelfLink::new(&web.options.base_path, request.candidates, Some(project), 0).into_path(),
    })
}

/// RFC 3339 in UTC, to the second; `None` for a time beyond the year 9999.
fn rfc3339(time: Timestamp) -> Option<String> {
    let seconds = i64::try_from(time.as_millis() / 1000).ok()?;
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
