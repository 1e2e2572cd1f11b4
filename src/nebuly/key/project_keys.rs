//! The keys of all projects.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::RwLock;

use super::holder::KeyHolder;
use crate::files::RELOAD_PERIOD;

/// The keys of all projects. The calls of a project use its own key, but a URL must contain none of them.
#[derive(Default)]
pub struct ProjectKeys {
    holders: RwLock<Vec<Arc<KeyHolder>>>,
}

impl ProjectKeys {
    /// Returns true if a text contains one of the keys, or one that was in use just before.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.holders.read().iter().any(|holder| holder.is_in(text))
    }

    /// Returns true if any project has a key to call with.
    #[must_use]
    pub fn any(&self) -> bool {
        self.holders.read().iter().any(|holder| holder.has_key())
    }

    /// A line for each file that gives no key: project, path and reason.
    #[must_use]
    pub fn last_file_errors(&self) -> Vec<String> {
        self.holders.read().iter().filter_map(|holder| holder.last_file_error()).collect()
    }

    /// Reads all files at start, at the same time: blocks no longer than one read may take.
    pub fn load(&self) {
        let holders = self.holders();
        let loads: Vec<_> = holders.iter().filter_map(|holder| holder.begin_load()).collect();
        for finish in loads {
            finish();
        }
    }

    /// Reads all files again, at the same time, so that one that hangs delays no other.
    pub async fn poll(&self) {
        join_all(self.holders().iter().map(|holder| holder.poll())).await;
    }

    /// Reads all files every few seconds, forever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RELOAD_PERIOD).await;
            self.poll().await;
        }
    }

    pub(in crate::nebuly) fn add(&self, holder: Arc<KeyHolder>) {
        self.holders.write().push(holder);
    }

    /// The holders, without the lock: reading a file may take long.
    fn holders(&self) -> Vec<Arc<KeyHolder>> {
        self.holders.read().clone()
    }
}

impl fmt::Debug for ProjectKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProjectKeys([redacted])")
    }
}
