//! Links in a file, so that they outlive the process.
//!
//! A snapshot is JSON Lines, one link per line, without a header; [`link_record`](super::link_record) has the form of a
//! line. Each line that is read is checked like an answer from outside. Writing replaces the file atomically, so that
//! there is a whole one at any time.
//!
//! A file that is neither empty nor a snapshot belongs to somebody else, who would lose data by a mistake in our settings:
//! it is neither read nor replaced. A snapshot has a line of its own form within its first 64 KiB, so it may begin with
//! some broken ones.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lines;
mod link_filter;
mod reader;
mod replacement;

use std::io::{self, BufWriter, Seek as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use metrics::Counter;
use parking_lot::Mutex;

pub use self::lines::{Line, Lines};
pub use self::link_filter::LinkFilter;
use self::link_filter::{LoadedLink, SkipReason};
use self::reader::{BUFFER_SIZE, VERSION, open};
pub use self::reader::{BrokenLine, SnapshotError, SnapshotLink, SnapshotReader};
use self::replacement::Replacement;
use super::MemoryCache;
use super::link_record::LinkRecord;
use crate::domain::{CachedLink, Item, LinkCache as _, ResolvedLink, Scope, Timestamp};
use crate::files::{FilePath, within_deadline};

/// The links that go from one thread to the other at once.
const BATCH_LEN: usize = 1024;

/// The batches that may wait in between: together some two megabytes.
const BATCHES: usize = 4;

/// A snapshot of the links in memory. A clone is a handle to the same file.
///
/// When it is read and written is decided elsewhere. It holds only links that lead somewhere, without the results of
/// their refreshes.
#[derive(Debug, Clone)]
pub struct SnapshotFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: FilePath,
    filter: LinkFilter,
    lines_skipped: Counter,
    /// Held while the file is written, so that of two writes the later one lasts.
    writing: Mutex<()>,
}

/// The number of lines of a snapshot, by result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Links that were loaded into memory.
    pub links: u64,
    /// Lines that were skipped because something is wrong with them.
    pub broken: u64,
    /// Lines that were left out because their project is not configured.
    pub unconfigured: u64,
    /// Lines that were left out because they are too old.
    pub expired: u64,
}

/// Fails if no snapshot can be kept at this path: another file is there, or its folder is not writable. Nothing is changed,
/// except that temporary files which a crash left are removed. Conditions that may pass by themselves are no error here: a
/// full disk, and a snapshot of a newer version. Blocks no longer than [`crate::files::DEADLINE`].
pub fn check(path: &FilePath) -> Result<(), SnapshotError> {
    let checked = path.clone();
    let check = move || {
        open(&checked)?;
        // Only an attempt tells for certain, on any kind of file system.
        match Replacement::begin(&checked) {
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Err(SnapshotError::io(&checked, "written", error))
            }
            _ => Ok(()),
        }
    };
    within_deadline(check).unwrap_or_else(|error| Err(SnapshotError::io(path, "read", error)))
}

impl SnapshotFile {
    /// The snapshot at this path. Nothing is opened yet; its metrics go to the recorder that is installed by now.
    #[must_use]
    pub fn new(path: impl Into<FilePath>, filter: LinkFilter) -> Self {
        metrics::describe_counter!(
            "nebulink_snapshot_lines_skipped_total",
            "Lines of the snapshot that were skipped because they are not valid"
        );
        let lines_skipped = metrics::counter!("nebulink_snapshot_lines_skipped_total");
        let writing = Mutex::default();
        Self(Arc::new(Inner { path: path.into(), filter, lines_skipped, writing }))
    }

    /// Reads the links into memory. A file that is not there has none.
    ///
    /// To be called before anybody is served: a link in the file replaces the one in memory.
    pub async fn load_into(&self, cache: &MemoryCache, now: Timestamp) -> Result<Loaded, SnapshotError> {
        let (inner, cache) = (Arc::clone(&self.0), cache.clone());
        let task = tokio::task::spawn_blocking(move || inner.load(&cache, now));
        task.await.unwrap_or_else(|error| Err(self.0.failed("read", error.into())))
    }

    /// Replaces the file by one with the links in memory, and returns their number. The old file stays until the new one is
    /// on the disk, and if anything fails.
    pub async fn save_from(&self, cache: &MemoryCache) -> Result<u64, SnapshotError> {
        let (inner, cache) = (Arc::clone(&self.0), cache.clone());
        let task = tokio::task::spawn_blocking(move || inner.save(cache.resolved()));
        task.await.unwrap_or_else(|error| Err(self.0.failed("written", error.into())))
    }
}

