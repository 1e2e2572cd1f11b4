//! Links and problems as JSON, written by the code that serves: the examples are what callers get.

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;
use utoipa::openapi::example::{Example, ExampleBuilder};

use super::problem_answers::{PROBLEMS, name_of};
use crate::domain::{
    AllowedHosts, Construction, IdCandidates, InvalidId, Item, Kind, ProjectIds, ProjectIndex, ProjectName,
    Timestamp,
};
use crate::resolver::{AnswerSource, Found, Outcome, Resolution};
use crate::web::link_json::{LinkJson, LinkJsonContext, ProblemJson};
use crate::web::link_page::LinkWithDetails;
use crate::web::problem::Problem;

pub(super) const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
pub(super) const CONVERSATION: &str = "session-2041";

/// Of November 20, 2026.
const RESOLVED_AT: Timestamp = Timestamp::from_millis(1_795_168_800_000);

/// The interaction of the examples.
pub(super) fn interaction() -> Option<Item<'static>> {
    Item::interaction(INTERACTION).ok()
}

/// A link that was found.
pub(super) fn link() -> Option<LinkJson> {
    with_context(&["default"], |context| {
        let item = interaction()?;
        Some(LinkJson::resolved(context, &item, &found(&item, 0)?))
    })
}

/// A link on whose page there are details.
pub(super) fn link_with_details() -> Option<Value> {
    let details = [("sentiment", json!("positive")), ("topic", json!("billing"))].into();
    value(&LinkWithDetails { link: link()?, details: Some(details), details_error: None })
}

/// A link in each state.
pub(super) fn links() -> Option<Vec<LinkJson>> {
    with_context(&["default"], |context| {
        let conversation = IdCandidates::of_item(Item::conversation(CONVERSATION).ok()?);
        let absent = Resolution { outcome: Outcome::Absent, source: AnswerSource::Memory, candidate: 0 };
        let why = InvalidId::NotAUuid;
        let invalid = Problem::InvalidId { why, kind: Some(Kind::Interaction) };
        Some(vec![
            link()?,
            LinkJson::of_resolution(context, &conversation, Some(&absent)),
            LinkJson::of_resolution(context, &conversation, None),
            LinkJson::invalid(Some(Kind::Interaction), "2041".to_owned(), invalid),
        ])
    })
}

/// Every problem, by name.
pub(super) fn problems() -> impl Iterator<Item = (String, Example)> {
    PROBLEMS.iter().map(|problem| {
        let links = if matches!(problem, Problem::Ambiguous | Problem::AmbiguousTag) {
            choices().unwrap_or_default()
        } else {
            Vec::new()
        };
        let request_id = Some("7d2f0c1b9a3e4d58".to_owned());
        let json = ProblemJson { request_id, retry_after: None, links, ..ProblemJson::of(*problem) };
        (name_of(*problem), ExampleBuilder::new().summary(problem.row().title).value(value(&json)).build())
    })
}

/// The links of a conversation's id that two projects know.
fn choices() -> Option<Vec<LinkJson>> {
    with_context(&["emea", "apac"], |context| {
        let item = Item::conversation(CONVERSATION).ok()?;
        let choice = |project| Some(LinkJson::resolved(context, &item, &found(&item, project)?));
        (0..context.projects.len()).map(choice).collect()
    })
}

fn with_context<T>(projects: &[&str], make: impl FnOnce(&LinkJsonContext<'_>) -> Option<T>) -> Option<T> {
    let projects: Vec<_> = projects.iter().filter_map(|name| ProjectName::try_from(*name).ok()).collect();
    make(&LinkJsonContext { address: Some("https://go.example.com"), projects: &projects })
}

/// The page of an item, as Nebuly's own URLs are.
fn found(item: &Item<'_>, project: usize) -> Option<Found> {
    let platform = Url::parse("https://v2.platform.eu.nebuly.com").ok()?;
    let mut hosts = AllowedHosts::default();
    hosts.allow_host_of(&platform).ok()?;
    let ids = ProjectIds {
        project_id: format!("4f1d2c3b-0000-4000-8000-00000000000{project}"),
        organization_id: "9a8b7c6d-0000-4000-8000-000000000000".to_owned(),
    };
    let url = Construction::new(&platform, hosts).build(&ids, item)?;
    Some(Found { url, project: ProjectIndex::new(project)?, resolved_at: Some(RESOLVED_AT) })
}

/// A value as JSON; `None` never: all of these are texts, numbers and lists of them.
pub(super) fn value(value: &impl Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}
