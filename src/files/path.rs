//! The path of a file, which is shown only if it looks like one.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::text::escaped;

/// Stands for a text that may be a secret.
const NOT_SHOWN: &str = "(not shown, as it does not look like a path)";

/// Names of files are rarely this long without a dot, a hyphen or an underscore; keys in base64 are.
const MIN_BASE64: usize = 16;

/// The path of a file that a setting names. `Display` and `Debug` show it only if it looks like a path, so that a key or
/// a URL that was put in its place is shown nowhere. What is shown is escaped and cut to fit a line.
///
/// Of a text alone, one that begins with `/`, `./` or `../` looks like a path, unless it has the form of a URL or of a key
/// in base64. Other relative paths cannot be told from keys: they are shown once a file has been read there.
#[derive(Clone, PartialEq, Eq)]
pub struct FilePath {
    path: PathBuf,
    is_known: bool,
}

impl FilePath {
    /// A path of which nothing is known but its text.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), is_known: false }
    }

    /// A path that cannot be a secret: a file has been read there, or it is an argument, which all users of a machine see.
    pub fn known(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), is_known: true }
    }

    /// The path itself, to open it. Not to be shown.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

impl<P: Into<PathBuf>> From<P> for FilePath {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.path.to_string_lossy();
        if !self.is_known && !looks_like_a_path(&text) {
            return formatter.write_str(NOT_SHOWN);
        }
        formatter.write_str(&escaped(&text))
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}

fn looks_like_a_path(text: &str) -> bool {
    let is_rooted = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
    // A URL may have lost its scheme.
    let is_url = text.contains("://") || text.starts_with("//");
    is_rooted && !is_url && !text.split('/').any(looks_like_base64)
}

/// Returns true if a part of a path is more likely one of a key: base64 has slashes too, and may begin with one.
fn looks_like_base64(part: &str) -> bool {
    let has = |class: fn(&u8) -> bool| part.bytes().any(|byte| class(&byte));
    part.len() >= MIN_BASE64
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'='))
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_and_what_may_be_a_secret_is_not() {
        for path in [
            "/run/secrets/nebuly/api-key",
            "./key",
            "../links.jsonl",
            "/var/lib/kubelet/pods/0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e/volumes/key",
            "/nix/store/0c5ya1mxxrzvqf2gh3z1kcnqzqhdxg4b-config/nebulink.toml",
            "/run/credentials/nebulink@1.service/key",
            "/",
        ] {
            assert_eq!(FilePath::new(path).to_string(), path);
            assert_eq!(format!("{:?}", FilePath::new(path)), format!("{path:?}"));
        }
        for secret in [
            "nk-canary-4f1d2c3b",
            "canary",
            "canary.pem",
            "redis://:canary@cache:6379/0",
            "/redis://:canary@cache:6379/0",
            "//:canary@cache:6379/0",
            "./redis://:canary@cache",
            "/9canaryQSkZJRgABAQ/AYABg",
            "/a+canary/AYABgQSkZJRgABAQ9=",
            "eyJcanary.eyJzdWIiOiIx.c2ln/x",
            "",
        ] {
            for shown in [FilePath::new(secret).to_string(), format!("{:?}", FilePath::new(secret))] {
                assert!(shown.contains("not shown") && !shown.contains("canary"), "{secret}: {shown}");
            }
        }
    }

    #[test]
    fn a_relative_path_is_shown_once_it_is_known() {
        assert_eq!(FilePath::known("nebulink.toml").to_string(), "nebulink.toml");
    }

    #[test]
    fn what_is_shown_moves_no_terminal_and_fits_a_line() {
        assert_eq!(FilePath::new("/a\u{1b}[2J\nb").to_string(), "/a\\u{1b}[2J\\nb");
        let long = FilePath::new(format!("/{}", "x-".repeat(5_000))).to_string();
        assert!(long.len() < 300 && long.ends_with("..."), "{long}");
    }
}
