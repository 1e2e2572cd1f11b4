//! The key of one project: its current and its previous value, the file that it comes from, and whether Nebuly accepts it.
//!
//! A rotation changes the file and Nebuly one after the other. So the previous key is used for as long as Nebuly rejects
//! the one of the file, and a call whose key was rejected is made once more with the other one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::MutexGuard;

use super::api_key::{ApiKey, KeyFileError};
use super::rejection::{KeyUse, RejectionState};
use crate::domain::{CallFailure, Cause, ProjectName};
use crate::files::{FilePath, Reload, WatchedFile};
use crate::nebuly::SteadyClock;
use crate::nebuly::metrics::KeyMetrics;
use crate::sync::{Mutex, lock};

/// The longest file of a key, in bytes: a key, and white space around it.
const MAX_FILE_LEN: u64 = 8 * 1024;

/// After a 401 a file that has not changed is read once more after this time: if both sides rotate the key at the same
/// moment, Nebuly may be the first.
const REREAD_DELAY: Duration = Duration::from_millis(100);

/// There has been no key yet.
const NO_KEY: CallFailure = CallFailure { cause: Cause::KeyRejected, status: None };

/// Nebuly has rejected the key.
const REJECTED: CallFailure = CallFailure { cause: Cause::KeyRejected, status: Some(401) };

/// The source of a project's key.
#[derive(Debug, Clone)]
pub enum ApiKeySource {
    /// The key itself, which never changes.
    Inline(ApiKey),
    /// A file that holds the key. It may be missing, and may change.
    File(FilePath),
    /// There is no key: Nebuly is never called.
    NotNeeded,
}

/// The key of one project.
pub(in crate::nebuly) struct KeyHolder {
    project: ProjectName,
    /// `None` if the key never changes. Locked while the file is read, so that readings take effect in their order, and
    /// by the one call that looks for another key after a 401. Only those who read it wait for this lock.
    file: tokio::sync::Mutex<Option<KeyFile>>,
    /// `None` until there is a key.
    keys: ArcSwapOption<KeyPair>,
    /// Project, path and reason, if the file gave no key when it was last read.
    last_file_error: Mutex<Option<String>>,
    /// True if it was logged that Nebuly rejects the current key, and the metric says so.
    rejection_logged: Mutex<bool>,
    clock: SteadyClock,
    metrics: KeyMetrics,
}

type KeyFile = WatchedFile<ApiKey, KeyFileError>;

struct KeyPair {
    current: Arc<HeldKey>,
    previous: Option<Arc<HeldKey>>,
}

struct HeldKey {
    key: ApiKey,
    rejection: Mutex<RejectionState>,
}

/// The use of a key by one call. Dropped without an outcome, the call counts as abandoned, unless Nebuly has rejected the
/// key.
pub(in crate::nebuly) struct KeyLease {
    holder: Arc<KeyHolder>,
    held: Arc<HeldKey>,
    used: KeyUse,
    /// Nebuly has rejected the key.
    is_rejected: bool,
}

impl KeyHolder {
    /// Holds the key, if it never changes. A file is not read yet.
    pub(in crate::nebuly) fn new(
        project: ProjectName,
        source: ApiKeySource,
        clock: SteadyClock,
        metrics: KeyMetrics,
    ) -> Self {
        let (key, file) = match source {
            ApiKeySource::Inline(key) => (Some(key), None),
            ApiKeySource::File(path) => (None, Some(WatchedFile::new(path, MAX_FILE_LEN, ApiKey::from_file))),
            ApiKeySource::NotNeeded => (None, None),
        };
        let holder = Self {
            project,
            file: tokio::sync::Mutex::new(file),
            keys: ArcSwapOption::empty(),
            last_file_error: Mutex::default(),
            rejection_logged: Mutex::default(),
            clock,
            metrics,
        };
        if let Some(key) = key {
            holder.hold(key);
        }
        holder
    }

    /// Begins to read the file at start, if the key is in one. The function that is returned waits for the content, and
    /// takes it over.
    pub(super) fn begin_load(&self) -> Option<impl FnOnce()> {
        // Free at start: nobody else reads yet.
        let file = self.file.try_lock().ok()?;
        let mut file = MutexGuard::try_map(file, Option::as_mut).ok()?;
        let read = file.begin();
        Some(move || {
            let reload = file.finish(read);
            self.take_over(file.path(), reload);
        })
    }

