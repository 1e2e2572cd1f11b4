//! The page of a problem, for a person.

use std::borrow::Cow;

use askama::Template;

use super::frame::{Frame, Section};
use super::time_text::TimeText;
use super::visible_text::VisibleText;
use crate::domain::{InvalidId, Kind, Timestamp, is_placeholder};
use crate::web::Web;
use crate::web::link_address::SelfLink;
use crate::web::link_json::LinkJson;
use crate::web::observability::RequestId;
use crate::web::parameters::LOOKS;
use crate::web::problem::{Problem, Remedy};

/// The page of an unknown item loads itself again this many times.
const MAX_LOOKS: u8 = 12;

/// The pause before it does, in seconds.
const PAUSE: u8 = 5;

/// The longest text that was received for an id that is shown whole, in characters.
const MAX_RECEIVED: usize = 80;

/// One of several links that an id stands for.
#[derive(Debug)]
pub(in crate::web) struct Choice {
    pub(in crate::web) json: LinkJson,
    pub(in crate::web) resolved_at: Option<Timestamp>,
    /// The address that leads to this one, with its base path.
    pub(in crate::web) path: String,
}

/// A page, and the header that makes it load itself again.
pub(in crate::web) struct ProblemPage {
    pub(in crate::web) html: String,
    /// The value of `Refresh`.
    pub(in crate::web) refresh: Option<String>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemTemplate<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    detail: Cow<'static, str>,
    advice: &'a str,
    /// Seconds to wait before another attempt.
    wait: Option<u32>,
    /// The next look of the page of an unknown item: its number, and where it leads.
    next_look: Option<(u8, String)>,
    /// True if the page of an unknown item no longer loads itself again.
    has_stopped: bool,
    max_looks: u8,
    pause: u8,
    button: Option<Button<'a>>,
    /// A further step.
    second_button: Option<Button<'a>>,
    /// The address of the page that does not load itself again.
    stop: Option<String>,
    choices: Vec<(&'a Choice, Option<TimeText>)>,
    received: Option<VisibleText>,
    received_label: &'static str,
    /// The form of an id, if that is what was wrong.
    expected: Option<&'static str>,
    /// The kind and the id that were asked for, or the tag and its value.
    item: Option<(&'a str, VisibleText)>,
    /// The only project that was asked.
    project: Option<&'a str>,
    request_id: &'a str,
}

struct Button<'a> {
    label: &'static str,
    address: &'a str,
}

/// The page of a problem; `None` if it cannot be written.
pub(in crate::web) fn problem_page(
    web: &Web,
    problem: Problem,
    request_id: &RequestId,
    link: Option<&SelfLink>,
    received: Option<&str>,
    choices: &[Choice],
) -> Option<ProblemPage> {
    let row = problem.row();
    let base_path = web.options.base_path.as_str();
    let unfilled = received.or(link.map(|link| link.id.as_str())).is_some_and(is_placeholder)
        && (problem.is_not_found() || matches!(problem, Problem::InvalidId { .. }));
    let next_look = link
        .filter(|_| problem.may_come() && !unfilled)
        .and_then(|link| Some((link, link.looks.filter(|looks| *looks < MAX_LOOKS)?)))
        .map(|(link, looks)| (looks + 1, format!("{}&{LOOKS}={}", link.path, looks + 1)));
    let refresh = next_look.as_ref().map(|(_, address)| format!("{PAUSE}; url={address}"));
    let (start, kit) = (format!("{base_path}/"), format!("{base_path}/kit"));
    let button = match (row.remedy, link) {
        _ if unfilled => Some(Button { label: "See templates", address: &kit }),
        (Remedy::TryAgain, Some(link)) if problem.is_not_found() => Some(Button {
            label: if next_look.is_some() { "Look now" } else { "Look again" },
            address: &link.path,
        }),
        (Remedy::TryAgain, Some(link)) => Some(Button { label: "Try again", address: &link.path }),
        // The same address again, whatever it was.
        (Remedy::TryAgain, None) => Some(Button { label: "Try again", address: "" }),
        (Remedy::Paste, _) => Some(Button { label: "Paste the id instead", address: &start }),
        (Remedy::AllProjects, Some(link)) => {
            Some(Button { label: "Look in all projects", address: &link.path })
        }
        (Remedy::StartPage, _) => Some(Button { label: "Start page", address: &start }),
        (Remedy::AllProjects, None) | (Remedy::None, _) => None,
    };
    let only = link.and_then(|link| link.only.as_ref());
    let has_stopped = problem.may_come() && !unfilled && next_look.is_none();
    let second_button = match (problem, only) {
        (Problem::NotFound | Problem::TagNotFound { .. }, Some(only)) => {
            Some(Button { label: "Look in all projects", address: &only.path_in_all })
        }
        (Problem::NotFound | Problem::TagNotFound { .. }, None) if has_stopped => {
            Some(Button { label: "Paste another id", address: &start })
        }
        _ => None,
    };
    // Nothing that a defect may have broken is asked for the page of a defect.
    let time = |choice: &Choice| TimeText::new(choice.resolved_at?, web.resolver.now());
    let page = ProblemTemplate {
        frame: Frame::new(web, Section::Other),
        heading: if unfilled { "The tool did not fill in the id" } else { heading(problem) },
        detail: if unfilled {
            "The link has the name of a field in place of an id.".into()
        } else {
            problem.detail()
        },
        advice: if unfilled { "Check the name of the field in the tool's template." } else { row.advice },
        wait: problem.retry_after(),
        has_stopped,
        max_looks: MAX_LOOKS,
        pause: PAUSE,
        stop: link.filter(|_| next_look.is_some()).map(|link| format!("{}&{LOOKS}=stop", link.path)),
        second_button,
        next_look,
        button,
        choices: choices.iter().map(|choice| (choice, time(choice))).collect(),
        received: received.map(|received| VisibleText::shortened(received, MAX_RECEIVED)),
        received_label: if problem == Problem::UnknownProject { "Project" } else { "Received" },
        expected: expected(problem),
        project: only.map(|only| only.name.as_str()),
        item: link.map(|link| (&*link.label, VisibleText::new(&link.id))),
        request_id: request_id.as_str(),
    };
    Some(ProblemPage { html: page.render().ok()?, refresh })
}

/// The heading of a problem: its title, or words for a person where those of a program do not fit.
const fn heading(problem: Problem) -> &'static str {
    match problem {
        Problem::InvalidId { why: InvalidId::Empty, .. } => "This link has no id",
        Problem::InvalidId { kind: Some(Kind::Interaction), .. } => "This is not an interaction's id",
        Problem::InvalidId { why: InvalidId::TagLink, .. } => "This is a link, not an id",
        Problem::InvalidId { .. } => "This is not an id",
        Problem::InvalidValue => "This is not the value of a tag",
        Problem::InvalidRequest(_) | Problem::RepeatedParameter(_) => "This address is not valid",
        Problem::Ambiguous | Problem::AmbiguousTag => "Which project?",
        problem => problem.row().title,
    }
}

const fn expected(problem: Problem) -> Option<&'static str> {
    match problem {
        Problem::InvalidId { why: InvalidId::TagLink, .. } => None,
        Problem::InvalidId { kind: Some(Kind::Interaction), .. } => {
            Some("a UUID, such as 0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e")
        }
        Problem::InvalidId { .. } => Some("1 to 512 bytes of text, without control characters"),
        _ => None,
    }
}
