//! The page of a problem, for a person.

use askama::Template;
use serde::Serialize;

use super::secure_response::STYLE;
use crate::domain::{IdCandidates, Kind, ProjectName};
use crate::text::percent_encoded;
use crate::web::observability::RequestId;
use crate::web::parameters::LOOKS;
use crate::web::problem::Problem;

/// The page of an unknown item loads itself again every five seconds for a minute.
const MAX_LOOKS: u8 = 12;

/// The address of the link that failed, to ask for it again; built from what was read of it, never from the request's
/// target.
#[derive(Debug)]
pub(in crate::web) struct SelfLink {
    kind: Option<Kind>,
    id: String,
    path: String,
    looks: u8,
}

/// One of several links that an id stands for, as JSON and as a line of a page.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Choice {
    pub(in crate::web) kind: &'static str,
    pub(in crate::web) id: String,
    pub(in crate::web) state: &'static str,
    pub(in crate::web) url: String,
    pub(in crate::web) project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::web) resolved_at: Option<String>,
    /// The address that leads to this one.
    #[serde(skip)]
    pub(in crate::web) path: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    style: &'static str,
    title: &'a str,
    detail: &'a str,
    advice: &'a str,
    request_id: &'a str,
    kind: &'static str,
    id: &'a str,
    /// The label of the button and where it leads.
    button: Option<(&'static str, &'a str)>,
    /// The address that the page loads by itself after five seconds.
    look_again: Option<String>,
    choices: &'a [Choice],
}

/// The page of a problem; `None` if it cannot be written.
pub(in crate::web) fn problem_page(
    problem: Problem,
    request_id: &RequestId,
    link: Option<&SelfLink>,
    choices: &[Choice],
) -> Option<String> {
    let row = problem.row();
    let look_again = link.filter(|link| problem == Problem::NotFound && link.looks < MAX_LOOKS);
    let label = if problem == Problem::NotFound { "Look again" } else { "Try again" };
    let page = ProblemPage {
        style: STYLE,
        title: row.title,
        detail: row.detail,
        advice: row.advice,
        request_id: request_id.as_str(),
        kind: link.and_then(|link| link.kind).map_or("id", Kind::as_str),
        id: link.map_or("", |link| link.id.as_str()),
        button: link.filter(|_| choices.is_empty()).map(|link| (label, link.path.as_str())),
        choices,
        look_again: look_again.map(|link| format!("{}&{LOOKS}={}", link.path, link.looks + 1)),
    };
    page.render().ok()
}

impl SelfLink {
    /// The link that a request named, in the query form: it survives every tool and proxy.
    pub(in crate::web) fn new(
        base_path: &str,
        candidates: &IdCandidates<'_>,
        project: Option<&ProjectName>,
        looks: u8,
    ) -> Self {
        let item = candidates.first();
        let kind = candidates.kind_was_named().then(|| item.kind());
        let id = candidates.text().into_owned();
        let query = percent_encoded(&id);
        let mut path = match kind {
            Some(kind) => format!("{base_path}/go/{kind}?id={query}"),
            None => format!("{base_path}/go?id={query}"),
        };
        if let Some(project) = project {
            // A project's name needs no encoding.
            path.push_str("&project=");
            path.push_str(project.as_str());
        }
        Self { kind, id, path, looks }
    }

    /// Its path and query.
    pub(in crate::web) fn into_path(self) -> String {
        self.path
    }
}
