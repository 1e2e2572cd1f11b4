//! The redirect: reads the id, asks the resolver, and writes what it found.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use http::{StatusCode, Uri};

use super::Web;
use super::handler::Reply;
use super::negotiation::forbids_cached;
use super::observability::LinkOutcome;
use super::observability::{CACHE_STATUS, SERVER_TIMING, cache_status, server_timing};
use super::pages::SelfLink;
use super::pages::card;
use super::pages::is_preview_robot;
use super::parameters::{Parameters, id_in_path};
use super::problem::{Choice, Failure, Problem};
use super::route::{Form, IdPlace};
use crate::domain::{
    Cause, IdCandidates, IdText, Item, LazyCaller, ProjectIndex, ProjectName, Scope, TargetUrl,
};
use crate::resolver::{AnswerSource, Found, Mode, Outcome, Resolution, ResolveRequest};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
pub(super) const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
pub(super) const NO_ROBOTS: HeaderValue = HeaderValue::from_static("noindex, nofollow");

/// As many headers as a redirect has, so that their map is made once.
const HEADERS: usize = 9;

/// What a request asks for.
struct Asked<'a> {
    candidates: IdCandidates<'a>,
    scope: Scope,
    parameters: Parameters<'a>,
}

/// Answers a request for a link.
pub(super) async fn reply<'a>(web: &Web, form: Form, parts: &'a Parts, caller: &dyn LazyCaller) -> Reply<'a> {
    let Asked { candidates, scope, parameters } = match Asked::read(web, form, &parts.uri) {
        Ok(asked) => asked,
        Err(problem) => return problem.into(),
    };
    if web.unfurl && is_preview_robot(&parts.headers) {
        let answer = card(&web.pages, &candidates).map_err(|problem| Box::new(problem.into()));
        return Reply { answer, item: Some(candidates.into_first()), outcome: None, cold: false };
    }
    let refresh = parameters.refresh || forbids_cached(&parts.headers);
    let mode = if refresh { Mode::Refresh } else { Mode::Cached };
    let wait = parameters.wait.min(web.max_wait);
    if !wait.is_zero() {
        (web.extend_deadline)(&parts.extensions, wait);
    }
    let request = ResolveRequest { candidates: &candidates, scope, mode, wait, caller };
    let resolution = web.resolver.resolve(&request).await;
    Reply {
        outcome: Some(LinkOutcome::of(&resolution)),
        cold: matches!(resolution.source, AnswerSource::Nebuly(_)),
        answer: answer(web, &request, &parameters, resolution),
        item: Some(candidates.into_first()),
    }
}

/// The item that a request names, if it names one.
pub(super) fn item<'a>(web: &Web, form: Form, uri: &'a Uri) -> Option<Item<'a>> {
    Some(Asked::read(web, form, uri).ok()?.candidates.into_first())
}

impl<'a> Asked<'a> {
    fn read(web: &Web, form: Form, uri: &'a Uri) -> Result<Self, Problem> {
        let parameters = Parameters::parse(uri.query())?;
        let text = match form.id {
            IdPlace::Query => parameters.id()?,
            IdPlace::Path => id_in_path(rest_of_path(web, form, uri))?,
        };
        let candidates = candidates(web, form, text)?;
        let scope = match &parameters.project {
            None => Scope::All,
            Some(name) => Scope::Only(web.project(name).ok_or(Problem::UnknownProject)?),
        };
        Ok(Self { candidates, scope, parameters })
    }
}

impl Web {
    fn project(&self, name: &str) -> Option<ProjectIndex> {
        let position = self.projects.iter().position(|project| project.as_str() == name)?;
        ProjectIndex::new(position)
    }

    fn name_of(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.projects.get(project.position())
    }
}

fn candidates<'a>(web: &Web, form: Form, text: IdText<'a>) -> Result<IdCandidates<'a>, Problem> {
    let candidates = match form.kind {
        Some(kind) => IdCandidates::of_kind(kind, text),
        None => IdCandidates::of_any_kind(text, &web.allowed_hosts),
    };
    candidates.map_err(Problem::from)
}

/// The raw id behind the route's prefix; a trailing slash changes nothing.
fn rest_of_path<'a>(web: &Web, form: Form, uri: &'a Uri) -> &'a str {
    let rest = uri.path().get(web.base_path.len() + form.prefix.len()..).unwrap_or_default();
    rest.strip_suffix('/').unwrap_or(rest)
}

fn answer(
    web: &Web,
    request: &ResolveRequest<'_>,
    parameters: &Parameters<'_>,
    resolution: Resolution,
) -> Result<Response, Box<Failure>> {
    let called = was_called(&resolution);
    let status = cache_status(&resolution);
    let timing = server_timing(resolution.source).filter(|_| called);
    let mut choices = Vec::new();
    let problem = match resolution.outcome {
        Outcome::Resolved(found) => {
            let keep = request.mode == Mode::Cached
                && !matches!(resolution.source, AnswerSource::Stale | AnswerSource::Constructed);
            let control = if keep { web.cacheable.clone() } else { NO_STORE };
            return redirect(found.url, control, status, timing);
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
    let link = SelfLink::new(&web.base_path, request.candidates, project, parameters.looks);
    Err(Box::new(Failure {
        problem,
        cache_status: Some(status).filter(|_| called),
        server_timing: timing,
        link: Some(link),
        choices,
    }))
}

fn redirect(
    url: TargetUrl,
    control: HeaderValue,
    status: HeaderValue,
    timing: Option<HeaderValue>,
) -> Result<Response, Box<Failure>> {
    let location =
        HeaderValue::from_maybe_shared(url.into_bytes()).map_err(|_| Box::new(Problem::Internal.into()))?;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, control);
    headers.insert(CACHE_STATUS, status);
    headers.insert(X_ROBOTS_TAG, NO_ROBOTS);
    if let Some(timing) = timing {
        headers.insert(SERVER_TIMING, timing);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Whether Nebuly was asked, or a cache had the answer: a caller over its limit, an open circuit and a full queue say
/// nothing of either.
const fn was_called(resolution: &Resolution) -> bool {
    let Outcome::Failed(failure) = &resolution.outcome else { return true };
    !matches!(failure.cause, Cause::RateLimited { .. } | Cause::Overloaded { .. }) || failure.status.is_some()
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
        resolved_at: found.resolved_at.and_then(super::timestamp::rfc3339),
        path: SelfLink::new(&web.base_path, request.candidates, Some(project), 0).into_path(),
    })
}
