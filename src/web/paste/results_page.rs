//! The page with the links of a pasted text.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::home_page::PasteForm;
use crate::domain::{CallFailure, Cause, InvalidId, ProjectName, Scope};
use crate::resolver::{Found, Outcome, Resolution};
use crate::web::Web;
use crate::web::batch::{BatchLink, BatchResult};
use crate::web::installation::Installation;
use crate::web::link_address::{SelfLink, long_path, short_path};
use crate::web::pages::{Frame, PagePolicy, Section, VisibleText, page_response};
use crate::web::problem::Problem;

/// The characters of an id that a row shows.
const MAX_SHOWN: usize = 80;

/// An id of a pasted text, and what became of it.
#[derive(Debug)]
pub(super) enum PastedLink {
    /// It names no link.
    NoLink {
        /// The text of the id.
        text: String,
        /// The reason.
        why: NoLinkReason,
    },
    /// It was looked up.
    Link(BatchResult),
}

/// The reason why a text names no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLinkReason {
    InvalidId(InvalidId),
    /// A link of ours names a project that there is not.
    UnknownProject,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsTemplate<'a> {
    frame: Frame<'a>,
    form: PasteForm<'a>,
    title: String,
    /// The ids in the text, also those that were left out.
    total: usize,
    found: usize,
    counts: Vec<StateCount>,
    /// How many links could not be asked for.
    failed: usize,
    /// The addresses of all links, to try again: those that were found cost nothing, and stay on the page.
    again: Vec<String>,
    rows: Vec<ResultRow<'a>>,
}

/// The number of rows in a state that somebody has to do something about.
struct StateCount {
    number: usize,
    words: &'static str,
    /// The number of the first of them.
    first: usize,
}

/// One id, and what became of it.
struct ResultRow<'a> {
    /// Counted from 1.
    number: usize,
    kind: &'static str,
    project: Option<&'a ProjectName>,
    id: VisibleText,
    /// The whole id.
    text: String,
    /// `None` if it names no link.
    addresses: Option<RowAddresses>,
    state: RowState<'a>,
}

/// The addresses of a link.
struct RowAddresses {
    /// Of the page of the link, or of the problem in its place.
    page: String,
    long: String,
    /// `None` if the kind is not known.
    short: Option<String>,
}

/// The outcome of an id, as its row says it.
enum RowState<'a> {
    Resolved,
    Absent,
    Ambiguous(Vec<ProjectChoice<'a>>),
    /// The reason, and the rule.
    NoLink(&'static str, &'static str),
    /// The title of the problem.
    Failed(&'static str),
    /// The caller's rate limit refused it; seconds until there is a token.
    NotAsked(u32),
}

/// One of the projects that have an id.
struct ProjectChoice<'a> {
    project: &'a ProjectName,
    address: String,
}

/// Answers with the links of a text that has `total` ids.
pub(super) fn results_page(
    web: &Web,
    installation: &Installation<'_>,
    form: PasteForm<'_>,
    links: &[PastedLink],
    total: usize,
) -> Result<Response, Problem> {
    let row = |(number, link)| row(web, installation, number, link);
    let rows: Vec<_> = (1..).zip(links).map(row).collect();
    let found = rows.iter().filter(|row| matches!(row.state, RowState::Resolved)).count();
    let again = rows.iter().filter_map(|row| row.addresses.as_ref());
    let page = ResultsTemplate {
        frame: Frame::new(web, Section::Links),
        form,
        title: title(found, &rows),
        total,
        found,
        counts: counts(&rows),
        failed: rows.iter().filter(|row| row.is_failed()).count(),
        again: again.map(|addresses| addresses.long.clone()).collect(),
        rows,
    };
    let page = page.render().map_err(|_| Problem::Internal)?;
    Ok(page_response(StatusCode::OK, page, PagePolicy::WithForm))
}

