//! The keys of all projects.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;

use super::holder::KeyHolder;

/// How often the files of keys are read: a new key is to be in use within 10 s.
const KEY_POLL: Duration = Duration::from_secs(5);

/// The keys of all projects: each project's own calls use its own, but a URL must contain none of them.
#[derive(Default)]
pub struct Keys {
    holders: RwLock<Vec<Arc<KeyHolder>>>,
}

impl Keys {
    /// Whether one of the keys, or one that was in use just before, stands in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.holders().iter().any(|holder| holder.is_in(text))
    }

    /// Whether any project has a key to call with.
    #[must_use]
    pub fn any(&self) -> bool {
        self.holders().iter().any(|holder| holder.has_key())
    }

    /// What is wrong with the files of keys, a line for each that gives none: project, path and reason.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.holders().iter().filter_map(|holder| holder.complaint()).collect()
    }

    /// Reads all files at start, at once: blocks no longer than one read may take.
    pub fn load(&self) {
        let holders = self.holders();
        let reads: Vec<_> = holders.iter().map(|holder| (holder, holder.begin_reading())).collect();
        for (holder, reading) in reads {
            if let Some(reading) = reading {
                holder.take_over(reading.wait());
            }
        }
    }

    /// Reads all files once more, at once, so that one that hangs holds up no other.
    pub async fn poll(&self) {
        join_all(self.holders().iter().map(|holder| holder.poll())).await;
    }

    /// Reads all files every few seconds, for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(KEY_POLL).await;
            self.poll().await;
        }
    }

    pub(in crate::nebuly) fn add(&self, holder: Arc<KeyHolder>) {
        self.holders.write().unwrap_or_else(PoisonError::into_inner).push(holder);
    }

    /// The holders, without the lock: reading a file may take long.
    fn holders(&self) -> Vec<Arc<KeyHolder>> {
        self.holders.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys([redacted])")
    }
}