    /// Reads the file again, if the key is in one, and takes over its content. Takes no longer than a read may take.
    pub(super) async fn poll(&self) {
        if let Some(file) = self.file.lock().await.as_mut() {
            self.reload(file).await;
        }
    }

    async fn reload(&self, file: &mut KeyFile) {
        let reload = file.reload().await;
        self.take_over(file.path(), reload);
    }

    /// Takes over the key that was read. Without one the last valid key stays in use, and an error is logged.
    fn take_over(&self, path: &FilePath, reload: Reload<ApiKey, KeyFileError>) {
        match reload.value {
            Ok(None) => {}
            Ok(Some(key)) => {
                if !reload.was_valid {
                    *lock(&self.last_file_error) = None;
                    tracing::info!(project = %self.project, %path, "API key file recovered");
                }
                self.hold(key);
            }
            Err(problem) => {
                self.metrics.file_error();
                *lock(&self.last_file_error) = Some(format!("{}: {path}: {problem}", self.project));
                if reload.was_valid {
                    tracing::error!(
                        project = %self.project,
                        %path,
                        %problem,
                        old_key_is_kept = self.has_key(),
                        "failed to load the API key file"
                    );
                }
            }
        }
    }

    /// Returns true if there is a key to call with, rejected or not.
    pub(in crate::nebuly) fn has_key(&self) -> bool {
        self.keys.load().is_some()
    }

    /// The current key, to check it by itself.
    pub(in crate::nebuly) fn key(&self) -> Option<ApiKey> {
        self.keys.load().as_ref().map(|keys| keys.current.key.clone())
    }

    /// Returns true if a text contains the current or the previous key.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| {
            keys.current.key.is_in(text) || keys.previous.as_ref().is_some_and(|held| held.key.is_in(text))
        })
    }

    /// Project, path and reason, if the file gave no key when it was last read. For people, without any secret.
    pub(super) fn last_file_error(&self) -> Option<String> {
        lock(&self.last_file_error).clone()
    }

    /// Fails if no call may be made with the keys as they are. Asked before waiting for anything.
    pub(in crate::nebuly) fn check(&self) -> Result<(), CallFailure> {
        self.find(|keys| {
            let allowed = lock(&keys.current.rejection).allows((self.clock)()) || keys.fallback().is_some();
            allowed.then_some(())
        })
    }

    /// The key for a call that is made now.
    pub(in crate::nebuly) fn lease(self: &Arc<Self>) -> Result<KeyLease, CallFailure> {
        self.find(|keys| {
            let claimed = lock(&keys.current.rejection).claim((self.clock)());
            match claimed {
                Some(used) => Some(self.lease_of(&keys.current, used)),
                None => keys.fallback().map(|held| self.lease_of(held, KeyUse::Normal)),
            }
        })
    }

    /// The other key, to repeat a call whose key was rejected. `first_rejection`: that key was not known to be rejected.
    fn lease_instead_of(
        self: &Arc<Self>,
        rejected: &Arc<HeldKey>,
        first_rejection: bool,
    ) -> Option<KeyLease> {
        let lease = self.find(|keys| {
            if Arc::ptr_eq(&keys.current, rejected) {
                return keys.fallback().map(|held| self.lease_of(held, KeyUse::Normal));
            }
            let mut rejection = lock(&keys.current.rejection);
            if first_rejection {
                // Nebuly has just stopped accepting the previous key, so it is likely to accept the current one now.
                rejection.forget();
            }
            let used = rejection.claim((self.clock)())?;
            drop(rejection);
            Some(self.lease_of(&keys.current, used))
        });
        lease.ok()
    }

    /// Finds something in the keys as they are; if nothing is found, Nebuly rejects them. If the key changes meanwhile,
    /// it looks again.
    fn find<T>(&self, find: impl Fn(&KeyPair) -> Option<T>) -> Result<T, CallFailure> {
        loop {
            let keys = self.keys.load_full().ok_or(NO_KEY)?;
            if let Some(found) = find(&keys) {
                return Ok(found);
            }
            if self.is_current(&keys.current) {
                return Err(REJECTED);
            }
        }
    }

    fn lease_of(self: &Arc<Self>, held: &Arc<HeldKey>, used: KeyUse) -> KeyLease {
        KeyLease { holder: Arc::clone(self), held: Arc::clone(held), used, is_rejected: false }
    }

    fn hold(&self, key: ApiKey) {
        let keys = self.keys.load_full();
        let previous = keys.as_ref().map(|keys| &keys.current);
        if previous.is_some_and(|held| held.key == key) {
            return;
        }
        let current = Arc::new(HeldKey { key, rejection: Mutex::default() });
        self.keys.store(Some(Arc::new(KeyPair { current, previous: previous.cloned() })));
        self.metrics.loaded();
        if previous.is_some() {
            // The rejection was of the previous key: it ends with the rotation, not with the next call.
            let mut rejection_logged = lock(&self.rejection_logged);
            *rejection_logged = false;
            // Under the lock, as in `report_rejected`.
            self.metrics.set_rejected(false);
            drop(rejection_logged);
            tracing::info!(project = %self.project, "loaded a new API key");
        }
    }

    fn is_current(&self, held: &Arc<HeldKey>) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| Arc::ptr_eq(&keys.current, held))
    }

    /// Reports once that Nebuly rejects this key, or that it accepts it again. Does nothing if the key is not the current
    /// one.
    fn report_rejected(&self, held: &Arc<HeldKey>, rejected: bool) {
        {
            let mut rejection_logged = lock(&self.rejection_logged);
            // Under the lock: a rotation replaces the key before it takes the lock, so no rejection is left of a key that
            // is no longer used.
            if *rejection_logged == rejected || !self.is_current(held) {
                return;
            }
            *rejection_logged = rejected;
            // Under the lock: else the metric may end up saying the opposite.
            self.metrics.set_rejected(rejected);
        }
        if rejected {
            tracing::error!(project = %self.project, "Nebuly rejected the API key: replace it");
        } else {
            tracing::info!(project = %self.project, "Nebuly accepts the API key again");
        }
    }
}

