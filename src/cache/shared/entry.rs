//! The entries of the shared cache, and the checks that make one valid.
//!
//! Whoever can write to the server can write anything there, so an entry is believed no more than an answer from
//! outside: it repeats its project, kind and id, and its URL passes the same checks as Nebuly's.

use crate::cache::link_record::LinkRecord;
use crate::domain::{AllowedHosts, CLOCK_SKEW, ContainsKey, Item, ProjectName, Scope, TargetUrl, Timestamp};

/// The size in bytes from which an entry is not valid.
pub(super) const MAX_SIZE: usize = 8 * 1024;

/// The version of the form. Entries of another one are ignored: a newer nebulink may share the server during an update.
const VERSION: u64 = 1;

/// A valid entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedEntry {
    pub(super) url: TargetUrl,
    pub(super) resolved_at: Timestamp,
}

/// Reads entries. Decides which of them are valid.
pub(super) struct EntryReader {
    pub(super) allowed_hosts: AllowedHosts,
    pub(super) contains_key: ContainsKey,
}

impl SharedEntry {
    /// Encodes the entry, or returns `None` if it would not be valid when it is read.
    pub(super) fn encode(&self, project: &ProjectName, item: &Item<'_>) -> Option<Vec<u8>> {
        // The scope is a part of the key.
        let record = LinkRecord::new(VERSION, Scope::All, item, project, &self.url, self.resolved_at)?;
        serde_json::to_vec(&record).ok().filter(|bytes| bytes.len() < MAX_SIZE)
    }
}

impl EntryReader {
    /// Reads the value under the key of this project and item, or returns `None` if it is not valid.
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
        let record = LinkRecord::parse(VERSION, bytes)?;
        if record.project != project.as_str() || record.kind != item.kind() || record.id != item.id() {
            return None;
        }
        let resolved_at = record.resolved_at()?;
        if resolved_at > now.after(CLOCK_SKEW) {
            return None;
        }
        let url = TargetUrl::accept(&record.url, &self.allowed_hosts, &*self.contains_key).ok()?;
        Some(SharedEntry { url, resolved_at: resolved_at.min(now) })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
