//! A link as JSON.

use serde::Serialize;

use super::Web;
use super::installation::Installation;
use super::link_address::{long_path, short_path};
use crate::domain::{Item, Timestamp};
use crate::resolver::Found;

/// A resolved link.
#[derive(Debug, Serialize)]
pub(super) struct LinkJson {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolved_at: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) constructed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) long_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) short_url: Option<String>,
}

impl LinkJson {
    /// The link of an item that was found.
    pub(super) fn resolved(
        web: &Web,
        installation: &Installation<'_>,
        item: &Item<'_>,
        found: &Found,
    ) -> Self {
        let project = web.project_in_address(found.project);
        let address = |path: String| installation.url().map(|url| format!("{url}{path}"));
        Self {
            kind: item.kind().as_str(),
            id: item.id().into_owned(),
            state: "resolved",
            url: found.url.as_str().to_owned(),
            project: web.name_of(found.project).map(ToString::to_string),
            resolved_at: found.resolved_at.and_then(rfc3339),
            // Only Nebuly's word has a time.
            constructed: found.resolved_at.is_none(),
            long_url: address(long_path(item, project)),
            short_url: address(short_path(item, project)),
        }
    }
}

/// RFC 3339 in UTC, to the second; `None` for a time beyond the year 9999.
fn rfc3339(time: Timestamp) -> Option<String> {
    let seconds = i64::try_from(time.as_millis() / 1000).ok()?;
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
