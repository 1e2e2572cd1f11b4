//! The state of the stand-in, shared by its handle and its connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;

use super::calls::CallLog;
use super::faults::Faults;
use super::listing::ListingOrder;
use super::projects::ProjectsByKey;

/// The state. No lock of it is ever held across an await.
pub(super) struct StandInState {
    pub(super) projects: Mutex<ProjectsByKey>,
    pub(super) platform_url: Mutex<String>,
    /// Pages of HTML, by their paths.
    pub(super) pages: Mutex<HashMap<&'static str, String>>,
    pub(super) listing_order: Mutex<ListingOrder>,
    pub(super) faults: Faults,
    pub(super) calls: Arc<CallLog>,
    pub(super) connections: AtomicUsize,
}

impl StandInState {
    pub(super) fn new(platform_url: String) -> Self {
        Self {
            projects: Mutex::default(),
            platform_url: Mutex::new(platform_url),
            pages: Mutex::default(),
            listing_order: Mutex::default(),
            faults: Faults::default(),
            calls: Arc::default(),
            connections: AtomicUsize::new(0),
        }
    }
}
