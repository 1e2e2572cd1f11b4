//! The page where a person pastes ids and gets links. The text is sent in the body of a form, and appears in no URL, log or
//! metric.
//!
//! | file | job |
//! |---|---|
//! | `home_page` | the page with the form, also where nothing could be read from a text |
//! | `results_page` | the links of a text |

mod home_page;
mod results_page;

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use self::home_page::{PasteForm, UnusableText, home_page};
use self::results_page::{NoLinkReason, PastedLink, results_page};
use super::Web;
use super::answer::RouteAnswer;
use super::batch::BatchLink;
use super::form::Form;
use super::installation::Installation;
use super::link_request::own_link;
use super::negotiation::wants_page;
use super::problem::Problem;
use super::request_head::RequestHead;
use crate::domain::{LazyCaller, PastedId, PastedText, ProjectName, Scope};
use crate::resolver::Mode;

/// Answers a request for the page, or the text that its form sent.
pub(super) async fn answer(
    web: &Arc<Web>,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'static> {
    let answer = if head.method == Method::POST {
        paste(web, head, body, caller).await
    } else {
        let text = web.options.sample_text.as_deref().unwrap_or_default();
        let form = PasteForm { text, has_focus: true, ..PasteForm::new(web) };
        home_page(web, form, StatusCode::OK).map(RouteAnswer::from)
    };
    answer.unwrap_or_else(RouteAnswer::from)
}

/// Looks up the ids of a text that was pasted.
async fn paste(
    web: &Arc<Web>,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> Result<RouteAnswer<'static>, Problem> {
    let deadline = web.batch_deadline(Instant::now());
    let unused = |form, why| unusable(web, head, form, why).map(RouteAnswer::from);
    let form = match Form::read(web, head, body, caller).await {
        Err(Problem::TooLarge) => return unused(PasteForm::new(web), UnusableText::TooLong),
        Err(Problem::TooManyBatches) => return unused(PasteForm::new(web), UnusableText::NoPlace),
        form => form?,
    };
    let chosen = match form.project.as_deref().unwrap_or_default() {
        "" => None,
        name => {
            Some(web.project(name).and_then(|project| web.name_of(project)).ok_or(Problem::UnknownProject)?)
        }
    };
    let text = form.ids.unwrap_or_default();
    let Some(place) = web.batch_places.take(caller.caller().fairness_key) else {
        return unused(PasteForm { text: &text, chosen, ..PasteForm::new(web) }, UnusableText::NoPlace);
    };
    // A long text takes a while, during which a worker of a runtime could answer nobody. Its place stays taken until then,
    // even if the client leaves.
    let reading = web.options.background.run_blocking({
        let (web, head) = (Arc::clone(web), head.clone());
        move || {
            let installation = Installation::of(&web, &head);
            let own_link = |text: &str, url: Option<&Url>| own_link(&web, &installation, text, url);
            (PastedText::read(&text, &web.options.allowed_hosts, &own_link), text, place)
        }
    });
    let (pasted, text, _place) = reading.await.map_err(|_| Problem::Internal)?;
    if pasted.ids.is_empty() {
        let why = if text.trim().is_empty() { UnusableText::Empty } else { UnusableText::WithoutIds };
        return unused(PasteForm { text: &text, chosen, ..PasteForm::new(web) }, why);
    }
    drop(text);
    let number = pasted.ids.len();
    let links = look_up(web, pasted.ids, chosen, caller, deadline).await;
    let form = PasteForm { chosen, ..PasteForm::new(web) };
    let response = results_page(web, &Installation::of(web, head), form, &links, pasted.total)?;
    let is_cold = links.iter().any(PastedLink::is_cold);
    Ok(RouteAnswer { links: Some(number), is_cold, ..response.into() })
}

/// Answers with the page again, or with the problem to a program.
fn unusable(
    web: &Web,
    head: &RequestHead,
    form: PasteForm<'_>,
    why: UnusableText,
) -> Result<Response, Problem> {
    let problem = why.problem();
    if !wants_page(&head.headers) {
        return Err(problem);
    }
    let mut response = home_page(web, PasteForm { unusable: Some(why), ..form }, problem.row().status)?;
    if let Some(seconds) = problem.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Looks ids up, in the project that was chosen unless a link of ours names another.
async fn look_up(
    web: &Arc<Web>,
    ids: Vec<PastedId>,
    chosen: Option<&ProjectName>,
    caller: &dyn LazyCaller,
    deadline: Instant,
) -> Vec<PastedLink> {
    let mut links = Vec::with_capacity(ids.len());
    let mut to_resolve = Vec::new();
    for (position, id) in ids.into_iter().enumerate() {
        let name = id.project.as_deref().or(chosen.map(ProjectName::as_str));
        let scope = match name.map(|name| web.project(name)) {
            None => Ok(Scope::All),
            Some(project) => project.map(Scope::Only).ok_or(NoLinkReason::UnknownProject),
        };
        let link = id.candidates.map_err(NoLinkReason::InvalidId).and_then(|candidates| {
            let scope = scope?;
            Ok(BatchLink { candidates, scope, positions: vec![position] })
        });
        links.push(link.map_or_else(
            |why| Some(PastedLink::NoLink { text: id.text, why }),
            |link| {
                to_resolve.push(link);
                None
            },
        ));
    }
    let mut results = pin!(web.resolve_batch(to_resolve, Mode::Cached, caller.caller().clone(), deadline));
    while let Some(result) = results.next().await {
        let position = result.link.positions.first();
        if let Some(link) = position.and_then(|position| links.get_mut(*position)) {
            *link = Some(PastedLink::Link(result));
        }
    }
    links.into_iter().flatten().collect()
}
