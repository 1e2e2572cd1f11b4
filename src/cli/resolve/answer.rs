//! An id with its link, on its way to be printed.

use std::io;

use tokio::sync::mpsc;

use super::ids::RequestedId;
use crate::domain::{AllowedHosts, TargetUrl};
use crate::text::escaped_up_to;
use crate::web::{LinkJson, LinkState, ProblemJson};

/// The most characters of an id or a problem that are shown.
pub(super) const MAX_SHOWN: usize = 600;

/// An id, and its link.
#[derive(Debug)]
pub(super) struct AnsweredId {
    pub(super) id: RequestedId,
    pub(super) link: LinkJson,
    /// Why it has no URL, on one line, if more is known than the link's own error says.
    pub(super) reason: Option<String>,
}

/// The reason why the rest of the ids is not resolved, safe for a terminal.
#[derive(Debug)]
pub(super) struct Abandonment(pub(super) String);

/// Something to print.
#[derive(Debug)]
pub(super) enum Printout {
    Answer(Box<AnsweredId>),
    /// Something to know while nothing else comes.
    Notice(String),
    /// The last of all.
    Abandoned(Abandonment),
}

/// Takes the answers, in the order of the ids. It is closed once nothing can be printed any more.
pub(super) type Answers = mpsc::Sender<Printout>;

/// The only reading that can fail is that of standard input.
impl From<io::Error> for Abandonment {
    fn from(error: io::Error) -> Self {
        Self(format!("standard input cannot be read: {error}"))
    }
}

impl From<Result<AnsweredId, Abandonment>> for Printout {
    fn from(result: Result<AnsweredId, Abandonment>) -> Self {
        match result {
            Ok(answer) => Self::Answer(Box::new(answer)),
            Err(abandonment) => Self::Abandoned(abandonment),
        }
    }
}

impl AnsweredId {
    /// An id whose link says all that is known.
    pub(super) const fn new(id: RequestedId, link: LinkJson) -> Self {
        Self { id, link, reason: None }
    }

    /// Returns true if the id could not be looked up: neither its URL nor its absence is known.
    pub(super) fn is_failure(&self) -> bool {
        let has_choice = self.link.error.as_ref().is_some_and(|error| !error.links.is_empty());
        self.link.state == LinkState::Failed && !has_choice
    }
}

/// Checks a URL as everywhere, except that any host is allowed.
pub(super) fn well_formed(text: &str) -> Option<TargetUrl> {
    let mut hosts = AllowedHosts::default();
    hosts.allow_host_of(&url::Url::parse(text).ok()?).ok()?;
    TargetUrl::accept(text, &hosts, |_| false).ok()
}

/// A problem in its own words, on one line.
pub(super) fn words(problem: &ProblemJson) -> String {
    escaped_up_to(MAX_SHOWN, &format!("{}: {}", problem.title, problem.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_url_is_printed() {
        assert!(well_formed("https://any.example/x").is_some());
        for text in [
            "http://any.example/x",
            "javascript:alert(1)",
            "https://a@any.example/",
            "https://any.example/\u{1b}[0m",
            "",
        ] {
            assert_eq!(well_formed(text), None, "{text:?}");
        }
    }
}
