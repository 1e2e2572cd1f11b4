//! What stands under a key, and when it counts.
//!
//! Whoever can write to the server can write anything there, so an entry is believed no more than an answer from
//! outside: it repeats what it is about, and its URL passes the same checks as Nebuly's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::{AllowedHosts, CLOCK_SKEW, ContainsKey, Item, ProjectName, TargetUrl, Timestamp};

/// From this size on, in bytes, an entry counts for nothing.
pub(super) const MAX_SIZE: usize = 8 * 1024;

/// The form of entries. Another one is left alone: a newer version may share the server during an update.
const VERSION: u32 = 1;

/// An entry as it is written: JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Wire<'a> {
    v: u32,
    #[serde(borrow)]
    project: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    /// RFC 3339, to the millisecond.
    #[serde(borrow)]
    resolved_at: Cow<'a, str>,
}

/// What an entry says, once it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedEntry {
    pub(super) url: TargetUrl,
    pub(super) resolved_at: Timestamp,
}

/// Decides which URLs of entries count.
pub(super) struct EntryReader {
    pub(super) allowed_hosts: AllowedHosts,
    pub(super) contains_key: ContainsKey,
}

impl SharedEntry {
    /// The entry as it is written; nothing if it would not count when it is read.
    pub(super) fn encode(&self, project: &ProjectName, item: &Item<'_>) -> Option<Vec<u8>> {
        let millis = i64::try_from(self.resolved_at.as_millis()).ok()?;
        let resolved_at = jiff::Timestamp::from_millisecond(millis).ok()?;
        let wire = Wire {
            v: VERSION,
            project: project.as_str().into(),
            kind: item.kind().as_str().into(),
            id: item.id(),
            url: self.url.as_str().into(),
            resolved_at: format!("{resolved_at:.3}").into(),
        };
        serde_json::to_vec(&wire).ok().filter(|bytes| bytes.len() < MAX_SIZE)
    }
}

impl EntryReader {
    /// What the bytes under the key of this project and item say; nothing if they do not count.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        project: &ProjectName,
        item: &Item<'_>,
        now: Timestamp,
    ) -> Option<SharedEntry> {
        if bytes.len() >= MAX_SIZE {
            return None;
        }
        let wire: Wire<'_> = serde_json::from_slice(bytes).ok()?;
        let is_about_it = wire.v == VERSION
            && wire.project == project.as_str()
            && wire.kind == item.kind().as_str()
            && wire.id == item.id();
        if !is_about_it {
            return None;
        }
        let resolved_at: jiff::Timestamp = wire.resolved_at.parse().ok()?;
        let resolved_at = Timestamp::from_millis(u64::try_from(resolved_at.as_millisecond()).ok()?);
        if resolved_at > now.after(CLOCK_SKEW) {
            return None;
        }
        let url = TargetUrl::accept(&wire.url, &self.allowed_hosts, &*self.contains_key).ok()?;
        Some(SharedEntry { url, resolved_at: resolved_at.min(now) })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
