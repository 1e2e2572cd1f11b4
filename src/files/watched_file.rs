//! A small file that is read again and again, since its content may change while the program runs.

use std::fmt;
use std::io;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{FilePath, PendingRead, SmallFile};

/// Time between two readings of a watched file: a new key is to be in use within ten seconds.
pub const RELOAD_PERIOD: Duration = Duration::from_secs(5);

/// A small file whose content means a value, and what its last reading showed.
///
/// Contents are compared, not times of change: a mounted Secret changes by another link under the same name. The content
/// itself is not kept. Whoever reads such a file keeps the last valid value when a later reading gives none.
pub struct WatchedFile<T, E> {
    file: SmallFile,
    parse: fn(Vec<u8>) -> Result<T, E>,
    last: Option<LastReading>,
}

/// One reading of a watched file.
#[derive(Debug)]
pub struct Reload<T, E> {
    /// The value, or why there is none. `Ok(None)`: it is still that of the reading before, and is not parsed again.
    pub value: Result<Option<T>, WatchedFileError<E>>,
    /// The content differs from that of the reading before. Unreadable files do not differ.
    pub is_changed: bool,
    /// The reading before gave a value, or this is the first one.
    pub was_valid: bool,
}

/// Why a watched file gives no value. It says nothing of the content.
#[derive(Debug, thiserror::Error)]
pub enum WatchedFileError<E> {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// Its content has no value.
    #[error("{0}")]
    Invalid(E),
}

struct LastReading {
    /// `None` if the file could not be read.
    digest: Option<[u8; 32]>,
    is_valid: bool,
}

impl<T, E> WatchedFile<T, E> {
    /// A regular file of at most `max_len` bytes. It is not read yet, and need not exist.
    #[must_use]
    pub fn new(path: FilePath, max_len: u64, parse: fn(Vec<u8>) -> Result<T, E>) -> Self {
        Self { file: SmallFile::new(path, max_len), parse, last: None }
    }

    /// The path of the file.
    #[must_use]
    pub const fn path(&self) -> &FilePath {
        self.file.path()
    }

    /// Begins to read the file outside of tasks, such as at start: see [`SmallFile::begin`].
    #[must_use]
    pub fn begin(&self) -> PendingRead {
        self.file.begin()
    }

    /// Waits for a read that was begun: see [`PendingRead::wait`].
    pub fn finish(&mut self, read: PendingRead) -> Reload<T, E> {
        self.evaluate(read.wait())
    }

    /// Reads the file again: see [`SmallFile::read`].
    pub async fn reload(&mut self) -> Reload<T, E> {
        let content = self.file.read().await;
        self.evaluate(content)
    }

    fn evaluate(&mut self, content: io::Result<Vec<u8>>) -> Reload<T, E> {
        let digest = content.as_ref().ok().map(|content| Sha256::digest(content).into());
        let is_changed = self.last.as_ref().is_none_or(|last| last.digest != digest);
        let was_valid = self.last.as_ref().is_none_or(|last| last.is_valid);
        if !is_changed && was_valid {
            return Reload { value: Ok(None), is_changed, was_valid };
        }
        let value = match content {
            Ok(content) => (self.parse)(content).map(Some).map_err(WatchedFileError::Invalid),
            Err(error) => Err(WatchedFileError::Unreadable(error)),
        };
        self.last = Some(LastReading { digest, is_valid: value.is_ok() });
        Reload { value, is_changed, was_valid }
    }
}

impl<T, E> fmt::Debug for WatchedFile<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WatchedFile").field("path", self.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn parse(content: Vec<u8>) -> Result<u8, &'static str> {
        content.into_iter().next().ok_or("empty")
    }

    #[tokio::test]
    async fn each_reading_tells_what_the_file_holds_and_how_that_differs_from_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = WatchedFile::new((&path).into(), 10, parse);
        for (content, value, is_changed, was_valid) in [
            (None, None, true, true),
            (None, None, false, false),
            (Some("a"), Some(Some(b'a')), true, false),
            (Some("a"), Some(None), false, true),
            (Some("a "), Some(Some(b'a')), true, true),
            (Some(""), None, true, true),
            (Some(""), None, false, false),
            (Some("0123456789-"), None, true, false),
            (None, None, false, false),
            (Some("a "), Some(Some(b'a')), true, false),
        ] {
            match content {
                Some(content) => fs::write(&path, content).unwrap(),
                None => drop(fs::remove_file(&path)),
            }
            let reload = file.reload().await;
            assert_eq!(reload.value.ok(), value, "{content:?}");
            assert_eq!((reload.is_changed, reload.was_valid), (is_changed, was_valid), "{content:?}");
        }
    }

    #[test]
    fn a_file_without_a_value_says_why_and_shows_nothing_of_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = WatchedFile::new((&path).into(), 10, |_| Err::<(), _>("not valid"));
        fs::write(&path, "canary").unwrap();
        let pending = file.begin();
        let error = file.finish(pending).value.unwrap_err();
        assert_eq!(error.to_string(), "not valid");
        assert!(!format!("{error:?} {file:?}").contains("canary"));
        fs::write(&path, "canary-too-long").unwrap();
        let pending = file.begin();
        let error = file.finish(pending).value.unwrap_err();
        assert_eq!(error.to_string(), "it cannot be read: longer than 10 bytes");
    }
}
