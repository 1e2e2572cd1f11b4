//! The page with the form to paste into, also where nothing could be read from a text.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::domain::ProjectName;
use crate::web::Web;
use crate::web::pages::{Frame, PagePolicy, Section, page_response};
use crate::web::problem::Problem;

/// The longest text that is shown again, in bytes.
const MAX_ECHOED: usize = 4096;

#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct HomePage<'a> {
    frame: Frame<'a>,
    form: PasteForm<'a>,
}

/// The form. `templates/paste_form.html` writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PasteForm<'a> {
    /// The text in its field.
    pub(super) text: &'a str,
    /// The project that was chosen.
    pub(super) chosen: Option<&'a ProjectName>,
    /// The reason why the text that was sent was not used.
    pub(super) unusable: Option<UnusableText>,
    /// True if the page begins in its field.
    pub(super) has_focus: bool,
    pub(super) projects: &'a [ProjectName],
}

/// The reason why a pasted text was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnusableText {
    Empty,
    WithoutIds,
    TooLong,
    /// Too many others are read or looked up.
    NoPlace,
}

impl<'a> PasteForm<'a> {
    /// An empty form.
    pub(super) fn new(web: &'a Web) -> Self {
        let projects = web.options.projects.as_slice();
        Self { text: "", chosen: None, unusable: None, has_focus: false, projects }
    }

    /// The text as it is shown again: its beginning.
    pub(super) fn echo(&self) -> &'a str {
        let end = (0..=MAX_ECHOED.min(self.text.len())).rev().find(|end| self.text.is_char_boundary(*end));
        self.text.get(..end.unwrap_or_default()).unwrap_or_default()
    }

    /// Returns true if the rest of the text is missing.
    fn is_cut(&self) -> bool {
        self.text.len() > self.echo().len()
    }

    /// Returns true if the text in the field has to be changed.
    pub(super) fn is_invalid(&self) -> bool {
        self.unusable.is_some_and(|why| why != UnusableText::NoPlace)
    }
}

impl UnusableText {
    /// The heading.
    fn title(self) -> &'static str {
        match self {
            Self::Empty => "Nothing pasted",
            Self::WithoutIds => "No id in this text",
            Self::TooLong => "Too much text",
            Self::NoPlace => "Too many texts at once",
        }
    }

    /// The next step, for a person.
    fn advice(self) -> &'static str {
        match self {
            Self::Empty => "Paste an id, or text that contains one.",
            Self::WithoutIds => {
                "Found no UUID, no link, no line that is one id. Put ids that are no UUIDs on lines of their own."
            }
            Self::TooLong => "1 MB at a time; the lines with ids are enough.",
            Self::NoPlace => "Others are still being looked up. Send yours again in a few seconds.",
        }
    }

    /// The same for a program.
    pub(super) const fn problem(self) -> Problem {
        match self {
            Self::Empty => Problem::InvalidRequest("The field ids is empty."),
            Self::WithoutIds => Problem::InvalidRequest("The text in the field ids has no id."),
            Self::TooLong => Problem::TooLarge,
            Self::NoPlace => Problem::TooManyBatches,
        }
    }
}

/// Answers with the page.
pub(super) fn home_page(web: &Web, form: PasteForm<'_>, status: StatusCode) -> Result<Response, Problem> {
    let page = HomePage { frame: Frame::new(web, Section::Links), form };
    let page = page.render().map_err(|_| Problem::Internal)?;
    Ok(page_response(status, page, PagePolicy::WithForm))
}