fn title(found: usize, rows: &[ResultRow<'_>]) -> String {
    let looked_up = rows.len();
    if let [row] = rows {
        return row.title().to_owned();
    }
    match found {
        0 => format!("None of {looked_up} found"),
        _ if found == looked_up => format!("All {found} found"),
        _ => format!("{found} of {looked_up} found"),
    }
}

/// The states that are not those of a link that was found, in the order in which the page names them.
fn counts(rows: &[ResultRow<'_>]) -> Vec<StateCount> {
    type IsCounted = fn(&ResultRow<'_>) -> bool;
    let states: [(IsCounted, &str, &str); 4] = [
        (|row| matches!(row.state, RowState::Absent), "is not in Nebuly yet", "are not in Nebuly yet"),
        (|row| matches!(row.state, RowState::Ambiguous(_)), "needs a choice", "need a choice"),
        (|row| matches!(row.state, RowState::NoLink(..)), "is not an id", "are not ids"),
        (|row| row.is_failed(), "could not be asked", "could not be asked"),
    ];
    let count = |(is_counted, one, many): (IsCounted, _, _)| {
        let mut counted = rows.iter().filter(|row| is_counted(row));
        let first = counted.next()?.number;
        let number = 1 + counted.count();
        Some(StateCount { number, words: if number == 1 { one } else { many }, first })
    };
    states.into_iter().filter_map(count).collect()
}

fn row<'a>(web: &'a Web, installation: &Installation<'_>, number: usize, link: &PastedLink) -> ResultRow<'a> {
    match link {
        PastedLink::NoLink { text, why } => {
            let (reason, rule) = why.words();
            ResultRow {
                number,
                kind: "Not an id",
                project: None,
                id: VisibleText::shortened(text, MAX_SHOWN),
                text: String::new(),
                addresses: None,
                state: RowState::NoLink(reason, rule),
            }
        }
        PastedLink::Link(BatchResult { link, resolution }) => {
            row_of_link(web, installation, number, link, resolution.as_ref())
        }
    }
}

fn row_of_link<'a>(
    web: &'a Web,
    installation: &Installation<'_>,
    number: usize,
    link: &BatchLink,
    resolution: Option<&Resolution>,
) -> ResultRow<'a> {
    let candidates = &link.candidates;
    // Until it is found, it is asked for as it was meant.
    let known = resolution
        .filter(|resolution| matches!(resolution.outcome, Outcome::Resolved(_) | Outcome::Ambiguous(_)));
    let item = known.and_then(|resolution| candidates.at(resolution.candidate));
    let item = item.as_ref().unwrap_or_else(|| candidates.first());
    let choice = |found: &Found| {
        let project = web.name_of(found.project)?;
        Some(ProjectChoice { project, address: installation.address_of(&long_path(item, Some(project))) })
    };
    let (state, found_in) = match resolution.map(|resolution| &resolution.outcome) {
        Some(Outcome::Resolved(found)) => (RowState::Resolved, Some(found.project)),
        Some(Outcome::Absent) => (RowState::Absent, None),
        Some(Outcome::Ambiguous(found)) => {
            (RowState::Ambiguous(found.iter().filter_map(choice).collect()), None)
        }
        Some(Outcome::Failed(CallFailure { cause: Cause::RateLimited { retry_after }, .. })) => {
            (RowState::NotAsked(*retry_after), None)
        }
        Some(Outcome::Failed(failure)) => (RowState::Failed(Problem::from(failure.cause).row().title), None),
        None => (RowState::Failed(Problem::Timeout.row().title), None),
    };
    let project = match (found_in, link.scope) {
        (Some(project), _) | (None, Scope::Only(project)) => web.project_in_address(project),
        (None, Scope::All) => None,
    };
    let (path, id) = match found_in {
        Some(_) => (long_path(item, project), item.id()),
        None => (SelfLink::new("", candidates, project, false, None).path, candidates.text()),
    };
    let short = matches!(state, RowState::Resolved | RowState::Absent)
        && (found_in.is_some() || candidates.kind().is_some());
    ResultRow {
        number,
        kind: if found_in.is_some() { item.kind().label() } else { candidates.label() },
        project,
        id: VisibleText::shortened(&id, MAX_SHOWN),
        addresses: Some(RowAddresses {
            page: format!("{}{path}&noredirect", web.options.base_path),
            long: installation.address_of(&path),
            short: short.then(|| installation.address_of(&short_path(item, project))),
        }),
        text: id.into_owned(),
        state,
    }
}

impl ResultRow<'_> {
    /// The heading of a page with this row alone.
    fn title(&self) -> &'static str {
        match self.state {
            RowState::Resolved => "Your link",
            RowState::Absent => "Not in Nebuly yet",
            RowState::Ambiguous(_) => "In several projects",
            RowState::NoLink(..) => "No link",
            RowState::Failed(_) | RowState::NotAsked(_) => "Could not be asked",
        }
    }

    /// Returns true if the link could not be asked for.
    fn is_failed(&self) -> bool {
        matches!(self.state, RowState::Failed(_) | RowState::NotAsked(_))
    }

    /// Returns true if the link works, now or as soon as its item is there.
    fn can_be_copied(&self) -> bool {
        matches!(self.state, RowState::Resolved | RowState::Absent)
    }
}

impl PastedLink {
    /// Returns true if it cost a call to Nebuly, or would have.
    pub(super) fn is_cold(&self) -> bool {
        match self {
            Self::NoLink { .. } => false,
            Self::Link(result) => result.outcome().is_cold(),
        }
    }
}

impl NoLinkReason {
    /// The reason, and the rule, for a person.
    fn words(self) -> (&'static str, &'static str) {
        const ANY_TEXT: &str = "An id is 1 to 512 bytes of text.";
        match self {
            Self::InvalidId(InvalidId::Empty) => ("Empty.", ANY_TEXT),
            Self::InvalidId(InvalidId::TooLong) => ("Longer than 512 bytes.", ANY_TEXT),
            Self::InvalidId(InvalidId::NotUtf8) => ("Not valid UTF-8.", ANY_TEXT),
            Self::InvalidId(InvalidId::ControlCharacter) => ("Contains a control character.", ANY_TEXT),
            Self::InvalidId(InvalidId::DotPart) => {
                ("Has a part . or ..", "Such an id could lead to another path.")
            }
            Self::InvalidId(InvalidId::NotAUuid) => {
                ("Not an interaction's id.", "An interaction's id is a UUID.")
            }
            Self::InvalidId(InvalidId::CodeTooLarge) => {
                ("Not a short link.", "The code of a short link has at most 128 bits.")
            }
            Self::InvalidId(InvalidId::ForeignUrl) => {
                ("Not an address of Nebuly's.", "Links do not lead to its host.")
            }
            Self::InvalidId(InvalidId::TagLink) => {
                ("A link that looks a tag up.", "It has no id. Open it as it is.")
            }
            Self::UnknownProject => {
                ("No such project.", "The link names a project that is not configured here.")
            }
        }
    }
}
