//! The key of one project: which one is used, where the next one comes from, and whether Nebuly takes it.
//!
//! Where a key is exchanged, the file and Nebuly change one after the other. So for as long as Nebuly refuses the key of
//! the file, the one before it is used; and a call whose key was refused is made once more with the other one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::key::ApiKey;
use super::key_file::{self, KeyFileProblem};
use super::key_standing::{KeyStanding, Use};
use super::metrics::KeyMetrics;
use super::steady_clock::SteadyClock;
use crate::domain::{CallFailure, Cause, ProjectName};

/// After a 401 a file that has not changed is read once more, so much later: where a key is exchanged on both sides at
/// the same moment, Nebuly may be the first to know.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// There has been no key yet.
const NO_KEY: CallFailure = CallFailure { cause: Cause::KeyRejected, status: None };

/// Nebuly has refused the key.
const REFUSED: CallFailure = CallFailure { cause: Cause::KeyRejected, status: Some(401) };

/// Where a project's key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// It never changes.
    Inline(ApiKey),
    /// It is what this file holds; it may be missing, and may change.
    File(PathBuf),
    /// There is none: Nebuly is never called.
    NotNeeded,
}

/// The key of one project.
pub(super) struct KeyHolder {
    project: ProjectName,
    source: KeySource,
    /// Nothing until the file has held a key.
    keys: ArcSwapOption<KeyPair>,
    /// Why the file gave no key when it was last read. Locked while it is read.
    problem: Mutex<Option<KeyFileProblem>>,
    /// Whether the alarm has been raised that Nebuly refuses the key.
    alarm: Mutex<bool>,
    /// Held by the one call that looks for another key after a 401.
    looking: tokio::sync::Mutex<()>,
    clock: SteadyClock,
    metrics: KeyMetrics,
}

struct KeyPair {
    current: Arc<Held>,
    previous: Option<Arc<Held>>,
}

struct Held {
    key: ApiKey,
    standing: Mutex<KeyStanding>,
}

/// The use of a key by one call. Dropped without a word, it says nothing of the key.
pub(super) struct Lease {
    holder: Arc<KeyHolder>,
    held: Arc<Held>,
    used: Use,
}

impl KeyHolder {
    /// Holds the key, if there is one already. Reads the file, if it is in one.
    pub(super) fn new(
        project: ProjectName,
        source: KeySource,
        clock: SteadyClock,
        metrics: KeyMetrics,
    ) -> Self {
        let holder = Self {
            project,
            source,
            keys: ArcSwapOption::empty(),
            problem: Mutex::default(),
            alarm: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            clock,
            metrics,
        };
        match &holder.source {
            KeySource::Inline(key) => holder.hold(key.clone()),
            KeySource::File(_) => holder.poll(),
            KeySource::NotNeeded => {}
        }
        holder
    }

    /// Reads the file once, if the key is in one, and takes over what it holds. Without a key in it, everything stays as
    /// it is. Blocks for as long as reading takes.
    pub(super) fn poll(&self) {
        let KeySource::File(path) = &self.source else { return };
        let mut problem = lock(&self.problem);
        match key_file::read(path) {
            Ok(key) => {
                if problem.take().is_some() {
                    tracing::info!(project = %self.project, path = %path.display(), "the key file is good again");
                }
                self.hold(key);
            }
            Err(found) => {
                self.metrics.file_error();
                if problem.is_none() {
                    tracing::error!(
                        project = %self.project,
                        path = %path.display(),
                        problem = %found,
                        old_key_is_kept = self.has_key(),
                        "the key file gives no key"
                    );
                }
                *problem = Some(found);
            }
        }
    }

    /// [`Self::poll`], without blocking.
    async fn read_again(self: &Arc<Self>) {
        let holder = Arc::clone(self);
        // It fails only when the runtime is shutting down.
        drop(tokio::task::spawn_blocking(move || holder.poll()).await);
    }

    /// Whether there is a key to call with, refused or not.
    pub(super) fn has_key(&self) -> bool {
        self.keys.load().is_some()
    }

    /// The key as it is, to try it by itself.
    pub(super) fn key(&self) -> Option<ApiKey> {
        self.keys.load().as_ref().map(|keys| keys.current.key.clone())
    }

