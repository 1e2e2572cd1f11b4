//! The verdict on an address that a tool made, and the words for it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::browser_request::NotOurs;
use super::templates::{TextPart, sentence};
use crate::domain::{IdCandidates, IdText, Item, is_placeholder};
use crate::resolver::{AnswerSource, Outcome, Resolution};
use crate::web::problem::Problem;

/// The verdict on an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The id was found as it is written.
    Right,
    /// It was found after one more percent-decoding.
    EncodedTwice,
    /// It was found without the name before it.
    Prefixed,
    /// It was found without what is around it.
    Surrounded,
    /// It was found with a `+` that was read as a space first.
    PlusForSpace,
    /// It was found, but in more than one project.
    Ambiguous,
    /// The URL was built from known ids; Nebuly did not say that the item is there.
    NotChecked,
    /// The address has a `#`, and browsers do not send this.
    CutAtHash { not_sent: String },
    /// This stands behind the id, and is no parameter of ours. It follows a `?` if the id is in the path.
    PerhapsCut { at: char, rest: String },
    /// The tool left its placeholder as it is.
    Placeholder,
    /// The id is empty.
    Empty,
    /// No project has the item.
    NotInNebuly {
        /// True if the id arrived with a `+`, which may have been a space before it was encoded twice.
        has_plus: bool,
    },
    /// There is nothing to test.
    NoAddress,
    /// A path of ours that is no link, or none of ours.
    NoLink,
    /// The path of a tag that nobody may look up.
    UnknownTag,
    /// The address does not lead here.
    NotOurs(NotOurs),
    /// A caller of the link gets this instead.
    Problem(Problem),
}

/// A verdict in words.
#[derive(Debug)]
pub(super) struct VerdictText {
    /// The class of its notice.
    pub(super) class: &'static str,
    /// Code stands between backticks here, and in the advice.
    title: Cow<'static, str>,
    /// The reason, or the next step.
    advice: Cow<'static, str>,
}

impl VerdictText {
    fn new(
        class: &'static str,
        title: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { class, title: title.into(), advice: advice.into() }
    }

    pub(super) fn title(&self) -> Vec<TextPart> {
        sentence(&self.title)
    }

    pub(super) fn advice(&self) -> Vec<TextPart> {
        sentence(&self.advice)
    }
}

/// The parts of the request that a browser makes of an address, as they were read.
pub(super) struct Reading<'a> {
    /// The id as it stands in the request, still encoded.
    pub(super) written: &'a str,
    /// The id, decoded, unless it is not UTF-8.
    pub(super) id: Option<IdText<'a>>,
    /// The first thing behind the id that is no parameter of ours.
    pub(super) rest: Option<&'a str>,
    /// True if the id stands in the path.
    pub(super) is_in_path: bool,
    /// The items that the id may mean.
    pub(super) candidates: Result<IdCandidates<'a>, Problem>,
}

impl Verdict {
    /// Judges a link by what was read, what was not sent, and what became of it. Without candidates nothing is resolved.
    pub(super) fn of(reading: &Reading<'_>, not_sent: Option<&str>, resolution: Option<&Resolution>) -> Self {
        if let Some(not_sent) = not_sent {
            return Self::CutAtHash { not_sent: not_sent.to_owned() };
        }
        let received = reading.id.as_ref().map(|id| &*id.decoded);
        let is_found = resolution.is_some_and(|resolution| {
            matches!(resolution.outcome, Outcome::Resolved(_) | Outcome::Ambiguous(_))
        });
        let is_uuid = matches!(&reading.candidates, Ok(candidates) if matches!(candidates.first(), Item::Interaction(_)));
        if !is_found && !is_uuid && received.is_some_and(is_placeholder) {
            return Self::Placeholder;
        }
        let candidates = match &reading.candidates {
            Ok(candidates) => candidates,
            Err(_) if received.is_some_and(|received| received.trim().is_empty()) => return Self::Empty,
            Err(problem) => return Self::Problem(*problem),
        };
        if let Some(rest) = reading.rest {
            let at = if reading.is_in_path { '?' } else { '&' };
            return Self::PerhapsCut { at, rest: rest.to_owned() };
        }
        let Some(resolution) = resolution else { return Self::Problem(Problem::Internal) };
        match &resolution.outcome {
            Outcome::Resolved(_) if resolution.source == AnswerSource::Constructed => Self::NotChecked,
            Outcome::Resolved(_) => {
                let found = candidates.at(resolution.candidate);
                match (&reading.id, found) {
                    (Some(id), Some(found)) => Self::found(id, &found),
                    _ => Self::Right,
                }
            }
            Outcome::Ambiguous(_) => Self::Ambiguous,
            Outcome::Absent => Self::NotInNebuly { has_plus: received.is_some_and(|id| id.contains('+')) },
            Outcome::Failed(failure) => Self::Problem(failure.cause.into()),
        }
    }

