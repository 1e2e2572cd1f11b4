//! Reads a snapshot's lines, without believing what they say.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader};

use super::lines::{Line, Lines};
use super::{BUFFER_SIZE, SnapshotError, open};
use crate::cache::link_record::{KindName, Record, newer_version};
use crate::domain::{Item, Timestamp};
use crate::files::FilePath;

/// Reads a snapshot line by line. It holds one line in memory.
#[derive(Debug)]
pub struct SnapshotReader<R = File> {
    lines: Lines<BufReader<R>>,
    path: FilePath,
}

/// What a line says. Kind and id are checked; the rest is as it stands there.
#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotLink<'a> {
    /// What the link leads to.
    pub item: Item<'a>,
    /// Where it leads.
    pub url: Cow<'a, str>,
    /// The name of the project that has the item.
    pub project: Cow<'a, str>,
    /// When Nebuly said so.
    pub resolved_at: Timestamp,
    /// Whether it was found for callers who named the project, and counts for them alone.
    pub only_its_project: bool,
}

/// A line that says nothing that could be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLine;

impl SnapshotReader {
    /// Opens a snapshot.
    pub fn open(path: &FilePath) -> Result<Self, SnapshotError> {
        let missing =
            || SnapshotError::Io { path: path.clone(), what: "read", error: io::ErrorKind::NotFound.into() };
        Ok(Self::new(open(path)?.ok_or_else(missing)?, path))
    }
}

impl<R: io::Read> SnapshotReader<R> {
    /// Reads what comes from here; the path is for errors alone.
    pub(super) fn new(source: R, path: &FilePath) -> Self {
        Self { lines: Lines::new(BufReader::with_capacity(BUFFER_SIZE, source)), path: path.clone() }
    }

    /// The next line; nothing at the end. A line of a newer version is an error, and nothing of the file may be used.
    pub fn read(&mut self) -> Result<Option<Result<SnapshotLink<'_>, BrokenLine>>, SnapshotError> {
        let line = match self.lines.read() {
            Ok(Some(Line::Whole(line))) => line,
            Ok(Some(Line::TooLong)) => return Ok(Some(Err(BrokenLine))),
            Ok(None) => return Ok(None),
            Err(error) => return Err(SnapshotError::Io { path: self.path.clone(), what: "read", error }),
        };
        if let Some(version) = newer_version(line) {
            return Err(SnapshotError::NewerVersion { path: self.path.clone(), version });
        }
        Ok(Some(Record::parse(line).and_then(link).ok_or(BrokenLine)))
    }

    /// Reads to the end, and looks at nothing but versions.
    pub(super) fn check_versions(mut self) -> Result<(), SnapshotError> {
        loop {
            let version = match self.lines.read() {
                Ok(Some(Line::Whole(line))) => newer_version(line),
                Ok(Some(Line::TooLong)) => None,
                Ok(None) => return Ok(()),
                Err(error) => return Err(SnapshotError::Io { path: self.path, what: "read", error }),
            };
            if let Some(version) = version {
                return Err(SnapshotError::NewerVersion { path: self.path, version });
            }
        }
    }
}

fn link(record: Record<'_>) -> Option<SnapshotLink<'_>> {
    let Record { kind, id, url, project, resolved_at, scope, .. } = record;
    let item = match kind {
        KindName::Interaction => Item::interaction(&id),
        KindName::Conversation => Item::conversation(id),
    };
    let resolved_at: jiff::Timestamp = resolved_at.parse().ok()?;
    Some(SnapshotLink {
        item: item.ok()?,
        url,
        project,
        resolved_at: Timestamp::from_millis(u64::try_from(resolved_at.as_millisecond()).ok()?),
        only_its_project: scope.is_some(),
    })
}
