//! The path of a file.

use std::fmt;
use std::path::{Path, PathBuf};

/// The longest path that is shown whole, in characters.
const MAX_SHOWN: usize = 256;

/// The path of a file that a setting names. `Display` and `Debug` show it escaped and cut to fit a line.
#[derive(Clone, PartialEq, Eq)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// A path of which nothing is known but its text.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path itself, to open it. Not to be shown.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for FilePath {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string_lossy();
        for char in text.chars().take(MAX_SHOWN).flat_map(char::escape_debug) {
            fmt::Write::write_char(formatter, char)?;
        }
        if text.chars().nth(MAX_SHOWN).is_some() { formatter.write_str("...") } else { Ok(()) }
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_moves_no_terminal_and_fits_a_line() {
        assert_eq!(FilePath::new("/a\u{1b}[2J\nb").to_string(), "/a\\u{1b}[2J\\nb");
        let long = FilePath::new(format!("/{}", "x-".repeat(5_000))).to_string();
        assert!(long.len() < 300 && long.ends_with("..."), "{long}");
    }
}
