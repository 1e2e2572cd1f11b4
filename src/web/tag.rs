//! A look-up by tag: asks the resolver for the newest item, and answers with its link.

use super::Web;
use super::answer::RouteAnswer;
use super::installation::Installation;
use super::link_address::SelfLink;
use super::link_json::LinkJson;
use super::link_page::{self, LinkPageAnswer, LinkPageRequest};
use super::link_request::mode_and_wait;
use super::observability::{LinkOutcome, LinkStatus};
use super::pages::{Choice, card_of_tag, is_preview_robot};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::redirect::redirect;
use super::request_head::RequestHead;
use super::route::TagRoute;
use super::tag_request::TagRequest;
use crate::domain::{IdCandidates, Item, LazyCaller, ProjectIndex, Scope};
use crate::resolver::{AnswerSource, Outcome, ResolveRequest, TagLookup, TaggedLink};

/// A request that is being answered.
struct Answering<'a> {
    web: &'a Web,
    head: &'a RequestHead,
    request: &'a TagRequest<'a>,
    lookup: &'a TagLookup<'a>,
}

/// Answers a request to look a tag up.
pub(super) async fn answer(
    web: &Web,
    route: TagRoute,
    head: &RequestHead,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'static> {
    let request = match TagRequest::read(web, route, head) {
        Ok(request) => request,
        Err(problem) => return problem.into(),
    };
    let TagRequest { tag, kind, scope, parameters, .. } = &request;
    if web.options.unfurl && is_preview_robot(&head.headers) {
        return card_of_tag(tag.name()).map_or_else(RouteAnswer::from, RouteAnswer::from);
    }
    let (mode, wait) = mode_and_wait(web, head, parameters);
    let range = request.range();
    let lookup = TagLookup { tag: tag.clone(), kind: *kind, range, scope: *scope, mode, wait, caller };
    let found = web.resolver.look_up(&lookup).await;
    let link_status = LinkStatus::of(&found);
    let outcome = Some(link_status.outcome);
    let has_waited = matches!(found.source, AnswerSource::Nebuly(_));
    let answering = Answering { web, head, request: &request, lookup: &lookup };
    let answer = match found.outcome {
        Outcome::Resolved(link) => answering.answer_with(link, found.source).await,
        Outcome::Ambiguous(links) => {
            let choices = links.iter().filter_map(|link| answering.choice(link)).collect();
            let problem = ProblemResponse { choices, ..Problem::AmbiguousTag.into() };
            RouteAnswer { links: Some(links.len()), ..answering.problem(problem, link_status, None) }
        }
        Outcome::Absent => answering.problem(request.not_found(web).into(), link_status, None),
        Outcome::Failed(failure) => answering.problem(Problem::from(failure.cause).into(), link_status, None),
    };
    RouteAnswer { is_cold: answer.is_cold || has_waited, outcome: answer.outcome.or(outcome), ..answer }
}

impl Answering<'_> {
    /// Answers with the link of the item that was found.
    async fn answer_with(&self, found: TaggedLink, look_up: AnswerSource) -> RouteAnswer<'static> {
        let Self { web, head, request, lookup } = *self;
        let TaggedLink { item, scope, link } = found;
        let link_status = LinkStatus::of_tagged(&link, look_up);
        let outcome = Some(link_status.outcome);
        match link.outcome {
            Outcome::Resolved(found) if request.parameters.noredirect => {
                let candidates = IdCandidates::of_item(item.clone());
                let (mode, wait, caller) = (lookup.mode, lookup.wait, lookup.caller);
                let resolved = ResolveRequest { candidates: &candidates, scope, mode, wait, caller };
                let page = LinkPageRequest {
                    web,
                    head,
                    request: &resolved,
                    position: 0,
                    found,
                    link_status,
                    received: None,
                    path: self.self_link(None).path,
                };
                let LinkPageAnswer { result, is_cold } = link_page::answer(page).await;
                let answer = RouteAnswer::of_link(result, item, outcome);
                RouteAnswer { is_cold: answer.is_cold || is_cold, ..answer }
            }
            Outcome::Resolved(found) => {
                RouteAnswer::of_link(redirect(web, found.url, lookup.mode, link_status), item, outcome)
            }
            Outcome::Absent => self.problem(request.not_found(web).into(), link_status, Some(item)),
            Outcome::Ambiguous(_) => self.problem(Problem::Internal.into(), link_status, Some(item)),
            Outcome::Failed(failure) => {
                self.problem(Problem::from(failure.cause).into(), link_status, Some(item))
            }
        }
    }

    /// Answers with a problem, whose page can ask for the same again.
    fn problem(
        &self,
        problem: ProblemResponse,
        link_status: LinkStatus,
        item: Option<Item<'static>>,
    ) -> RouteAnswer<'static> {
        let outcome = Some(link_status.outcome);
        let link = Some(self.self_link(None));
        let problem = Box::new(ProblemResponse { link_status: Some(link_status), link, ..problem });
        let is_cold = outcome.is_some_and(LinkOutcome::is_cold);
        RouteAnswer { item, outcome, is_cold, ..problem.into() }
    }

    /// One of several links, each in a project of its own.
    fn choice(&self, found: &TaggedLink) -> Option<Choice> {
        let Self { web, head, .. } = *self;
        let Scope::Only(project) = found.scope else { return None };
        web.resolution_metrics.count(found.item.kind(), LinkStatus::of(&found.link).outcome);
        let candidates = IdCandidates::of_item(found.item.clone());
        let installation = Installation::of(web, head);
        let context = web.link_json_context(&installation);
        let json = LinkJson::of_resolution(&context, &candidates, Some(&found.link));
        let resolved_at = match &found.link.outcome {
            Outcome::Resolved(found) => found.resolved_at,
            _ => None,
        };
        Some(Choice {
            path: self.self_link(Some(project)).path,
            resolved_at,
            json: LinkJson { project: web.name_of(project).map(ToString::to_string), ..json },
        })
    }

    /// The link to ask for the same again, or for the same in a project.
    fn self_link(&self, project: Option<ProjectIndex>) -> SelfLink {
        let project = match self.request.scope {
            Scope::All => project,
            Scope::Only(project) => Some(project),
        };
        let project = project.and_then(|project| self.web.project_in_address(project));
        self.request.self_link(&self.web.options.base_path, project)
    }
}
