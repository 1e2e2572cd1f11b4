//! One link.

use axum::response::Response;
use http::StatusCode;
use http::header::HeaderValue;

use crate::domain::{Item, LazyCaller};
use crate::resolver::{Found, Outcome};
use crate::web::Web;
use crate::web::answer::RouteAnswer;
use crate::web::installation::Installation;
use crate::web::link_json::LinkJson;
use crate::web::link_request::LinkRequest;
use crate::web::observability::LinkStatus;
use crate::web::pages::secure_response;
use crate::web::problem::Problem;
use crate::web::problem_response::ProblemResponse;
use crate::web::request_head::RequestHead;
use crate::web::route::LinkRoute;

/// Answers with a link, or with the problem in its place.
pub(super) async fn answer<'a>(
    web: &Web,
    route: LinkRoute,
    head: &'a RequestHead,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'a> {
    let link_request = match LinkRequest::read(web, route, head) {
        Ok(request) => request,
        Err(problem) => return problem.into(),
    };
    let resolution = web.resolver.resolve(&link_request.to_resolve(web, head, caller)).await;
    let link_status = LinkStatus::of(&resolution);
    let outcome = link_status.outcome;
    let candidates = &link_request.candidates;
    let item = candidates.at(resolution.candidate);
    let item = item.as_ref().unwrap_or_else(|| candidates.first());
    let response = match resolution.outcome {
        Outcome::Resolved(found) => json(web, head, item, &found).map_err(ProblemResponse::from),
        Outcome::Absent => Err(Problem::NotFound.into()),
        Outcome::Ambiguous(found) => Err(ProblemResponse::ambiguous(web, head, item, &found, false)),
        Outcome::Failed(failure) => Err(Problem::from(failure.cause).into()),
    };
    let result = match response {
        Ok(mut response) => {
            link_status.add_to(response.headers_mut());
            Ok(response)
        }
        Err(problem) => Err(Box::new(ProblemResponse { link_status: Some(link_status), ..problem })),
    };
    RouteAnswer::of_link(result, link_request.candidates.into_first(), Some(outcome))
}

fn json(web: &Web, head: &RequestHead, item: &Item<'_>, found: &Found) -> Result<Response, Problem> {
    let installation = Installation::of(web, head);
    let link = LinkJson::resolved(&web.link_json_context(&installation), item, found);
    let body = serde_json::to_string(&link).map_err(|_| Problem::Internal)?;
    Ok(secure_response(StatusCode::OK, HeaderValue::from_static("application/json"), body))
}
