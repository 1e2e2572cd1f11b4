//! The key of one project: which one is used, where the next one comes from, and whether Nebuly takes it.
//!
//! Where a key is exchanged, the file and Nebuly change one after the other. So for as long as Nebuly refuses the key of
//! the file, the one before it is used; and a call whose key was refused is made once more with the other one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::api_key::ApiKey;
use super::key_file::{self, KeyFileProblem};
use super::rejection::{KeyStanding, Use};
use crate::domain::{CallFailure, Cause, ProjectName};
use crate::files::{FilePath, Reading, SmallFile};
use crate::nebuly::metrics::KeyMetrics;
use crate::nebuly::steady_clock::SteadyClock;
use crate::sync::{Mutex, lock};

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
    File(FilePath),
    /// There is none: Nebuly is never called.
    NotNeeded,
}

/// The key of one project.
pub(in crate::nebuly) struct KeyHolder {
    project: ProjectName,
    /// Nothing if the key never changes.
    file: Option<SmallFile>,
    /// Nothing until the file has held a key.
    keys: ArcSwapOption<KeyPair>,
    /// Why the file gave no key when it was last read.
    problem: Mutex<Option<KeyFileProblem>>,
    /// Whether the alarm has been raised that Nebuly refuses the key.
    alarm: Mutex<bool>,
    /// Held while the file is read, so that what was read first is taken over first, and by the one call that looks for
    /// another key after a 401. Readers wait for it, and nobody else.
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

/// The use of a key by one call. Dropped without a word, it says nothing of the key, unless Nebuly has refused it.
pub(in crate::nebuly) struct Lease {
    holder: Arc<KeyHolder>,
    held: Arc<Held>,
    used: Use,
    /// Nebuly has refused the key, and another one is looked for.
    is_refused: bool,
}

impl KeyHolder {
    /// Holds the key, if it never changes. A file is not read yet.
    pub(in crate::nebuly) fn new(
        project: ProjectName,
        source: KeySource,
        clock: SteadyClock,
        metrics: KeyMetrics,
    ) -> Self {
        let (key, file) = match source {
            KeySource::Inline(key) => (Some(key), None),
            KeySource::File(path) => (None, Some(SmallFile::new(path, key_file::MAX_LEN))),
            KeySource::NotNeeded => (None, None),
        };
        let holder = Self {
            project,
            file,
            keys: ArcSwapOption::empty(),
            problem: Mutex::default(),
            alarm: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            clock,
            metrics,
        };
        if let Some(key) = key {
            holder.hold(key);
        }
        holder
    }

    /// Begins to read the file at start, if the key is in one. What is read goes to [`Self::take_over`].
    pub(in crate::nebuly) fn begin_reading(&self) -> Option<Reading> {
        self.file.as_ref().map(SmallFile::begin)
    }

    /// Reads the file, if the key is in one, and takes over what it holds. Takes no longer than a read may take.
    pub(in crate::nebuly) async fn poll(&self) {
        let _looking = self.looking.lock().await;
        self.read_again().await;
    }

    /// [`Self::poll`], for whoever has [`Self::looking`].
    async fn read_again(&self) {
        if let Some(file) = &self.file {
            self.take_over(file.read().await);
        }
    }

    /// Takes over what was read of the file. Without a key in it, everything stays as it is, and an alarm is raised.
    pub(in crate::nebuly) fn take_over(&self, content: io::Result<Vec<u8>>) {
        match key_file::parse(content) {
            Ok(key) => {
                if lock(&self.problem).take().is_some() {
                    tracing::info!(project = %self.project, path = self.path(), "the key file is good again");
                }
                self.hold(key);
            }
            Err(problem) => {
                self.metrics.file_error();
                let text = problem.to_string();
                if lock(&self.problem).replace(problem).is_none() {
                    tracing::error!(
                        project = %self.project,
                        path = self.path(),
                        problem = text,
                        old_key_is_kept = self.has_key(),
                        "the key file gives no key"
                    );
                }
            }
        }
    }

    /// The path of the file, to be shown.
    fn path(&self) -> Option<String> {
        self.file.as_ref().map(|file| file.path().to_string())
    }

    /// Whether there is a key to call with, refused or not.
    pub(in crate::nebuly) fn has_key(&self) -> bool {
        self.keys.load().is_some()
    }

    /// The key as it is, to try it by itself.
    pub(in crate::nebuly) fn key(&self) -> Option<ApiKey> {
        self.keys.load().as_ref().map(|keys| keys.current.key.clone())
    }

