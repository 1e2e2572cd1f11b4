//! The file that a key is in.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::SecretString;

use super::key::{ApiKey, InvalidKey};

/// The most that is read: a key, and white space around it.
const MAX_BYTES: u64 = 8 * 1024;

/// Why a file gives no key. Nothing of its content is said.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileProblem {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// It has nothing but white space.
    #[error("it is empty")]
    Empty,
    /// What it holds is no key.
    #[error("it holds no key: {0}")]
    Malformed(InvalidKey),
}

/// Reads a key. The path is walked anew each time, so that a mounted Secret, whose directory is exchanged by a symbolic
/// link, is seen as it is now.
pub(super) fn read(path: &Path) -> Result<ApiKey, KeyFileProblem> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    let text = SecretString::from(text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(KeyFileProblem::Malformed(InvalidKey))
        }
        Err(error) => Err(KeyFileProblem::Unreadable(error)),
        Ok(_) if is_blank(&text) => Err(KeyFileProblem::Empty),
        Ok(_) => ApiKey::new(&text).map_err(KeyFileProblem::Malformed),
    }
}

fn is_blank(text: &SecretString) -> bool {
    use secrecy::ExposeSecret as _;
    text.expose_secret().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_key_or_says_why_not_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(read(&path), Err(KeyFileProblem::Unreadable(_))));
        assert!(matches!(read(folder.path()), Err(KeyFileProblem::Unreadable(_))));
        for (content, expected) in [
            (&b"nk-canary\n"[..], "Ok(ApiKey([redacted]))"),
            (b" \n\n", "Err(Empty)"),
            (b"", "Err(Empty)"),
            (b"nk-canary second", "Err(Malformed(InvalidKey))"),
            (b"nk-canary\xff", "Err(Malformed(InvalidKey))"),
            (&[b'x'; 10_000], "Err(Malformed(InvalidKey))"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(format!("{:?}", read(&path)), expected);
        }
    }
}
