//! A link as JSON, and a problem as JSON: each may hold the other.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use super::link_address::{long_path, short_path};
use super::problem::Problem;
use crate::domain::{IdCandidates, Item, Kind, ProjectIndex, ProjectName, Timestamp};
use crate::resolver::{Found, Outcome, Resolution};

/// A link as JSON. Members without a value are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkJson {
    /// The position in the request, from 0: in NDJSON, whose lines come in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) index: Option<usize>,
    /// Left out if the kind was left to be found out, and was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = kind_schema)]
    pub(crate) kind: Option<Cow<'static, str>>,
    /// In its canonical form; as it was sent if it is not valid.
    pub(crate) id: String,
    pub(crate) state: LinkState,
    /// The page that shows the item, as Nebuly gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub(crate) url: Option<String>,
    /// The name of the project that has the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) project: Option<String>,
    /// The time at which Nebuly gave the URL (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "date-time")]
    pub(crate) resolved_at: Option<String>,
    /// True if the URL was built from known ids, because Nebuly could not be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) constructed: bool,
    /// The link at this installation, in the form that survives every tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub(crate) long_url: Option<String>,
    /// The short link at this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub(crate) short_url: Option<String>,
    /// Why there is no URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) error: Option<ProblemJson>,
}

/// The schema of a link's kind: that of every kind, which generators make one type of.
fn kind_schema() -> Ref {
    let description = "Left out if the kind was left to be found out, and was not.";
    Ref::builder().ref_location_from_schema_name("Kind").description(Some(description)).into()
}

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkState {
    /// It leads to a URL.
    Resolved,
    /// Nebuly does not have the item.
    Absent,
    /// The id or the project cannot be one.
    Invalid,
    /// It could not be found out where it leads.
    Failed,
}

/// A problem as JSON (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemJson {
    /// A name for this kind of problem, such as `urn:nebulink:not-found`.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    pub(crate) kind: Cow<'static, str>,
    /// The problem in a few words, for a person.
    pub(crate) title: Cow<'static, str>,
    /// The status of the answer, or that which a request for this link alone would get.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// The reason, for a person.
    pub(crate) detail: Cow<'static, str>,
    /// The request's id in the log. Not in a problem within another answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) request_id: Option<String>,
    /// Seconds. In a problem within another answer, which has no header for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) retry_after: Option<u32>,
    /// The member of the body that is wrong or missing (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    /// The links to choose from, if several projects have the item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub(crate) links: Vec<LinkJson>,
}

/// The installation that links are shown of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkJsonContext<'a> {
    /// Its complete address, without a trailing slash, if it is known.
    pub(crate) address: Option<&'a str>,
    /// The names of its projects, in the order of [`ProjectIndex`].
    pub(crate) projects: &'a [ProjectName],
}

impl LinkJson {
    /// A link of a list, with what became of it; `None` if that was not known in time.
    pub(crate) fn of_resolution(
        context: &LinkJsonContext<'_>,
        candidates: &IdCandidates<'_>,
        resolution: Option<&Resolution>,
    ) -> Self {
        let found_item = |resolution: &Resolution| {
            candidates.at(resolution.candidate).unwrap_or_else(|| candidates.first().clone().into_owned())
        };
        let (state, error) = match resolution.map(|resolution| (resolution, &resolution.outcome)) {
            Some((resolution, Outcome::Resolved(found))) => {
                return Self::resolved(context, &found_item(resolution), found);
            }
            Some((resolution, Outcome::Ambiguous(found))) => {
                let item = found_item(resolution);
                let links = found.iter().map(|found| Self::resolved(context, &item, found)).collect();
                (LinkState::Failed, ProblemJson { links, ..ProblemJson::of(Problem::Ambiguous) })
            }
            Some((_, Outcome::Absent)) => (LinkState::Absent, ProblemJson::of(Problem::NotFound)),
            Some((_, Outcome::Failed(failure))) => (LinkState::Failed, ProblemJson::of(failure.cause.into())),
            None => (LinkState::Failed, ProblemJson::of(Problem::Timeout)),
        };
        Self::without_url(candidates.kind(), candidates.first().id().into_owned(), state, error)
    }

    /// The link of an item that was found.
    pub(crate) fn resolved(context: &LinkJsonContext<'_>, item: &Item<'_>, found: &Found) -> Self {
        let name = context.name_of(found.project);
        let in_address = name.filter(|_| context.projects.len() > 1);
        let address = |path: String| context.address.map(|address| format!("{address}{path}"));
        Self {
            index: None,
            kind: Some(item.kind().as_str().into()),
            id: item.id().into_owned(),
            state: LinkState::Resolved,
            url: Some(found.url.as_str().to_owned()),
            project: name.map(ToString::to_string),
            resolved_at: found.resolved_at.and_then(rfc3339),
            // Only Nebuly's word has a time.
            constructed: found.resolved_at.is_none(),
            long_url: address(long_path(item, in_address)),
            short_url: address(short_path(item, in_address)),
            error: None,
        }
    }

    /// A link of a list whose id, as it was sent, or project cannot be one.
    pub(crate) fn invalid(kind: Option<Kind>, id: String, problem: Problem) -> Self {
        Self::without_url(kind, id, LinkState::Invalid, ProblemJson::of(problem))
    }

    fn without_url(kind: Option<Kind>, id: String, state: LinkState, error: ProblemJson) -> Self {
        Self {
            index: None,
            kind: kind.map(|kind| kind.as_str().into()),
            id,
            state,
            url: None,
            project: None,
            resolved_at: None,
            constructed: false,
            long_url: None,
            short_url: None,
            error: Some(error),
        }
    }
}

impl ProblemJson {
    /// The problem within another answer.
    pub(crate) fn of(problem: Problem) -> Self {
        let row = problem.row();
        Self {
            kind: row.kind.into(),
            title: row.title.into(),
            status: row.status.as_u16(),
            detail: problem.detail(),
            request_id: None,
            retry_after: problem.retry_after(),
            pointer: match problem {
                Problem::InvalidMember { member, .. } => Some(member.pointer()),
                _ => None,
            },
            links: Vec::new(),
        }
    }
}

impl LinkJsonContext<'_> {
    fn name_of(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.projects.get(project.position())
    }
}

/// RFC 3339 in UTC, to the second; `None` for a time beyond the year 9999.
fn rfc3339(time: Timestamp) -> Option<String> {
    let seconds = i64::try_from(time.as_millis() / 1000).ok()?;
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
