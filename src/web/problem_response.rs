//! The answer to a request that ends in a problem: a page for a browser, JSON (RFC 9457) for everybody else.

use axum::response::Response;
use http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::Web;
use super::installation::Installation;
use super::link_address::{SelfLink, long_path};
use super::link_json::{LinkJson, ProblemJson};
use super::observability::{LinkStatus, RequestId};
use super::pages::{Choice, PagePolicy, page_response, problem_page, secure_response};
use super::problem::Problem;
use super::request_head::RequestHead;
use crate::domain::Item;
use crate::resolver::Found;

/// Loads a page again after some seconds (HTML, section "Refresh"). As a header, because a delayed `meta` is an obstacle
/// that checkers of accessibility report, however long it waits.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// A problem, and the rest of its answer.
#[derive(Debug)]
pub(super) struct ProblemResponse {
    pub(super) problem: Problem,
    /// The headers that say how the answer came about.
    pub(super) link_status: Option<LinkStatus>,
    /// The link that failed, to ask for it again.
    pub(super) link: Option<SelfLink>,
    /// The text that was received for an id, decoded once.
    pub(super) received: Option<String>,
    /// The links to choose from.
    pub(super) choices: Vec<Choice>,
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self { problem, link_status: None, link: None, received: None, choices: Vec::new() }
    }
}

impl ProblemResponse {
    /// The links that an id stands for, to choose from. With `noredirect`, a page leads to their pages.
    pub(super) fn ambiguous(
        web: &Web,
        head: &RequestHead,
        item: &Item<'_>,
        found: &[Found],
        noredirect: bool,
    ) -> Self {
        let installation = Installation::of(web, head);
        let context = web.link_json_context(&installation);
        let noredirect = if noredirect { "&noredirect" } else { "" };
        let choice = |found: &Found| Choice {
            path: format!(
                "{}{}{noredirect}",
                web.options.base_path,
                long_path(item, web.name_of(found.project))
            ),
            resolved_at: found.resolved_at,
            json: LinkJson::resolved(&context, item, found),
        };
        Self { choices: found.iter().map(choice).collect(), ..Problem::Ambiguous.into() }
    }

    /// Writes the answer: a page, or JSON.
    pub(super) fn into_response(self, web: &Web, as_page: bool, request_id: &RequestId) -> Response {
        let problem = self.problem;
        let status = problem.row().status;
        let (link, received) = (self.link.as_ref(), self.received.as_deref());
        let page = || problem_page(web, problem, request_id, link, received, &self.choices);
        let page = if as_page { page() } else { None };
        let mut response = if let Some(page) = page {
            let mut response = page_response(status, page.html, PagePolicy::Plain);
            let refresh = page.refresh.and_then(|refresh| HeaderValue::try_from(refresh).ok());
            response.headers_mut().extend(refresh.map(|refresh| (REFRESH, refresh)));
            response
        } else {
            let json = HeaderValue::from_static("application/problem+json");
            secure_response(status, json, self.json(request_id))
        };
        let headers = response.headers_mut();
        if let Some(link_status) = self.link_status {
            link_status.add_to(headers);
        }
        if let Problem::MethodNotAllowed { allow } = problem {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = problem.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem == Problem::TokenRequired {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn json(&self, request_id: &RequestId) -> String {
        let problem = ProblemJson {
            request_id: Some(request_id.as_str().to_owned()),
            retry_after: None,
            links: self.choices.iter().map(|choice| choice.json.clone()).collect(),
            ..ProblemJson::of(self.problem)
        };
        // Strings and a number always make JSON.
        serde_json::to_string(&problem).unwrap_or_default()
    }
}
