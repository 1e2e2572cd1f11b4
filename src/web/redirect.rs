//! The redirect: asks the resolver for a link, and makes the answer of what it says.

use http::HeaderValue;

use super::Web;
use super::answer::{Redirect, RouteAnswer};
use super::headers::NO_STORE;
use super::link_address::SelfLink;
use super::link_page::{self, LinkPageAnswer, LinkPageRequest};
use super::link_request::{LinkRequest, received_id};
use super::observability::LinkStatus;
use super::pages::{card, is_preview_robot};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::request_head::RequestHead;
use super::route::LinkRoute;
use crate::domain::{LazyCaller, Scope, TargetUrl};
use crate::resolver::{Mode, Outcome};

/// Answers a request for a link.
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
    if web.options.unfurl && is_preview_robot(&head.headers) {
        let result = card(&link_request.candidates).map_err(|problem| Box::new(problem.into()));
        return RouteAnswer::of_link(result, link_request.candidates.into_first(), None);
    }
    let request = link_request.to_resolve(web, head, caller);
    let resolution = web.resolver.resolve(&request).await;
    let LinkRequest { candidates, scope, parameters } = &link_request;
    let link_status = LinkStatus::of(&resolution);
    let outcome = link_status.outcome;
    let link = || {
        let project = match *scope {
            Scope::All => None,
            Scope::Only(project) => web.project_in_address(project),
        };
        let (noredirect, looks) = (parameters.noredirect, parameters.looks);
        SelfLink::new(&web.options.base_path, candidates, project, noredirect, looks)
    };
    let problem = match resolution.outcome {
        Outcome::Resolved(found) if parameters.noredirect => {
            let (position, path) = (resolution.candidate, link().path);
            let (request, received) = (&request, received_id(web, route, head));
            let page = LinkPageRequest { web, head, request, position, found, link_status, received, path };
            // Boxed, so that the future of a redirect stays small.
            let LinkPageAnswer { result, is_cold } = Box::pin(link_page::answer(page)).await;
            let answer = RouteAnswer::of_link(result, link_request.candidates.into_first(), Some(outcome));
            return RouteAnswer { is_cold: answer.is_cold || is_cold, ..answer };
        }
        Outcome::Resolved(found) => {
            let result = redirect(web, found.url, request.mode, link_status);
            return RouteAnswer::of_link(result, link_request.candidates.into_first(), Some(outcome));
        }
        Outcome::Absent => Problem::NotFound.into(),
        Outcome::Ambiguous(found) => {
            let item = candidates.at(resolution.candidate);
            let item = item.as_ref().unwrap_or_else(|| candidates.first());
            ProblemResponse::ambiguous(web, head, item, &found, parameters.noredirect)
        }
        Outcome::Failed(failure) => Problem::from(failure.cause).into(),
    };
    let problem = ProblemResponse { link_status: Some(link_status), link: Some(link()), ..problem };
    let problem = Err::<Redirect, _>(Box::new(problem));
    RouteAnswer::of_link(problem, link_request.candidates.into_first(), Some(outcome))
}

/// The redirect to a URL that was found in this mode.
pub(super) fn redirect(
    web: &Web,
    url: TargetUrl,
    mode: Mode,
    link_status: LinkStatus,
) -> Result<Redirect, Box<ProblemResponse>> {
    let is_cacheable = mode == Mode::Cached && link_status.is_certain;
    let cache_control = if is_cacheable { web.cacheable.clone() } else { NO_STORE };
    let location =
        HeaderValue::from_maybe_shared(url.into_bytes()).map_err(|_| Box::new(Problem::Internal.into()))?;
    Ok(Redirect { location, cache_control, link_status })
}
