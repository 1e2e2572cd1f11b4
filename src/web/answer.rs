//! The answer of a route, and what its record says of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::response::Response;

use super::observability::LinkOutcome;
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use crate::domain::Item;

/// The answer of a route.
pub(super) struct RouteAnswer<'a> {
    pub(super) result: Result<Response, Box<ProblemResponse>>,
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

impl<'a> RouteAnswer<'a> {
    /// The answer to a request for one link.
    pub(super) fn of_link(
        result: Result<Response, Box<ProblemResponse>>,
        item: Item<'a>,
        outcome: Option<LinkOutcome>,
    ) -> Self {
        let is_cold = outcome.is_some_and(LinkOutcome::is_cold);
        Self { result, item: Some(item), outcome, links: None, is_cold, becomes_cold: None }
    }
}

impl RouteAnswer<'_> {
    /// The answer to any other request, which is not cold.
    fn of_other(result: Result<Response, Box<ProblemResponse>>) -> Self {
        Self { result, item: None, outcome: None, links: None, is_cold: false, becomes_cold: None }
    }
}

impl From<Response> for RouteAnswer<'_> {
    fn from(response: Response) -> Self {
        Self::of_other(Ok(response))
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
