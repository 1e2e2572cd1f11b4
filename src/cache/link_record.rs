//! A link as JSON: the form that the lines of a snapshot and the entries of the shared cache have in common.
//!
//! Each of the two has a version of its own. The shared cache writes no `scope`, since that is a part of its keys; a
//! `scope` that is not known makes a record invalid in both.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::{Item, Kind, ProjectName, Scope, TargetUrl, Timestamp};

/// A link as it is written. Members that are not known here are ignored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LinkRecord<'a> {
    v: u64,
    #[serde(with = "KindInJson")]
    pub(super) kind: Kind,
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) url: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) project: Cow<'a, str>,
    /// RFC 3339 in UTC, with milliseconds.
    #[serde(borrow)]
    resolved_at: Cow<'a, str>,
    /// Present only if the link was found for callers who named its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<ScopeInJson>,
}

/// The form of a [`Kind`] in JSON, for serde.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Kind", rename_all = "lowercase")]
enum KindInJson {
    Interaction,
    Conversation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeInJson {
    Project,
}

impl<'a> LinkRecord<'a> {
    /// The record of a link, or `None` if its time is outside the range of calendars.
    pub(super) fn new(
        version: u64,
        scope: Scope,
        item: &'a Item<'_>,
        project: &'a ProjectName,
        url: &'a TargetUrl,
        resolved_at: Timestamp,
    ) -> Option<Self> {
        let millis = i64::try_from(resolved_at.as_millis()).ok()?;
        let resolved_at = jiff::Timestamp::from_millisecond(millis).ok()?;
        Some(Self {
            v: version,
            kind: item.kind(),
            id: item.id(),
            url: url.as_str().into(),
            project: project.as_str().into(),
            resolved_at: format!("{resolved_at:.3}").into(),
            scope: match scope {
                Scope::All => None,
                Scope::Only(_) => Some(ScopeInJson::Project),
            },
        })
    }

    /// Parses a record, or returns `None` if it is no record of this version.
    pub(super) fn parse(version: u64, json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|record: &Self| record.v == version)
    }

    /// The time at which the link was resolved, or `None` if the text is no time since 1970.
    pub(super) fn resolved_at(&self) -> Option<Timestamp> {
        let time: jiff::Timestamp = self.resolved_at.parse().ok()?;
        u64::try_from(time.as_millisecond()).ok().map(Timestamp::from_millis)
    }
}
