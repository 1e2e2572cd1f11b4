//! A Nebuly API key.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// A key that can be sent, and is never shown.
#[derive(Clone)]
pub struct ApiKey {
    secret: SecretString,
    /// `Bearer …`, made once and marked sensitive, so that no client prints it.
    authorization: HeaderValue,
}

/// The text is no key. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 1 to 4096 visible ASCII characters")]
pub struct InvalidKey;

/// Why the content of a file is no key. It says nothing of the content.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    /// It has nothing but white space.
    #[error("it is empty")]
    Empty,
    /// It holds something else.
    #[error("it holds no key: {0}")]
    Malformed(InvalidKey),
}

impl ApiKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Takes a key. White space around it, such as a file's last line end, is dropped.
    pub fn new(secret: &SecretString) -> Result<Self, InvalidKey> {
        let text = secret.expose_secret().trim();
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(InvalidKey);
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| InvalidKey)?;
        authorization.set_sensitive(true);
        Ok(Self { secret: SecretString::from(text), authorization })
    }

    /// Takes the key that a file holds.
    pub(super) fn from_file(content: Vec<u8>) -> Result<Self, KeyFileError> {
        if content.trim_ascii().is_empty() {
            return Err(KeyFileError::Empty);
        }
        let text = String::from_utf8(content).map_err(|_| KeyFileError::Malformed(InvalidKey))?;
        Self::new(&SecretString::from(text)).map_err(KeyFileError::Malformed)
    }

    /// The value of the header `Authorization`.
    #[must_use]
    pub const fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// Returns true if a text contains it.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        text.contains(self.secret.expose_secret())
    }
}

/// Compared with our own keys only, so the time that it takes tells nobody anything.
impl PartialEq for ApiKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for ApiKey {}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_key_is_dropped_and_within_it_refused() {
        let key = ApiKey::new(&SecretString::from(" nk-1\n")).unwrap();
        assert_eq!(key.authorization(), "Bearer nk-1");
        assert!(key.is_in("https://x/?key=nk-1&y"));
        for text in ["", " \n", "a b", "a\nb", "ü", &"x".repeat(4097)] {
            assert_eq!(ApiKey::new(&SecretString::from(text)).err(), Some(InvalidKey));
        }
    }

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
            assert_eq!(format!("{:?}", ApiKey::from_file(content.to_vec())), expected);
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = ApiKey::new(&SecretString::from("canary-key")).unwrap();
        assert!(!format!("{key:?} {:?}", key.authorization()).contains("canary"));
    }
}
