//! All that the stand-in knows and remembers, shared by its handle and its connections.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::calls::CallLog;
use super::faults::Faults;
use super::projects::Projects;

/// The state. No lock of it is ever held while something is awaited.
pub(super) struct State {
    projects: Mutex<Projects>,
    platform_url: Mutex<String>,
    pages: Mutex<HashMap<&'static str, String>>,
    pub(super) faults: Faults,
    pub(super) calls: Arc<CallLog>,
    pub(super) connections: AtomicUsize,
}

impl State {
    pub(super) fn new(platform_url: String) -> Self {
        Self {
            projects: Mutex::default(),
            platform_url: Mutex::new(platform_url),
            pages: Mutex::default(),
            faults: Faults::new(),
            calls: Arc::default(),
            connections: AtomicUsize::new(0),
        }
    }

    pub(super) fn projects(&self) -> MutexGuard<'_, Projects> {
        lock(&self.projects)
    }

    pub(super) fn platform_url(&self) -> String {
        lock(&self.platform_url).clone()
    }

    pub(super) fn set_platform_url(&self, url: String) {
        *lock(&self.platform_url) = url;
    }

    /// A page that is served under this path, if there is one.
    pub(super) fn page(&self, path: &str) -> Option<String> {
        lock(&self.pages).get(path).cloned()
    }

    pub(super) fn set_page(&self, path: &'static str, html: String) {
        lock(&self.pages).insert(path, html);
    }
}

/// A panic elsewhere leaves nothing half done here, so the state is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
