//! The addresses of a link, below `server.base_path`. They are built from the link, never from a request's target.

use std::borrow::Cow;

use crate::domain::{IdCandidates, Item, Kind, ProjectName};
use crate::text::percent_encoded;

/// The long address of an item: the query form, which survives every tool and proxy.
pub(super) fn long_path(item: &Item<'_>, project: Option<&ProjectName>) -> String {
    with_project(format!("/go/{}?id={}", item.kind(), percent_encoded(&item.id())), project)
}

/// The short address of an item.
pub(super) fn short_path(item: &Item<'_>, project: Option<&ProjectName>) -> String {
    let path = if let Some(code) = item.short_code() {
        format!("/i/{code}")
    } else {
        let id = item.id();
        let encoded = percent_encoded(&id).to_string();
        // Proxies on the way may decode a slash, or fold it with another.
        if encoded == *id { format!("/c/{encoded}") } else { format!("/c?id={encoded}") }
    };
    with_project(path, project)
}

fn with_project(mut path: String, project: Option<&ProjectName>) -> String {
    if let Some(project) = project {
        path.push(if path.contains('?') { '&' } else { '?' });
        // A project's name needs no encoding.
        path.push_str("project=");
        path.push_str(project.as_str());
    }
    path
}

/// A link as it was asked for, to ask for it again.
#[derive(Debug)]
pub(super) struct SelfLink {
    /// The kind of the id as a page names it, or the name of the tag.
    pub(super) label: Cow<'static, str>,
    /// The id as the caller meant it, or the value of the tag.
    pub(super) id: String,
    /// How often the page of an unknown item has loaded itself again; `None` if it was told to stop.
    pub(super) looks: Option<u8>,
    /// The only project that was asked, and the address of the link in all of them.
    pub(super) only: Option<OnlyProject>,
    /// The address, with its base path and its query.
    pub(super) path: String,
}

/// The only project that a link was asked for in.
#[derive(Debug)]
pub(super) struct OnlyProject {
    pub(super) name: String,
    /// The address of the same link without the project, with its base path and its query.
    pub(super) path_in_all: String,
}

impl SelfLink {
    /// The link that a request named.
    pub(super) fn new(
        base_path: &str,
        candidates: &IdCandidates<'_>,
        project: Option<&ProjectName>,
        noredirect: bool,
        looks: Option<u8>,
    ) -> Self {
        let kind = candidates.kind_was_named().then(|| candidates.first().kind());
        let id = candidates.text().into_owned();
        let encoded = percent_encoded(&id);
        let path = match kind {
            Some(kind) => format!("{base_path}/go/{kind}?id={encoded}"),
            None => format!("{base_path}/go?id={encoded}"),
        };
        let label = kind.map_or("Id", Kind::label).into();
        Self::at(path, label, id, project, noredirect, looks)
    }

    /// The link at this address, before its last parameters are added.
    pub(super) fn at(
        path: String,
        label: Cow<'static, str>,
        id: String,
        project: Option<&ProjectName>,
        noredirect: bool,
        looks: Option<u8>,
    ) -> Self {
        let noredirect = if noredirect { "&noredirect" } else { "" };
        let only = project.map(|project| OnlyProject {
            name: project.to_string(),
            path_in_all: format!("{path}{noredirect}"),
        });
        let path = with_project(path, project) + noredirect;
        Self { label, id, looks, only, path }
    }
}