impl Inner {
    fn load(&self, cache: &MemoryCache, now: Timestamp) -> Result<Loaded, SnapshotError> {
        let Some(mut file) = open(&self.path)? else {
            tracing::info!(path = %self.path, "no snapshot found");
            return Ok(Loaded::default());
        };
        // The whole file first: nothing may be loaded from a file that a newer version wrote.
        SnapshotReader::new(&file, &self.path).check_versions()?;
        file.rewind().map_err(|error| self.failed("read", error))?;
        let reader = SnapshotReader::new(&file, &self.path);
        let (loaded_links, batches) = mpsc::sync_channel(BATCHES);
        // Reading lines and putting links into memory take about as long: two threads halve the time.
        let loaded = thread::scope(|threads| {
            let reading = thread::Builder::new()
                .name("snapshot".to_owned())
                .spawn_scoped(threads, move || self.read(reader, now, &loaded_links))
                .map_err(|error| self.failed("read", error))?;
            for (scope, item, link) in batches.into_iter().flatten() {
                cache.insert(scope, item, CachedLink::Resolved(link));
            }
            reading.join().unwrap_or_else(|_| Err(self.failed("read", io::Error::other("reading panicked"))))
        })?;
        self.lines_skipped.increment(loaded.broken);
        let Loaded { links, broken, unconfigured, expired } = loaded;
        let path = &self.path;
        tracing::info!(%path, links, unconfigured, expired, "snapshot read");
        if broken > 0 {
            tracing::warn!(%path, broken, "broken lines of the snapshot were skipped");
        }
        Ok(loaded)
    }

    /// Reads the lines and sends the links that the filter accepts, batch by batch.
    fn read<R: io::Read>(
        &self,
        mut reader: SnapshotReader<R>,
        now: Timestamp,
        loaded_links: &SyncSender<Vec<LoadedLink>>,
    ) -> Result<Loaded, SnapshotError> {
        let mut loaded = Loaded::default();
        let mut batch = Vec::with_capacity(BATCH_LEN);
        while let Some(line) = reader.read()? {
            match line.map_err(|BrokenLine| SkipReason::Broken).and_then(|link| self.filter.accept(link, now))
            {
                Ok(link) => {
                    batch.push(link);
                    loaded.links += 1;
                }
                Err(SkipReason::Broken) => loaded.broken += 1,
                Err(SkipReason::Unconfigured) => loaded.unconfigured += 1,
                Err(SkipReason::Expired) => loaded.expired += 1,
            }
            if batch.len() == BATCH_LEN {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_LEN));
                // The receiver is gone only if the whole load is being abandoned.
                drop(loaded_links.send(full));
            }
        }
        drop(loaded_links.send(batch));
        Ok(loaded)
    }

    fn save(
        &self,
        links: impl Iterator<Item = (Scope, Item<'static>, ResolvedLink)>,
    ) -> Result<u64, SnapshotError> {
        let _writing = self.writing.lock();
        // Each time: another process may have written it meanwhile, say during a rolling update.
        if let Some(file) = open(&self.path)? {
            SnapshotReader::new(&file, &self.path).check_versions()?;
        }
        let saved = self.write(links).map_err(|error| self.failed("written", error))?;
        tracing::debug!(path = %self.path, links = saved, "snapshot written");
        Ok(saved)
    }

    fn write(&self, links: impl Iterator<Item = (Scope, Item<'static>, ResolvedLink)>) -> io::Result<u64> {
        let replacement = Replacement::begin(&self.path)?;
        let mut writer = BufWriter::with_capacity(BUFFER_SIZE, replacement.file());
        let mut saved = 0;
        for (scope, item, link) in links {
            let Some(project) = self.filter.name(link.project) else { continue };
            let record = LinkRecord::new(VERSION, scope, &item, project, &link.url, link.resolved_at);
            let Some(record) = record else { continue };
            serde_json::to_writer(&mut writer, &record)?;
            writer.write_all(b"\n")?;
            saved += 1;
        }
        writer.flush()?;
        drop(writer);
        replacement.commit()?;
        Ok(saved)
    }

    fn failed(&self, what: &'static str, error: io::Error) -> SnapshotError {
        SnapshotError::io(&self.path, what, error)
    }
}

#[cfg(test)]
mod tests;
