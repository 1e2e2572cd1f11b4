//! The answer of a route, and what its record says of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LOCATION};

use super::headers::{NO_ROBOTS, X_ROBOTS_TAG};
use super::observability::{LinkOutcome, LinkStatus};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use crate::domain::Item;

/// The answer of a route.
pub(super) struct RouteAnswer<'a> {
    pub(super) result: Result<Outgoing, Box<ProblemResponse>>,
    /// The item that was asked for, if it was one.
    pub(super) item: Option<Item<'a>>,
    /// The outcome of its link.
    pub(super) outcome: Option<LinkOutcome>,
    /// The number of links, if the request was for many.
    pub(super) links: Option<usize>,
    /// True if it cost a call to Nebuly, or would have.
    pub(super) is_cold: bool,
    /// Set if the body is made while it is sent: it then turns true if that costs a call to Nebuly, or would have.
    pub(super) becomes_cold: Option<Arc<AtomicBool>>,
}

/// An answer on its way out.
pub(super) enum Outgoing {
    Redirect(Redirect),
    Response(Response),
}

/// A redirect, whose response is written when the headers of its request are not needed any more.
pub(super) struct Redirect {
    pub(super) location: HeaderValue,
    pub(super) cache_control: HeaderValue,
    pub(super) link_status: LinkStatus,
}

/// The most headers for which the map of a request becomes that of its response, more than browsers send. A connection keeps
/// the map, so a larger one would cost its memory.
const MAX_REUSED: usize = 24;

impl<'a> RouteAnswer<'a> {
    /// The answer to a request for one link.
    pub(super) fn of_link(
        result: Result<impl Into<Outgoing>, Box<ProblemResponse>>,
        item: Item<'a>,
        outcome: Option<LinkOutcome>,
    ) -> Self {
        let is_cold = outcome.is_some_and(LinkOutcome::is_cold);
        let result = result.map(Into::into);
        Self { result, item: Some(item), outcome, links: None, is_cold, becomes_cold: None }
    }
}

impl RouteAnswer<'_> {
    /// The answer to any other request, which is not cold.
    fn of_other(result: Result<Outgoing, Box<ProblemResponse>>) -> Self {
        Self { result, item: None, outcome: None, links: None, is_cold: false, becomes_cold: None }
    }
}

impl From<Response> for RouteAnswer<'_> {
    fn from(response: Response) -> Self {
        Self::of_other(Ok(response.into()))
    }
}

impl From<Box<ProblemResponse>> for RouteAnswer<'_> {
    fn from(problem: Box<ProblemResponse>) -> Self {
        Self::of_other(Err(problem))
    }
}

impl From<Problem> for RouteAnswer<'_> {
    fn from(problem: Problem) -> Self {
        Box::new(ProblemResponse::from(problem)).into()
    }
}

impl Outgoing {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Redirect(_) => StatusCode::FOUND,
            Self::Response(response) => response.status(),
        }
    }

    /// The response. That of a redirect is written into the map of its request's headers, which costs no allocation.
    pub(super) fn into_response(self, of_request: HeaderMap) -> Response {
        match self {
            Self::Redirect(redirect) => redirect.into_response(of_request),
            Self::Response(response) => response,
        }
    }
}

impl Redirect {
    fn into_response(self, mut headers: HeaderMap) -> Response {
        if headers.capacity() > MAX_REUSED {
            headers = HeaderMap::new();
        }
        headers.clear();
        headers.insert(LOCATION, self.location);
        headers.insert(CACHE_CONTROL, self.cache_control);
        self.link_status.add_to(&mut headers);
        headers.insert(X_ROBOTS_TAG, NO_ROBOTS);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::FOUND;
        *response.headers_mut() = headers;
        response
    }
}

impl From<Redirect> for Outgoing {
    fn from(redirect: Redirect) -> Self {
        Self::Redirect(redirect)
    }
}

impl From<Response> for Outgoing {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
