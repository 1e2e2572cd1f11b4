//! The page of a link (`noredirect`), and its JSON for programs.

mod details;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::details::{DetailRow, ShownValue};

use super::Web;
use super::installation::Installation;
use super::link_address::{long_path, short_path};
use super::link_json::{LinkJson, ProblemJson};
use super::negotiation::wants_page;
use super::observability::{LinkOutcome, LinkStatus};
use super::pages::{Frame, PagePolicy, Section, TimeText, VisibleText, page_response, secure_response};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::request_head::RequestHead;
use crate::domain::{Answer, CallFailure, DetailValue, Details, Item, PlainValue, ProjectName};
use crate::resolver::{Found, ResolveRequest};

/// A link that was found, and the request for it.
pub(super) struct LinkPageRequest<'a> {
    pub(super) web: &'a Web,
    pub(super) head: &'a RequestHead,
    pub(super) request: &'a ResolveRequest<'a>,
    /// The position of the candidate that was found.
    pub(super) position: usize,
    pub(super) found: Found,
    pub(super) link_status: LinkStatus,
    /// The text that was received for an id, decoded once.
    pub(super) received: Option<String>,
    /// The address of the page, with its base path and its query.
    pub(super) path: String,
}

/// The details of an item, or the problem in their place.
type FoundDetails = Result<Arc<Details>, Problem>;

/// A link with its details, as JSON.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkWithDetails<'a> {
    #[serde(flatten)]
    pub(super) link: LinkJson,
    /// The fields of `preview.fields`, as Nebuly gave them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) details: Option<BTreeMap<&'a str, Value>>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) details_error: Option<ProblemJson>,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkTemplate<'a> {
    frame: Frame<'a>,
    kind: &'static str,
    id: VisibleText,
    /// The id as it was received, if another spelling of it was found.
    received: Option<VisibleText>,
    url: &'a str,
    /// The URL in front of its host, its host, and the rest.
    url_parts: (&'a str, &'a str, &'a str),
    project: Option<&'a str>,
    resolved: Option<TimeText>,
    outcome: LinkOutcome,
    long: String,
    short: String,
    /// The rows of the details, with the time when they were read.
    details: Option<(Vec<DetailRow>, Option<TimeText>)>,
    /// Why there are none.
    missing: Option<MissingDetails>,
}

struct MissingDetails {
    why: &'static str,
    /// Seconds after which they may be there.
    wait: Option<u32>,
    /// The address to try again at, if that can help.
    reload: Option<String>,
}

/// The answer of a link page.
pub(super) struct LinkPageAnswer {
    pub(super) result: Result<Response, Box<ProblemResponse>>,
    /// True if Nebuly was asked for details, or would have been.
    pub(super) is_cold: bool,
}

/// Answers with the page of a link, or with its JSON.
pub(super) async fn answer(page: LinkPageRequest<'_>) -> LinkPageAnswer {
    let LinkPageRequest { web, head, request, position, .. } = page;
    let candidates = request.candidates;
    let item = candidates.at(position).unwrap_or_else(|| candidates.first().clone().into_owned());
    let (details, is_cold) = details_of(&page, &item).await;
    let installation = Installation::of(web, head);
    let response = if wants_page(&head.headers) {
        html(&page, &installation, &item, details)
    } else {
        json(&page, &installation, &item, details)
    };
    let result = match response {
        Ok(mut response) => {
            page.link_status.add_to(response.headers_mut());
            Ok(response)
        }
        Err(problem) => Err(Box::new(problem.into())),
    };
    LinkPageAnswer { result, is_cold }
}

/// The details of the item, if the operator wants them to be shown; and true if Nebuly was asked for them, or would have
/// been.
async fn details_of(page: &LinkPageRequest<'_>, item: &Item<'_>) -> (Option<FoundDetails>, bool) {
    let LinkPageRequest { web, request, found, link_status, .. } = page;
    if !web.resolver.has_details() {
        return (None, false);
    }
    if link_status.outcome == LinkOutcome::Constructed {
        // Nebuly has just failed to answer.
        return (Some(Err(Problem::Unavailable)), false);
    }
    if let Some(details) = web.resolver.cached_details(found.project, item) {
        return (Some(Ok(details)), false);
    }
    let details = match web.resolver.details(found.project, item, request.caller).await {
        Ok(Answer::Found(details)) => Ok(details),
        Ok(Answer::Absent { .. }) => Err(Problem::NotFound),
        Err(CallFailure { cause, .. }) => Err(cause.into()),
    };
    (Some(details), true)
}

