//! The file that a key is in.

use std::io;

use secrecy::SecretString;

use super::api_key::{ApiKey, InvalidKey};

/// The longest file, in bytes: a key, and white space around it.
pub(in crate::nebuly) const MAX_LEN: u64 = 8 * 1024;

/// Why a file gives no key. It says nothing of the content.
#[derive(Debug, thiserror::Error)]
pub(in crate::nebuly) enum KeyFileProblem {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// It has nothing but white space.
    #[error("it is empty")]
    Empty,
    /// It holds something else.
    #[error("it holds no key: {0}")]
    Malformed(InvalidKey),
}

/// The key in what was read of a file.
pub(in crate::nebuly) fn parse(content: io::Result<Vec<u8>>) -> Result<ApiKey, KeyFileProblem> {
    let content = content.map_err(KeyFileProblem::Unreadable)?;
    if content.trim_ascii().is_empty() {
        return Err(KeyFileProblem::Empty);
    }
    let text = String::from_utf8(content).map_err(|_| KeyFileProblem::Malformed(InvalidKey))?;
    ApiKey::new(&SecretString::from(text)).map_err(KeyFileProblem::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_key_or_says_why_not_without_showing_it() {
        for (content, expected) in [
            (&b"nk-canary\n"[..], "Ok(ApiKey([redacted]))"),
            (b" \n\n", "Err(Empty)"),
            (b"", "Err(Empty)"),
            (b"nk-canary second", "Err(Malformed(InvalidKey))"),
            (b"nk-canary\xff", "Err(Malformed(InvalidKey))"),
            (&[b'x'; 5_000], "Err(Malformed(InvalidKey))"),
        ] {
            assert_eq!(format!("{:?}", parse(Ok(content.to_vec()))), expected);
        }
        let unreadable = parse(Err(io::ErrorKind::TimedOut.into())).unwrap_err();
        assert_eq!(unreadable.to_string(), "it cannot be read: timed out");
    }
}