    /// Whether the key, or the one before, stands in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| {
            let previous = keys.previous.as_ref();
            keys.current.key.is_in(text) || previous.is_some_and(|held| held.key.is_in(text))
        })
    }

    /// Says what is wrong with the file, if something is: for people, without any secret.
    pub(super) fn complaint(&self) -> Option<String> {
        let KeySource::File(path) = &self.source else { return None };
        let problem = lock(&self.problem);
        problem.as_ref().map(|problem| format!("{}: {}: {problem}", self.project, path.display()))
    }

    /// Whether a call may be made as the keys stand. Asked before waiting for anything.
    pub(super) fn check(&self) -> Result<(), CallFailure> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(NO_KEY)?;
        let allowed = lock(&keys.current.standing).allows(self.clock.now()) || keys.fallback().is_some();
        if allowed { Ok(()) } else { Err(REFUSED) }
    }

    /// The key for one call that is made now.
    pub(super) fn lease(self: &Arc<Self>) -> Result<Lease, CallFailure> {
        let keys = self.keys.load_full().ok_or(NO_KEY)?;
        let claimed = lock(&keys.current.standing).claim(self.clock.now());
        match claimed {
            Some(used) => Ok(self.lease_of(&keys.current, used)),
            None => keys.fallback().map(|held| self.lease_of(held, Use::Plain)).ok_or(REFUSED),
        }
    }

    /// What a call is made once more with, whose key was refused; `is_news` if that was not known of it.
    fn lease_instead_of(self: &Arc<Self>, refused: &Arc<Held>, is_news: bool) -> Option<Lease> {
        let keys = self.keys.load_full()?;
        if Arc::ptr_eq(&keys.current, refused) {
            return keys.fallback().map(|held| self.lease_of(held, Use::Plain));
        }
        let mut standing = lock(&keys.current.standing);
        if is_news {
            // Nebuly has just stopped taking the key before, so the current one is likely to be taken from now on.
            standing.forget();
        }
        let used = standing.claim(self.clock.now())?;
        drop(standing);
        Some(self.lease_of(&keys.current, used))
    }

    fn lease_of(self: &Arc<Self>, held: &Arc<Held>, used: Use) -> Lease {
        Lease { holder: Arc::clone(self), held: Arc::clone(held), used }
    }

    fn hold(&self, key: ApiKey) {
        let keys = self.keys.load_full();
        let before = keys.as_ref().map(|keys| &keys.current);
        if before.is_some_and(|held| held.key == key) {
            return;
        }
        let current = Arc::new(Held { key, standing: Mutex::default() });
        self.keys.store(Some(Arc::new(KeyPair { current, previous: before.cloned() })));
        self.metrics.loaded();
        if before.is_some() {
            // The alarm was about the key before: whoever has exchanged it need not wait for a call to see it end.
            let mut alarm = lock(&self.alarm);
            *alarm = false;
            // Under the lock, as in `set_alarm`: else the metric may end up saying the opposite.
            self.metrics.set_rejected(false);
            drop(alarm);
            tracing::info!(project = %self.project, "another key is used from now on");
        }
    }

    fn is_current(&self, held: &Arc<Held>) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| Arc::ptr_eq(&keys.current, held))
    }

    /// Tells, once, that Nebuly refuses the current key, or that it takes it again.
    fn set_alarm(&self, refused: bool) {
        let mut alarm = lock(&self.alarm);
        if *alarm == refused {
            return;
        }
        *alarm = refused;
        self.metrics.set_rejected(refused);
        if refused {
            tracing::error!(project = %self.project, "Nebuly refuses the key: exchange it");
        } else {
            tracing::info!(project = %self.project, "Nebuly takes the key again");
        }
    }
}

impl KeyPair {
    /// The key before, if there is one and Nebuly has not refused it.
    fn fallback(&self) -> Option<&Arc<Held>> {
        self.previous.as_ref().filter(|held| !lock(&held.standing).is_refused())
    }
}

impl Lease {
    /// The key to send.
    pub(super) fn key(&self) -> &ApiKey {
        &self.held.key
    }

    /// Nebuly took it.
    pub(super) fn accepted(mut self) {
        let used = self.end();
        let is_well = {
            let mut standing = lock(&self.held.standing);
            standing.accepted(used);
            !standing.is_refused()
        };
        if is_well && self.holder.is_current(&self.held) {
            self.holder.set_alarm(false);
        }
    }

    /// An answer came, or none, that says nothing of the key.
    pub(super) fn said_nothing(mut self) {
        let used = self.end();
        lock(&self.held.standing).said_nothing(used, self.holder.clock.now());
    }

    /// Nebuly refused it.
    pub(super) fn refused(mut self) {
        let used = self.end();
        lock(&self.held.standing).refused(used, self.holder.clock.now());
        if self.holder.is_current(&self.held) {
            self.holder.set_alarm(true);
        }
    }

    /// Nebuly refused it: looks for another one, to make the call once more. Of many calls that come here at once, one
    /// reads the file.
    pub(super) async fn refused_unless_changed(self) -> Option<Self> {
        let (holder, held) = (Arc::clone(&self.holder), Arc::clone(&self.held));
        let _looking = holder.looking.lock().await;
        let is_news = !lock(&held.standing).is_refused();
        let others_looked = !is_news && self.used == Use::Plain;
        if !others_looked && holder.is_current(&held) && matches!(holder.source, KeySource::File(_)) {
            holder.read_again().await;
            if holder.is_current(&held) {
                tokio::time::sleep(SECOND_LOOK).await;
                holder.read_again().await;
            }
        }
        self.refused();
        holder.lease_instead_of(&held, is_news)
    }

    /// What it was for; from here on nothing is given up by dropping it.
    fn end(&mut self) -> Use {
        std::mem::replace(&mut self.used, Use::Plain)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.held.standing).given_up(self.used);
    }
}

/// Nothing panics while it holds one of these locks, so what a poisoned one guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "key_holder_tests.rs"]
mod tests;