impl KeyPair {
    /// The previous key, if there is one and Nebuly has not rejected it.
    fn fallback(&self) -> Option<&Arc<HeldKey>> {
        self.previous.as_ref().filter(|held| !lock(&held.rejection).is_rejected())
    }
}

impl KeyLease {
    /// The key to send.
    pub(in crate::nebuly) fn key(&self) -> &ApiKey {
        &self.held.key
    }

    /// Nebuly accepted the key.
    pub(in crate::nebuly) fn accepted(mut self) {
        let used = self.end();
        let is_accepted = {
            let mut rejection = lock(&self.held.rejection);
            rejection.accepted(used);
            !rejection.is_rejected()
        };
        if is_accepted {
            self.holder.report_rejected(&self.held, false);
        }
    }

    /// The call said nothing of the key.
    pub(in crate::nebuly) fn inconclusive(mut self) {
        let used = self.end();
        lock(&self.held.rejection).inconclusive(used, (self.holder.clock)());
    }

    /// Nebuly rejected the key. It takes effect when the lease is dropped, here at the end.
    pub(in crate::nebuly) fn rejected(mut self) {
        self.is_rejected = true;
    }

    /// Nebuly rejected the key: looks for another one, to make the call once more. Of many calls that come here at once,
    /// one reads the file. If the future is dropped before it ends, the key counts as rejected.
    pub(in crate::nebuly) async fn rejected_unless_changed(mut self) -> Option<Self> {
        self.is_rejected = true;
        let (holder, held) = (Arc::clone(&self.holder), Arc::clone(&self.held));
        let mut file = holder.file.lock().await;
        let first_rejection = !lock(&held.rejection).is_rejected();
        let others_looked = !first_rejection && self.used == KeyUse::Normal;
        if let Some(file) = file.as_mut()
            && !others_looked
            && holder.is_current(&held)
        {
            holder.reload(file).await;
            if holder.is_current(&held) {
                tokio::time::sleep(REREAD_DELAY).await;
                holder.reload(file).await;
            }
        }
        drop(self);
        holder.lease_instead_of(&held, first_rejection)
    }

    /// Returns the use of the key. Dropping the lease afterwards abandons nothing.
    fn end(&mut self) -> KeyUse {
        std::mem::replace(&mut self.used, KeyUse::Normal)
    }
}

impl Drop for KeyLease {
    fn drop(&mut self) {
        if !self.is_rejected {
            lock(&self.held.rejection).abandoned(self.used);
            return;
        }
        lock(&self.held.rejection).rejected(self.used, (self.holder.clock)());
        self.holder.report_rejected(&self.held, true);
    }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
#[path = "holder_tests.rs"]
mod tests;

#[cfg(test)]
#[cfg(feature = "interleavings")]
#[path = "holder_interleavings_tests.rs"]
mod interleavings;
