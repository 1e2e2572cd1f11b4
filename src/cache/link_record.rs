//! The form of a line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::{Kind, ProjectName, ResolvedLink, Scope};

/// The version of the form. A line with a higher one is from a newer nebulink.
pub(super) const VERSION: u64 = 1;

/// How lines of this version begin, as this program writes them.
const BEGINNING: &[u8] = br#"{"v":1,"kind":""#;

/// A line as it is written; members that are not known here are passed over.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record<'a> {
    pub(super) v: u64,
    pub(super) kind: KindName,
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) url: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) project: Cow<'a, str>,
    /// RFC 3339 in UTC, with milliseconds.
    #[serde(borrow)]
    pub(super) resolved_at: Cow<'a, str>,
    /// Only there if the link was found for callers who named its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<ScopeName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindName {
    Interaction,
    Conversation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeName {
    Project,
}

/// All that lines of every version have in common.
#[derive(Deserialize)]
struct Version {
    v: u64,
}

impl<'a> Record<'a> {
    /// The line of a link; nothing if its time is none that can be written.
    pub(super) fn new(
        scope: Scope,
        kind: Kind,
        id: &'a str,
        project: &'a ProjectName,
        link: &'a ResolvedLink,
    ) -> Option<Self> {
        let millis = i64::try_from(link.resolved_at.as_millis()).ok()?;
        let resolved_at = jiff::Timestamp::from_millisecond(millis).ok()?;
        Some(Self {
            v: VERSION,
            kind: match kind {
                Kind::Interaction => KindName::Interaction,
                Kind::Conversation => KindName::Conversation,
            },
            id: id.into(),
            url: link.url.as_str().into(),
            project: project.as_str().into(),
            resolved_at: format!("{resolved_at:.3}").into(),
            scope: match scope {
                Scope::All => None,
                Scope::Only(_) => Some(ScopeName::Project),
            },
        })
    }

    /// Reads a line; nothing if it is none of this version.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok().filter(|record: &Self| record.v == VERSION)
    }
}

/// Whether a line is one of a snapshot, of whatever version, even if its end is missing. Others write JSON with a member
/// `v`, too, so that alone is not enough.
pub(super) fn is_of_a_snapshot(line: &[u8]) -> bool {
    line.starts_with(BEGINNING) || newer_version(line).is_some() || Record::parse(line).is_some()
}

/// The version of a line that this program is too old for.
pub(super) fn newer_version(line: &[u8]) -> Option<u64> {
    // Nearly all lines: they need not be read twice.
    if line.starts_with(BEGINNING) {
        return None;
    }
    let Version { v } = serde_json::from_slice(line).ok()?;
    (v > VERSION).then_some(v)
}
