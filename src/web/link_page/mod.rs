//! The page of a link (`noredirect`), and its JSON for programs.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderValue;
use http::request::Parts;

use super::Web;
use super::installation::Installation;
use super::link_address::{long_path, short_path};
use super::link_json::LinkJson;
use super::negotiation::wants_page;
use super::observability::{LinkOutcome, LinkStatus};
use super::pages::{Frame, PagePolicy, Section, TimeText, VisibleText, page_response, secure_response};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use crate::domain::Item;
use crate::resolver::{Found, ResolveRequest};

/// A link that was found, and the request for it.
pub(super) struct LinkPageRequest<'a> {
    pub(super) web: &'a Web,
    pub(super) parts: &'a Parts,
    pub(super) request: &'a ResolveRequest<'a>,
    /// The position of the candidate that was found.
    pub(super) position: usize,
    pub(super) found: Found,
    pub(super) link_status: LinkStatus,
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
}

/// Answers with the page of a link, or with its JSON.
pub(super) async fn answer(page: LinkPageRequest<'_>) -> Result<Response, Box<ProblemResponse>> {
    let LinkPageRequest { web, parts, request, position, found, link_status } = page;
    let candidates = request.candidates;
    let item = candidates.at(position).unwrap_or_else(|| candidates.first().clone().into_owned());
    let installation = Installation::of(web, parts);
    let response = if wants_page(&parts.headers) {
        let received = Some(candidates.text()).filter(|text| *text != item.id());
        html(web, &installation, &item, received.as_deref(), &found, link_status.outcome)
    } else {
        json(web, &installation, &item, &found)
    };
    let mut response = response.map_err(|problem| Box::new(problem.into()))?;
    link_status.add_to(response.headers_mut());
    Ok(response)
}

fn json(
    web: &Web,
    installation: &Installation<'_>,
    item: &Item<'_>,
    found: &Found,
) -> Result<Response, Problem> {
    let link = LinkJson::resolved(web, installation, item, found);
    let body = serde_json::to_string(&link).map_err(|_| Problem::Internal)?;
    Ok(secure_response(StatusCode::OK, HeaderValue::from_static("application/json"), body))
}

fn html(
    web: &Web,
    installation: &Installation<'_>,
    item: &Item<'_>,
    received: Option<&str>,
    found: &Found,
    outcome: LinkOutcome,
) -> Result<Response, Problem> {
    let project = web.project_in_address(found.project);
    let url = found.url.as_str();
    let now = web.resolver.now();
    let page = LinkTemplate {
        frame: Frame::new(web, Section::Links),
        kind: item.kind().label(),
        id: VisibleText::new(&item.id()),
        received: received.map(VisibleText::new),
        url,
        url_parts: parts_of(url),
        project: project.map(|project| project.as_str()),
        resolved: found.resolved_at.and_then(|at| TimeText::new(at, now)),
        outcome,
        long: installation.address_of(&long_path(item, project)),
        short: installation.address_of(&short_path(item, project)),
    };
    let page = page.render().map_err(|_| Problem::Internal)?;
    Ok(page_response(StatusCode::OK, page, PagePolicy::Plain))
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
