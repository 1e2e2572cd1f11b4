//! The page `/kit`: a template for each tool that embeds links, and the test of an address that such a tool made.
//!
//! | file | job |
//! |---|---|
//! | `templates` | the table of tools, and how a template is filled in |
//! | `browser_request` | the request that a browser makes of an address |
//! | `link_test` | reads that request with the code that serves links, and asks the resolver |
//! | `verdict` | the verdict on it, in words |

mod browser_request;
mod link_test;
mod templates;
mod verdict;

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use http::{Method, StatusCode};

use self::link_test::LinkTest;
use self::templates::{KitChoice, TOOLS, TextPart, Tool, tag_template};
use super::Web;
use super::answer::RouteAnswer;
use super::form::Form;
use super::installation::Installation;
use super::pages::{Frame, PagePolicy, Section, page_response};
use super::problem::Problem;
use super::request_head::RequestHead;
use crate::domain::{Kind, LazyCaller, ProjectName};

/// The longest address that the page shows again, in bytes.
const MAX_ECHO: usize = 4096;

#[derive(Template)]
#[template(path = "kit.html")]
struct KitPage<'a> {
    frame: Frame<'a>,
    tools: &'static [Tool],
    /// The names of the tags that may be looked up.
    tags: &'a [Arc<str>],
    choice: KitChoice<'a>,
    /// The projects to choose from, if there are several.
    projects: &'a [ProjectName],
    /// False if templates can only have paths.
    knows_its_address: bool,
    /// The address that was tested, as far as it is shown again.
    tested: &'a str,
    test: Option<LinkTest>,
}

/// Answers `GET /kit` with the page, and `POST /kit` with the test of an address on it.
pub(super) async fn answer(
    web: &Web,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> RouteAnswer<'static> {
    respond(web, head, body, caller).await.unwrap_or_else(RouteAnswer::from)
}

async fn respond(
    web: &Web,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> Result<RouteAnswer<'static>, Problem> {
    let form = match head.method {
        Method::POST => Some(Form::read(web, head, body, caller).await?),
        _ => None,
    };
    let (kind, project) = selection(web, head.uri.query().unwrap_or_default())?;
    let installation = Installation::of(web, head);
    let mut tested = String::new();
    let mut test = None;
    if let Some(form) = form {
        let address = form.address.unwrap_or_default();
        // A test is limited like a paste, of one link.
        let place = web.batch_places.take(caller.caller().fairness_key);
        let _place = place.ok_or(Problem::TooManyBatches)?;
        test = Some(LinkTest::run(web, head, &installation, &address, caller).await);
        if address.len() <= MAX_ECHO {
            tested = address;
        }
    }
    let links = test.as_ref().map(|_| 1);
    let is_cold = test.as_ref().is_some_and(|test| test.is_cold);
    let several = Some(web.options.projects.as_slice()).filter(|projects| projects.len() > 1);
    let page = KitPage {
        frame: Frame::new(web, Section::Templates),
        tools: TOOLS,
        tags: &web.options.lookup_tags,
        choice: KitChoice { address: installation.url().unwrap_or(&web.options.base_path), kind, project },
        projects: several.unwrap_or_default(),
        knows_its_address: installation.url().is_some(),
        tested: &tested,
        test,
    };
    let page = page.render().map_err(|_| Problem::Internal)?;
    let response = page_response(StatusCode::OK, page, PagePolicy::WithForm);
    Ok(RouteAnswer { links, is_cold, ..response.into() })
}

/// Reads the kind and the project that were chosen on the page. With several projects, one is always chosen.
fn selection<'a>(web: &'a Web, query: &str) -> Result<(Kind, Option<&'a ProjectName>), Problem> {
    let projects = &web.options.projects;
    let mut kind = Kind::Conversation;
    let mut project = projects.first();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("kind", "conversation") => kind = Kind::Conversation,
            ("kind", "interaction") => kind = Kind::Interaction,
            ("kind", _) => {
                return Err(Problem::InvalidRequest("The parameter kind is conversation or interaction."));
            }
            ("project", name) => {
                let known = projects.iter().find(|project| project.as_str() == name);
                project = Some(known.ok_or(Problem::UnknownProject)?);
            }
            _ => {}
        }
    }
    Ok((kind, project.filter(|_| projects.len() > 1)))
}

impl KitPage<'_> {
    /// The address of the page with this kind chosen, and the same project.
    fn address_with(&self, kind: &str) -> String {
        let base_path = self.frame.base_path;
        let project = self.choice.project.map(|project| format!("&project={project}")).unwrap_or_default();
        format!("{base_path}/kit?kind={kind}{project}")
    }

    fn tag_template(&self, tag: &str) -> Vec<TextPart> {
        tag_template(&self.choice, tag)
    }

    fn is_chosen(&self, project: &ProjectName) -> bool {
        self.choice.project == Some(project)
    }
}
