//! Reads the lines of a snapshot, which may hold anything.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};

use serde::Deserialize;

use super::lines::{Line, Lines};
use crate::cache::link_record::LinkRecord;
use crate::domain::{Item, Kind, Timestamp};
use crate::files::{FilePath, open_regular};

/// The version of the form of a line. A line with a higher one is from a newer nebulink.
pub(super) const VERSION: u64 = 1;

/// The beginning of lines of this version, as this program writes them.
const BEGINNING: &[u8] = br#"{"v":1,"kind":""#;

/// The bytes that are read or written at once: large enough that a million links take a few thousand calls.
pub(super) const BUFFER_SIZE: usize = 256 * 1024;

/// The bytes of a file that decide whether it is a snapshot.
const START_LEN: u64 = 64 * 1024;

/// The error of reading or writing a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A newer nebulink wrote it. It is neither read nor ever overwritten: go on without one.
    #[error(
        "the snapshot {path} is from a newer version of nebulink (format {version}, this version knows {}): \
         it is left alone; move it away or name another file",
        VERSION
    )]
    NewerVersion {
        /// The file.
        path: FilePath,
        /// The version of its format.
        version: u64,
    },
    /// The file holds something, and no snapshot. It is neither read nor ever overwritten.
    #[error(
        "the snapshot {path} holds something else than a snapshot: it is left alone; move it away or name another file"
    )]
    NotASnapshot {
        /// The file.
        path: FilePath,
    },
    /// The operating system refused something, or no regular file stands there.
    #[error("the snapshot {path} cannot be {what}")]
    Io {
        /// The file.
        path: FilePath,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl SnapshotError {
    pub(super) fn io(path: &FilePath, what: &'static str, error: io::Error) -> Self {
        Self::Io { path: path.clone(), what, error }
    }
}

/// Reads a snapshot line by line. It holds one line in memory.
#[derive(Debug)]
pub struct SnapshotReader<R = File> {
    lines: Lines<BufReader<R>>,
    path: FilePath,
}

/// The content of a line. Kind and id are checked; the rest is as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotLink<'a> {
    /// The item that the link leads to.
    pub item: Item<'a>,
    /// The URL that it leads to.
    pub url: Cow<'a, str>,
    /// The name of the project that has the item.
    pub project: Cow<'a, str>,
    /// The time at which Nebuly said so.
    pub resolved_at: Timestamp,
    /// True if it was found for callers who named the project, and is for them alone.
    pub only_its_project: bool,
}

/// A line that is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLine;

impl SnapshotReader {
    /// Opens a snapshot.
    pub fn open(path: &FilePath) -> Result<Self, SnapshotError> {
        let missing = || SnapshotError::io(path, "read", io::ErrorKind::NotFound.into());
        Ok(Self::new(open(path)?.ok_or_else(missing)?, path))
    }
}

impl<R: io::Read> SnapshotReader<R> {
    /// Reads this source; the path is for errors alone.
    pub(super) fn new(source: R, path: &FilePath) -> Self {
        Self { lines: Lines::new(BufReader::with_capacity(BUFFER_SIZE, source)), path: path.clone() }
    }

    /// The next line, or `None` at the end. A line of a newer version is an error, and nothing of the file may be used.
    pub fn read(&mut self) -> Result<Option<Result<SnapshotLink<'_>, BrokenLine>>, SnapshotError> {
        let record = match self.next_line()? {
            Some(Line::Whole(line)) => LinkRecord::parse(VERSION, line),
            Some(Line::TooLong(_)) => None,
            None => return Ok(None),
        };
        Ok(Some(record.and_then(link).ok_or(BrokenLine)))
    }

    /// Reads to the end, and fails if a line is of a newer version.
    pub(super) fn check_versions(mut self) -> Result<(), SnapshotError> {
        while self.next_line()?.is_some() {}
        Ok(())
    }

    fn next_line(&mut self) -> Result<Option<Line<'_>>, SnapshotError> {
        let line = self.lines.read().map_err(|error| SnapshotError::io(&self.path, "read", error))?;
        if let Some(Line::Whole(bytes)) = &line
            && let Some(version) = newer_version(bytes)
        {
            return Err(SnapshotError::NewerVersion { path: self.path.clone(), version });
        }
        Ok(line)
    }
}

fn link(record: LinkRecord<'_>) -> Option<SnapshotLink<'_>> {
    let resolved_at = record.resolved_at()?;
    let item = match record.kind {
        Kind::Interaction => Item::interaction(&record.id),
        Kind::Conversation => Item::conversation(record.id),
    };
    Some(SnapshotLink {
        item: item.ok()?,
        url: record.url,
        project: record.project,
        resolved_at,
        only_its_project: record.scope.is_some(),
    })
}

/// Opens a snapshot, or returns `None` if there is no file. A file that is neither a snapshot nor empty is an error.
pub(super) fn open(path: &FilePath) -> Result<Option<File>, SnapshotError> {
    let failed = |error| SnapshotError::io(path, "read", error);
    let mut file = match open_regular(path.as_path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut start = Vec::new();
    (&file).take(START_LEN).read_to_end(&mut start).map_err(failed)?;
    if !start.is_empty() && !start.split(|byte| *byte == b'\n').any(is_of_a_snapshot) {
        return Err(SnapshotError::NotASnapshot { path: path.clone() });
    }
    file.rewind().map_err(failed)?;
    Ok(Some(file))
}

/// Returns true if a line is one of a snapshot, of any version, even if its end is missing. Other programs write JSON
/// with a member `v`, too, so that alone is not enough.
fn is_of_a_snapshot(line: &[u8]) -> bool {
    line.starts_with(BEGINNING) || newer_version(line).is_some() || LinkRecord::parse(VERSION, line).is_some()
}

/// The version of a line that this program is too old for.
fn newer_version(line: &[u8]) -> Option<u64> {
    /// The member that lines of every version have.
    #[derive(Deserialize)]
    struct Versioned {
        v: u64,
    }
    // Nearly all lines: they need not be read twice.
    if line.starts_with(BEGINNING) {
        return None;
    }
    let Versioned { v } = serde_json::from_slice(line).ok()?;
    (v > VERSION).then_some(v)
}
