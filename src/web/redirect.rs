//! The redirect: reads the id, asks the resolver, and writes what it found.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use http::{StatusCode, Uri};

use super::Web;
use super::cache_status::{CACHE_STATUS, SERVER_TIMING, cache_status, outcome, server_timing};
use super::card::card;
use super::exchange::Reply;
use super::negotiation::forbids_cached;
use super::page::SelfLink;
use super::parameters::{Parameters, id_in_path};
use super::preview_robot::is_preview_robot;
use super::problem::{Failure, Problem};
use super::route::{Form, IdPlace};
use crate::domain::{LazyCaller, Spellings, TargetUrl, Text};
use crate::resolver::{Mode, Outcome, Resolution, Via};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
pub(super) const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
pub(super) const NO_ROBOTS: HeaderValue = HeaderValue::from_static("noindex, nofollow");

/// As many headers as a redirect has, so that their map is made once.
const HEADERS: usize = 9;

/// Answers a request for a link.
pub(super) async fn reply<'a>(
    web: &Web,
    form: Form,
    parts: &'a Parts,
    _caller: &dyn LazyCaller,
) -> Reply<'a> {
    let (spellings, parameters) = match read(web, form, &parts.uri) {
        Ok(read) => read,
        Err(problem) => return problem.into(),
    };
    if web.unfurl && is_preview_robot(&parts.headers) {
        let answer = card(&web.pages, &spellings).map_err(Failure::from);
        return Reply { answer, item: Some(spellings.into_first()), outcome: None, cold: false };
    }
    let refresh = parameters.refresh || forbids_cached(&parts.headers);
    let mode = if refresh { Mode::Refresh } else { Mode::Cached };
    let resolution = web.resolver.resolve(&spellings, mode).await;
    Reply {
        outcome: Some(outcome(&resolution)),
        cold: matches!(resolution.via, Via::Call(_)),
        answer: answer(web, &spellings, &parameters, mode, resolution),
        item: Some(spellings.into_first()),
    }
}

/// What the request asks for.
fn read<'a>(web: &Web, form: Form, uri: &'a Uri) -> Result<(Spellings<'a>, Parameters<'a>), Problem> {
    let parameters = Parameters::parse(uri.query())?;
    let text = match form.id {
        IdPlace::Query => parameters.id()?,
        IdPlace::Path => id_in_path(rest_of_path(web, form, uri))?,
    };
    Ok((spellings(web, form, text)?, parameters))
}

fn spellings<'a>(web: &Web, form: Form, text: Text<'a>) -> Result<Spellings<'a>, Problem> {
    let spellings = match form.kind {
        Some(kind) => Spellings::of_kind(kind, text),
        None => Spellings::of_any_kind(text, &web.allowed_hosts),
    };
    spellings.map_err(Problem::from)
}

/// The raw id behind the route's prefix; a trailing slash changes nothing.
fn rest_of_path<'a>(web: &Web, form: Form, uri: &'a Uri) -> &'a str {
    let rest = uri.path().get(web.base_path.len() + form.prefix.len()..).unwrap_or_default();
    rest.strip_suffix('/').unwrap_or(rest)
}

fn answer(
    web: &Web,
    spellings: &Spellings<'_>,
    parameters: &Parameters<'_>,
    mode: Mode,
    resolution: Resolution,
) -> Result<Response, Failure> {
    let status = cache_status(&resolution);
    let timing = server_timing(resolution.via);
    let problem = match resolution.outcome {
        Outcome::Resolved(url) => {
            let control = match mode {
                Mode::Cached => web.cacheable.clone(),
                Mode::Refresh => NO_STORE,
            };
            return found(url, control, status, timing);
        }
        Outcome::Absent => Problem::NotFound,
        Outcome::Failed(failure) => failure.cause.into(),
    };
    let link = SelfLink::new(&web.base_path, spellings, parameters.looks);
    Err(Failure { problem, cache_status: Some(status), server_timing: timing, link: Some(link) })
}

fn found(
    url: TargetUrl,
    control: HeaderValue,
    status: HeaderValue,
    timing: Option<HeaderValue>,
) -> Result<Response, Failure> {
    let location = HeaderValue::from_maybe_shared(url.into_bytes()).map_err(|_| Problem::Internal)?;
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
