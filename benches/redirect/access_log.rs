//! The access log of a measured server: a file with a line for each redirect.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Far more than a server may keep a line to itself.
const WRITING_LIMIT: Duration = Duration::from_secs(2);

/// Between two looks into the file.
const PAUSE: Duration = Duration::from_millis(20);

/// The file; whoever starts the server removes it with its directory.
pub(crate) struct AccessLog(PathBuf);

impl AccessLog {
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self(directory.join("access.log"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Opens it for a server that writes to what it is given.
    pub(crate) fn open(&self) -> Result<File> {
        let file = File::options().create(true).append(true).open(&self.0);
        file.context("the access log cannot be written")
    }

    /// Empties it. The server goes on writing at its end.
    pub(crate) fn clear(&self) -> Result<()> {
        self.open()?.set_len(0).context("the access log cannot be emptied")
    }

    /// Waits until it has a line for each of these redirects. Returns how many lines do not come.
    pub(crate) fn missing_lines(&self, redirects: usize) -> Result<usize> {
        let begin = Instant::now();
        loop {
            let text = fs::read(&self.0).context("the access log cannot be read")?;
            let lines = text.split(|byte| *byte == b'\n').count() - 1;
            if lines >= redirects || begin.elapsed() > WRITING_LIMIT {
                return Ok(redirects.saturating_sub(lines));
            }
            thread::sleep(PAUSE);
        }
    }
}