fn json(
    page: &LinkPageRequest<'_>,
    installation: &Installation<'_>,
    item: &Item<'_>,
    details: Option<FoundDetails>,
) -> Result<Response, Problem> {
    let (details, error) = details.map_or((None, None), |details| match details {
        Ok(details) => (Some(details), None),
        Err(problem) => (None, Some(ProblemJson::of(problem))),
    });
    let link = LinkWithDetails {
        link: LinkJson::resolved(&page.web.link_json_context(installation), item, &page.found),
        details: details.as_deref().map(fields),
        details_error: error,
    };
    let body = serde_json::to_string(&link).map_err(|_| Problem::Internal)?;
    Ok(secure_response(StatusCode::OK, HeaderValue::from_static("application/json"), body))
}

/// The fields as Nebuly gave them.
fn fields(details: &Details) -> BTreeMap<&str, Value> {
    details.fields.iter().map(|(name, value)| (name.as_ref(), raw(value))).collect()
}

fn raw(value: &DetailValue) -> Value {
    match value {
        DetailValue::Plain(value) => raw_plain(value),
        DetailValue::List(values) => values.iter().map(raw_plain).collect(),
        DetailValue::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), raw_plain(value))).collect()
        }
    }
}

fn raw_plain(value: &PlainValue) -> Value {
    match value {
        PlainValue::Null => Value::Null,
        PlainValue::Bool(value) => (*value).into(),
        PlainValue::Integer(value) => (*value).into(),
        PlainValue::Decimal(value) => (*value).into(),
        PlainValue::Text(value) => value.as_str().into(),
    }
}

fn html(
    page: &LinkPageRequest<'_>,
    installation: &Installation<'_>,
    item: &Item<'_>,
    details: Option<FoundDetails>,
) -> Result<Response, Problem> {
    let LinkPageRequest { web, found, link_status, path, .. } = page;
    let received = page.received.as_deref().filter(|text| is_other_spelling(text, item));
    let project = web.project_in_address(found.project);
    let url = found.url.as_str();
    let now = web.resolver.now();
    let (details, missing) = match details {
        None => (None, None),
        Some(Ok(details)) => {
            (Some((details::rows(item.kind(), &details, now), TimeText::new(details.read_at, now))), None)
        }
        Some(Err(problem)) => (None, Some(missing(problem, path))),
    };
    let template = LinkTemplate {
        frame: Frame::new(web, Section::Links),
        kind: item.kind().label(),
        id: VisibleText::new(&item.id()),
        received: received.map(VisibleText::new),
        url,
        url_parts: parts_of(url),
        project: web.name_of(found.project).map(ProjectName::as_str),
        resolved: found.resolved_at.and_then(|at| TimeText::new(at, now)),
        outcome: link_status.outcome,
        long: installation.address_of(&long_path(item, project)),
        short: installation.address_of(&short_path(item, project)),
        details,
        missing,
    };
    let html = template.render().map_err(|_| Problem::Internal)?;
    Ok(page_response(StatusCode::OK, html, PagePolicy::Plain))
}

/// Returns true if a text is another spelling of the id of an item. Its short code is none: it is our own.
fn is_other_spelling(text: &str, item: &Item<'_>) -> bool {
    *text != item.id() && item.short_code().as_deref() != Some(text)
}

/// The words for details that are missing, on the page at this address.
fn missing(problem: Problem, path: &str) -> MissingDetails {
    let (why, helps) = match problem {
        Problem::Timeout => ("no answer in time", true),
        Problem::RateLimited { .. } => ("your limit for calls to Nebuly is used up", true),
        Problem::Overloaded { .. } => ("Nebuly is busy", true),
        Problem::Unavailable => ("Nebuly cannot answer now", true),
        Problem::NotFound => ("Nebuly has none", false),
        Problem::KeyRejected => ("Nebuly refuses our key", false),
        Problem::BadAnswer => ("Nebuly's answer cannot be used", false),
        _ => ("a defect of ours", true),
    };
    MissingDetails { why, wait: problem.retry_after(), reload: helps.then(|| path.to_owned()) }
}

/// Splits a URL around its host and port.
fn parts_of(url: &str) -> (&str, &str, &str) {
    let host = url.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at_checked(host).unwrap_or(("", url));
    let (host, path) =
        rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    (scheme, host, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_around_its_host() {
        for (url, expected) in [
            ("https://v2.example:8443/a?b=c", ("https://", "v2.example:8443", "/a?b=c")),
            ("https://v2.example?b", ("https://", "v2.example", "?b")),
            ("https://v2.example", ("https://", "v2.example", "")),
        ] {
            assert_eq!(parts_of(url), expected);
        }
    }
}