    /// Whether the key, or the one before, stands in a text.
    pub(in crate::nebuly) fn is_in(&self, text: &str) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| {
            let previous = keys.previous.as_ref();
            keys.current.key.is_in(text) || previous.is_some_and(|held| held.key.is_in(text))
        })
    }

    /// Says what is wrong with the file, if something is: for people, without any secret.
    pub(in crate::nebuly) fn complaint(&self) -> Option<String> {
        let path = self.file.as_ref()?.path();
        lock(&self.problem).as_ref().map(|problem| format!("{}: {path}: {problem}", self.project))
    }

    /// Whether a call may be made as the keys stand. Asked before waiting for anything.
    pub(in crate::nebuly) fn check(&self) -> Result<(), CallFailure> {
        self.of_keys(|keys| {
            let allowed = lock(&keys.current.standing).allows(self.clock.now()) || keys.fallback().is_some();
            allowed.then_some(())
        })
    }

    /// The key for one call that is made now.
    pub(in crate::nebuly) fn lease(self: &Arc<Self>) -> Result<Lease, CallFailure> {
        self.of_keys(|keys| {
            let claimed = lock(&keys.current.standing).claim(self.clock.now());
            match claimed {
                Some(used) => Some(self.lease_of(&keys.current, used)),
                None => keys.fallback().map(|held| self.lease_of(held, Use::Plain)),
            }
        })
    }

    /// What a call is made once more with, whose key was refused; `is_news` if that was not known of it.
    fn lease_instead_of(self: &Arc<Self>, refused: &Arc<Held>, is_news: bool) -> Option<Lease> {
        let lease = self.of_keys(|keys| {
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
        });
        lease.ok()
    }

    /// Looks for something in the keys as they are; where nothing is found, Nebuly refuses them. A key that is exchanged
    /// while this looks at the one before is looked at, too.
    fn of_keys<T>(&self, look: impl Fn(&KeyPair) -> Option<T>) -> Result<T, CallFailure> {
        loop {
            let keys = self.keys.load_full().ok_or(NO_KEY)?;
            if let Some(found) = look(&keys) {
                return Ok(found);
            }
            if self.is_current(&keys.current) {
                return Err(REFUSED);
            }
        }
    }

    fn lease_of(self: &Arc<Self>, held: &Arc<Held>, used: Use) -> Lease {
        Lease { holder: Arc::clone(self), held: Arc::clone(held), used, is_refused: false }
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
            // Under the lock, as in `set_alarm`.
            self.metrics.set_rejected(false);
            drop(alarm);
            tracing::info!(project = %self.project, "another key is used from now on");
        }
    }

    fn is_current(&self, held: &Arc<Held>) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| Arc::ptr_eq(&keys.current, held))
    }

    /// Tells, once, that Nebuly refuses this key, or that it takes it again; nothing, if another one is used by now.
    fn set_alarm(&self, held: &Arc<Held>, refused: bool) {
        {
            let mut alarm = lock(&self.alarm);
            // Under the lock, which an exchange takes after it: so no alarm is raised of a key that is gone.
            if *alarm == refused || !self.is_current(held) {
                return;
            }
            *alarm = refused;
            // Under the lock: else the metric may end up saying the opposite.
            self.metrics.set_rejected(refused);
        }
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
    pub(in crate::nebuly) fn key(&self) -> &ApiKey {
        &self.held.key
    }

    /// Nebuly took it.
    pub(in crate::nebuly) fn accepted(mut self) {
        let used = self.end();
        let is_well = {
            let mut standing = lock(&self.held.standing);
            standing.accepted(used);
            !standing.is_refused()
        };
        if is_well {
            self.holder.set_alarm(&self.held, false);
        }
    }

    /// An answer came, or none, that says nothing of the key.
    pub(in crate::nebuly) fn said_nothing(mut self) {
        let used = self.end();
        lock(&self.held.standing).said_nothing(used, self.holder.clock.now());
    }

    /// Nebuly refused it.
    pub(in crate::nebuly) fn refused(mut self) {
        self.is_refused = true;
    }

    /// Nebuly refused it: looks for another one, to make the call once more. Of many calls that come here at once, one
    /// reads the file. Whoever cannot wait for that may drop it: the key then counts as refused.
    pub(in crate::nebuly) async fn refused_unless_changed(mut self) -> Option<Self> {
        self.is_refused = true;
        let (holder, held) = (Arc::clone(&self.holder), Arc::clone(&self.held));
        let _looking = holder.looking.lock().await;
        let is_news = !lock(&held.standing).is_refused();
        let others_looked = !is_news && self.used == Use::Plain;
        if !others_looked && holder.is_current(&held) && holder.file.is_some() {
            holder.read_again().await;
            if holder.is_current(&held) {
                tokio::time::sleep(SECOND_LOOK).await;
                holder.read_again().await;
            }
        }
        drop(self);
        holder.lease_instead_of(&held, is_news)
    }

    /// What it was for; from here on nothing is given up by dropping it.
    fn end(&mut self) -> Use {
        std::mem::replace(&mut self.used, Use::Plain)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_refused {
            lock(&self.held.standing).given_up(self.used);
            return;
        }
        lock(&self.held.standing).refused(self.used, self.holder.clock.now());
        self.holder.set_alarm(&self.held, true);
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
