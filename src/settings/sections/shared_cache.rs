//! `[shared_cache]`: Redis or Valkey.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::files::FilePath;
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::urls;
use crate::settings::value::{Parsed, content, of_text, path, positive, printable, readable_file};

/// The longest content of `url_file`, in bytes.
const MAX_URL_FILE: u64 = 8 * 1024;

/// The longest prefix of a key, in bytes.
const MAX_PREFIX_LEN: usize = 128;

/// Redis or Valkey.
#[derive(Debug, Clone)]
pub struct SharedCacheSettings {
    /// `redis://` or `rediss://`, from `url`, or read from `url_file`. May hold a user and a password.
    pub url: Option<SecretString>,
    /// PEM file of certificate authorities that replace the public ones; it could be read at start.
    pub ca_file: Option<FilePath>,
    /// The longest time that a request waits for the shared cache.
    pub timeout: Duration,
    /// The prefix of its keys: at most 128 printable characters.
    pub key_prefix: String,
}

impl SharedCacheSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        let mut url = reader.read_secret_url("shared_cache.url", urls::redis)?;
        if let Some(path) = reader.read_path("shared_cache.url_file", path)? {
            if url.is_some() {
                reader.refuse(&["shared_cache.url"], "set beside shared_cache.url_file: keep one of the two");
            }
            match url_in(&path) {
                Ok(in_file) => url = Some(in_file),
                Err(message) => reader.refuse(&["shared_cache.url_file"], message),
            }
        }
        Ok(Self {
            url: url.map(|url| String::from(url).into()),
            ca_file: reader.read_path("shared_cache.ca_file", readable_file)?,
            timeout: reader.read("shared_cache.timeout", positive())?,
            key_prefix: reader.read("shared_cache.key_prefix", of_text(printable(0..=MAX_PREFIX_LEN)))?,
        })
    }
}

/// Reads the URL that a file holds.
fn url_in(path: &FilePath) -> Parsed<Url> {
    let bytes = content(path, MAX_URL_FILE)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the file's content is not UTF-8")?;
    urls::redis(text.trim()).map_err(|message| format!("the file's content: {message}").into())
}
