//! The frame of a page: all that stands around its content.

use crate::web::Web;

/// The style of every page; the policy names its hash.
pub(super) const STYLE: &str = include_str!("../../../templates/style.css");

/// The script of every page, which nothing needs; the policy names its hash.
pub(super) const SCRIPT: &str = include_str!("../../../templates/script.js");

/// All that stands around the content of a page. Each template of a page has it as `frame`.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Frame<'a> {
    pub(in crate::web) style: &'static str,
    pub(in crate::web) script: &'static str,
    pub(in crate::web) base_path: &'a str,
    section: Section,
    contact: Option<&'a str>,
    /// True in the demo, whose data are invented.
    pub(in crate::web) is_demo: bool,
}

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Section {
    /// The page to paste ids into, and what it leads to.
    Links,
    /// The templates.
    Templates,
    /// Neither.
    Other,
}

/// The contact for help, as a page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Contact<'a> {
    /// The text.
    pub(in crate::web) text: &'a str,
    /// The address that the text leads to, if it is one.
    pub(in crate::web) address: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// The frame of a page in this section.
    pub(in crate::web) fn new(web: &'a Web, section: Section) -> Self {
        Self {
            style: STYLE,
            script: SCRIPT,
            base_path: &web.options.base_path,
            section,
            contact: web.options.contact.as_deref(),
            is_demo: web.options.sample_text.is_some(),
        }
    }

    /// Returns true for the page to paste ids into, and what it leads to.
    pub(in crate::web) fn is_links(&self) -> bool {
        self.section == Section::Links
    }

    /// Returns true for the templates.
    pub(in crate::web) fn is_templates(&self) -> bool {
        self.section == Section::Templates
    }

    /// The contact for help.
    pub(in crate::web) fn contact(&self) -> Option<Contact<'a>> {
        let contact = self.contact?;
        Some(if let Some(mailbox) = contact.strip_prefix("mailto:") {
            Contact {
                text: mailbox.split_once('?').map_or(mailbox, |(mailbox, _)| mailbox),
                address: Some(contact),
            }
        } else if let Some(site) = contact.strip_prefix("https://") {
            Contact { text: site.trim_end_matches('/'), address: Some(contact) }
        } else {
            Contact { text: contact, address: None }
        })
    }
}