    /// Judges a look-up by tag by what became of it, or of the link of the item that was found. `not_found` is the problem if
    /// there is none.
    pub(super) fn of_tagged<T>(outcome: &Outcome<T>, source: AnswerSource, not_found: Problem) -> Self {
        match outcome {
            Outcome::Resolved(_) if source == AnswerSource::Constructed => Self::NotChecked,
            Outcome::Resolved(_) => Self::Right,
            Outcome::Ambiguous(_) => Self::Problem(Problem::AmbiguousTag),
            Outcome::Absent => Self::Problem(not_found),
            Outcome::Failed(failure) => Self::Problem(failure.cause.into()),
        }
    }

    /// Judges an id that was found, by the spelling that found it.
    fn found(received: &IdText<'_>, found: &Item<'_>) -> Self {
        let id = found.id();
        let text = &*received.decoded;
        // Hyphens, braces and upper case are spellings, and so is a short code.
        let is_plain = || text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_spelling =
            || matches!(found, Item::Interaction(_)) && (is_plain() || Uuid::try_parse(text).is_ok());
        let is_address = || text.starts_with("https://") || text.starts_with("http://");
        let has_name = || {
            let (text, id) = (text.to_lowercase(), id.to_lowercase());
            text.rsplit_once(&id).is_some_and(|(before, _)| before.contains(':'))
        };
        if *id == *text || is_spelling() {
            Self::Right
        } else if received.with_plus.as_deref() == Some(&*id) {
            Self::PlusForSpace
        } else if percent_decode_str(text).decode_utf8().is_ok_and(|decoded| decoded == *id) {
            Self::EncodedTwice
        } else if is_address() {
            // The id stands in the address of a page of Nebuly's, or in a link of ours.
            Self::Right
        } else if has_name() {
            Self::Prefixed
        } else {
            Self::Surrounded
        }
    }

    /// The words for a person. `expected` is how an address of this installation begins.
    pub(super) fn text(&self, expected: &str) -> VerdictText {
        match self {
            Self::Right => VerdictText::new("ok", "Right.", "Found as it is written."),
            Self::EncodedTwice => VerdictText::new(
                "",
                "Works, but encoded twice.",
                "Switch one encoding off: “Encode URL” in Kibana, `URLENCODE` in Salesforce, or `:percentencode` in Grafana if the column is encoded already.",
            ),
            Self::Prefixed => VerdictText::new(
                "",
                "Works, but with a prefix.",
                "The tool writes a name before the id. In Datadog, add `.value` to the attribute.",
            ),
            Self::Surrounded => VerdictText::new(
                "",
                "Works, but not as it is written.",
                "Quotation marks or spaces around the id were dropped. Take them out of the template or the field.",
            ),
            Self::PlusForSpace => VerdictText::new(
                "",
                "Works, but its `+` was read as a space first.",
                "Encode the id: a `+` becomes `%2B`.",
            ),
            Self::Ambiguous => VerdictText::new(
                "",
                "Several projects have it.",
                "Choose a project at the top of this page: its templates then name it.",
            ),
            Self::NotChecked => VerdictText::new(
                "",
                "Read, but not checked.",
                "The link leads to an address built from known ids. Nebuly did not say that the item is there.",
            ),
            Self::CutAtHash { not_sent } => VerdictText::new(
                "bad",
                "Cut at `#`.",
                format!(
                    "Browsers send nothing after it; `#{}` did not arrive. Encode the id: `:percentencode` in Grafana, `.urlEncode` in Jira, `encodeURIComponent` in scripts.",
                    quoted(not_sent)
                ),
            ),
            Self::PerhapsCut { at, rest } => VerdictText::new(
                "",
                format!("Perhaps cut at `{at}`."),
                format!(
                    "`{}` was read as a parameter. If it belongs to the id, encode the id.",
                    quoted(rest)
                ),
            ),
            Self::Placeholder => VerdictText::new(
                "bad",
                "Placeholder not filled in.",
                "Check the name of the field in the template.",
            ),
            Self::Empty => VerdictText::new(
                "bad",
                "Empty.",
                "The field holds nothing, or the tool does not know its name.",
            ),
            Self::NotInNebuly { has_plus } => VerdictText::new(
                "",
                "Read, but not in Nebuly.",
                if *has_plus {
                    "Compare it with the id in Nebuly. If its `+` is a space there, it is encoded twice: take `URLENCODE` out in Salesforce."
                } else {
                    "Compare it with the id in Nebuly. A new item usually appears within a minute."
                },
            ),
            Self::NoAddress => {
                VerdictText::new("bad", "No address.", "Paste the address that your tool made.")
            }
            Self::NoLink => VerdictText::new(
                "bad",
                "No link.",
                "The address leads here, but its path is not one of a link. Copy the template again.",
            ),
            Self::UnknownTag => VerdictText::new(
                "bad",
                "No such tag.",
                "Only the tags of `lookup.tags` are looked up. Check the name, or ask whoever runs this service to add it.",
            ),
            Self::NotOurs(why) => VerdictText::new(
                "bad",
                "Not an address of this installation.",
                format!("{} Expected: `{expected}/go/…`", difference(why)),
            ),
            Self::Problem(Problem::RateLimited { retry_after }) => VerdictText::new(
                "",
                "Not asked.",
                format!("Your limit for new links is used up; free in {retry_after} s."),
            ),
            Self::Problem(problem) => {
                let row = problem.row();
                VerdictText::new(
                    "bad",
                    format!("{}.", row.title),
                    format!("{} {}", problem.detail(), row.advice),
                )
            }
        }
    }
}

