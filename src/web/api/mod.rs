//! `/api`: links for programs. Every answer is JSON, whatever `Accept` says.
//!
//! | file | job |
//! |---|---|
//! | `link` | one link |
//! | `batch` | many links, as one JSON document or as a line for each |
//! | `batch_body` | reads the body of a request for many links |

mod batch;
mod batch_body;
mod link;

use std::sync::Arc;

use axum::body::Body;

pub(super) use self::batch_body::RequestedLink;
use super::Web;
use super::answer::RouteAnswer;
use super::problem::Problem;
use super::request_head::RequestHead;
use super::route::ApiRoute;
use crate::domain::LazyCaller;

/// Answers at a path below `/api`.
pub(super) async fn answer<'a>(
    web: &Arc<Web>,
    route: ApiRoute,
    head: &'a RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'a> {
    match route {
        ApiRoute::Link(route) => link::answer(web, route, head, caller).await,
        ApiRoute::Links => batch::answer(web, head, body, caller).await.unwrap_or_else(RouteAnswer::from),
        ApiRoute::Unmatched => Problem::UnknownPath { is_api: true }.into(),
    }
}
