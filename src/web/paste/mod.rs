//! The page to paste ids into.

use axum::body::Body;
use http::request::Parts;

use super::Web;
use super::answer::RouteAnswer;
use super::problem::Problem;
use crate::domain::LazyCaller;

/// Answers a request for the page, or the text that its form sent.
pub(super) async fn answer(
    _web: &Web,
    _parts: &Parts,
    _body: Body,
    _caller: &dyn LazyCaller,
) -> RouteAnswer<'static> {
    Problem::UnknownPath.into()
}