/// Says what differs from an address of this installation.
fn difference(why: &NotOurs) -> String {
    match why {
        NotOurs::TooLong => "It is longer than 16 KiB.".to_owned(),
        NotOurs::Relative => "It has no scheme and host.".to_owned(),
        NotOurs::Unreadable => "It cannot be read as a web address.".to_owned(),
        NotOurs::Scheme(scheme) => format!("Only its scheme differs: `{scheme}`."),
        NotOurs::Host(host) => format!("Its host is `{}`.", quoted(host)),
        NotOurs::BasePath => "Only its path begins otherwise.".to_owned(),
    }
}

/// A part of an address, to stand between backticks.
fn quoted(text: &str) -> String {
    const MAX_QUOTED: usize = 80;
    let mut quoted: String = text.chars().filter(|char| *char != '`').take(MAX_QUOTED).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

    /// The text that arrived, the id that was found, and what that says of the text.
    #[test]
    fn the_spelling_that_is_found_says_how_the_tool_wrote_it() {
        let upper = UUID.to_uppercase();
        let simple = UUID.replace('-', "");
        let page = format!("https://v2.platform.eu.nebuly.com/?conversationId=a&interactionId={UUID}");
        for (kind, text, id, expected) in [
            (Kind::Conversation, "a/b", "a/b", Verdict::Right),
            (Kind::Conversation, UUID, UUID, Verdict::Right),
            (Kind::Conversation, "a%2Fb", "a/b", Verdict::EncodedTwice),
            (Kind::Conversation, "a%252Fb", "a%2Fb", Verdict::EncodedTwice),
            (
                Kind::Conversation,
                "https://chat.example/a%2Fb",
                "https://chat.example/a/b",
                Verdict::EncodedTwice,
            ),
            (Kind::Conversation, "https://nebuly.example/?conversationId=a", "a", Verdict::Right),
            (Kind::Conversation, "conversation.id:a", "a", Verdict::Prefixed),
            (Kind::Conversation, "@conversation_id: 'a'", "a", Verdict::Prefixed),
            (Kind::Conversation, " a ", "a", Verdict::Surrounded),
            (Kind::Conversation, "\"a:b\"", "a:b", Verdict::Surrounded),
            (Kind::Interaction, UUID, UUID, Verdict::Right),
            (Kind::Interaction, &upper, UUID, Verdict::Right),
            (Kind::Interaction, &simple, UUID, Verdict::Right),
            (Kind::Interaction, "1BkGzKGAFcCC4uKoTJjFXj", UUID, Verdict::Right),
            (Kind::Interaction, &page, UUID, Verdict::Right),
            (Kind::Interaction, &format!("interaction_id:{upper}"), UUID, Verdict::Prefixed),
            (Kind::Interaction, &format!("<{UUID}>,"), UUID, Verdict::Surrounded),
        ] {
            let found = match kind {
                Kind::Interaction => Item::interaction(id),
                Kind::Conversation => Item::conversation(id),
            };
            assert_eq!(Verdict::found(&IdText::from(text), &found.unwrap()), expected, "{text}");
        }
        let spaced = IdText { decoded: "a b".into(), with_plus: Some("a+b".into()) };
        assert_eq!(Verdict::found(&spaced, &Item::conversation("a+b").unwrap()), Verdict::PlusForSpace);
    }

    #[test]
    fn what_is_quoted_is_short_and_stays_between_its_marks() {
        assert_eq!(quoted("a`b"), "ab");
        assert_eq!(quoted(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
    }
}
