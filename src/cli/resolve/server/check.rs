//! The check of a link that a server sent, before it is printed.

use std::borrow::Cow;

use url::Url;

use crate::cli::resolve::answer::{MAX_SHOWN, well_formed};
use crate::cli::resolve::ids::RequestedId;
use crate::domain::{IdCandidates, ProjectName};
use crate::web::{LinkJson, LinkState, Problem, ProblemJson};

/// The type of a problem that says nothing (RFC 9457, section 4.2.1).
const UNKNOWN_TYPE: &str = "about:blank";

/// The longest name of a type behind `urn:nebulink:`, in bytes. nebulink's are shorter.
const MAX_TYPE_NAME: usize = 64;

/// The link of an id that was asked for; `None` if it is not a link of this id. A URL that may not be opened makes it one
/// that failed, and other members that are not valid are left out.
pub(super) fn checked(link: LinkJson, id: &RequestedId) -> Option<LinkJson> {
    let kind = Some(id.kind.as_str().into());
    if link.kind != kind || !is_id_of(&link.id, id) {
        return None;
    }
    let state = link.state;
    let url = link.url.filter(|url| state == LinkState::Resolved && well_formed(url).is_some());
    let (state, error) = match (state, &url) {
        (LinkState::Resolved, Some(_)) => (state, None),
        (LinkState::Resolved, None) => (LinkState::Failed, Some(ProblemJson::of(Problem::BadAnswer))),
        (LinkState::Absent | LinkState::Invalid | LinkState::Failed, _) => {
            (state, Some(checked_problem(link.error?, id)))
        }
    };
    Some(LinkJson {
        index: None,
        kind,
        id: link.id,
        state,
        project: link.project.filter(|name| ProjectName::try_from(name.as_str()).is_ok()),
        resolved_at: link.resolved_at.filter(|time| time.parse::<jiff::Timestamp>().is_ok()),
        constructed: link.constructed && url.is_some(),
        long_url: link.long_url.filter(|url| is_address(url)),
        short_url: link.short_url.filter(|url| is_address(url)),
        url,
        error,
    })
}

/// The problem of a link, with texts that fit a line. Members that a problem within another answer does not have are left
/// out.
fn checked_problem(problem: ProblemJson, id: &RequestedId) -> ProblemJson {
    ProblemJson {
        kind: if is_type(&problem.kind) { problem.kind } else { UNKNOWN_TYPE.into() },
        title: cut(problem.title),
        status: problem.status,
        detail: cut(problem.detail),
        request_id: None,
        retry_after: problem.retry_after,
        pointer: None,
        links: problem.links.into_iter().filter_map(|choice| checked(choice, id)).collect(),
    }
}

/// Returns true if a text is a type of nebulink's problems, also one of a later version.
fn is_type(text: &str) -> bool {
    let name = text.strip_prefix("urn:nebulink:").unwrap_or_default();
    (1..=MAX_TYPE_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// A text, cut where it would be cut for a terminal.
fn cut(text: Cow<'static, str>) -> Cow<'static, str> {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
        None => text,
    }
}

/// Returns true if a server may answer with this id: it is the one that was sent, its canonical form, or a cleaned spelling.
fn is_id_of(answered: &str, id: &RequestedId) -> bool {
    let is_meant = |candidates: &IdCandidates<'_>| {
        candidates.first().id() == answered || candidates.others().iter().any(|item| item.id() == answered)
    };
    answered == id.text || id.candidates.as_ref().is_ok_and(is_meant)
}

/// Returns true if a text may be an address of the installation.
fn is_address(text: &str) -> bool {
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https");
    text.bytes().all(|byte| byte.is_ascii_graphic()) && Url::parse(text).is_ok_and(is_web)
}
