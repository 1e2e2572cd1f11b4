//! The answer to a request that ends in a problem: a page for a browser, JSON (RFC 9457) for everybody else.

use axum::response::Response;
use http::HeaderMap;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::negotiation::wants_page;
use super::observability::{LinkStatus, RequestId};
use super::pages::{Choice, HTML, SelfLink, problem_page, secure_response};
use super::problem::Problem;

/// A problem, and the rest of its answer.
#[derive(Debug)]
pub(super) struct ProblemResponse {
    pub(super) problem: Problem,
    /// The headers that say how the answer came about.
    pub(super) link_status: Option<LinkStatus>,
    /// The address of the same link, to ask for it again.
    pub(super) link: Option<SelfLink>,
    /// The links to choose from.
    pub(super) choices: Vec<Choice>,
}

/// RFC 9457.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    links: &'a [Choice],
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self { problem, link_status: None, link: None, choices: Vec::new() }
    }
}

impl ProblemResponse {
    /// Writes the answer to a request with these headers.
    pub(super) fn into_response(self, request: &HeaderMap, request_id: &RequestId) -> Response {
        let Self { problem, link_status, link, choices } = self;
        let page = if wants_page(request) {
            problem_page(problem, request_id, link.as_ref(), &choices)
        } else {
            None
        };
        let (content_type, body) = match page {
            Some(page) => (HTML, page),
            None => {
                (HeaderValue::from_static("application/problem+json"), json(problem, request_id, &choices))
            }
        };
        let mut response = secure_response(problem.row().status, content_type, body);
        let headers = response.headers_mut();
        if let Some(link_status) = link_status {
            link_status.add_to(headers);
        }
        if problem == Problem::MethodNotAllowed {
            headers.insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        }
        if let Some(seconds) = problem.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem == Problem::TokenRequired {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn json(problem: Problem, request_id: &RequestId, links: &[Choice]) -> String {
    let row = problem.row();
    let details = ProblemDetails {
        kind: row.kind,
        title: row.title,
        status: row.status.as_u16(),
        detail: row.detail,
        request_id: request_id.as_str(),
        links,
    };
    // Strings and a number always make JSON.
    serde_json::to_string(&details).unwrap_or_default()
}
