//! A client of a running nebulink.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client};
use serde::Serialize;
use url::Url;

use super::reply::{NDJSON, Reply, RequestError};
use crate::cli::resolve::ids::RequestedId;
use crate::files::{self, FilePath, SmallFile};
use crate::http_client;

/// The most ids of a request: a server takes so many, unless its `limits.batch` is another.
const MAX_BATCH: usize = 1000;

/// The longest that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest file with a token, in bytes.
const MAX_TOKEN_FILE: u64 = 8 * 1024;

/// The URL of `--server` is not valid. It is not shown: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--server has to begin with http:// or https:// and a host, without user, query or fragment")]
pub(in crate::cli::resolve) struct InvalidServer;

/// The options of a [`NebulinkClient`].
pub(in crate::cli::resolve) struct ServerOptions<'a> {
    /// Certificates in a file (PEM) that replace the public roots.
    pub(in crate::cli::resolve) authorities: Option<&'a Path>,
    /// The file of an API token.
    pub(in crate::cli::resolve) token_file: Option<&'a Path>,
    /// The longest that one answer may take, from connecting to the last byte.
    pub(in crate::cli::resolve) timeout: Duration,
}

/// A client of a running nebulink.
pub(in crate::cli::resolve) struct NebulinkClient {
    http: Client,
    url: String,
    timeout: Duration,
    max_batch: Cell<usize>,
}

/// The body of a request.
#[derive(Serialize)]
struct AskedLinks<'a> {
    links: Vec<AskedLink<'a>>,
}

#[derive(Serialize)]
struct AskedLink<'a> {
    kind: &'static str,
    id: &'a str,
}

/// Checks the URL of a nebulink. Its base path stays, but not a slash at the end.
pub(in crate::cli::resolve) fn base(text: &str) -> Result<String, InvalidServer> {
    let url = Url::parse(text).map_err(|_| InvalidServer)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(InvalidServer) }
}

impl NebulinkClient {
    /// A client of the nebulink below this address. It follows no redirect, and uses no proxy.
    pub(in crate::cli::resolve) fn new(base: &str, options: &ServerOptions<'_>) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(NDJSON)),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        headers.extend(options.token_file.map(bearer).transpose()?.map(|token| (AUTHORIZATION, token)));
        let http = http_client::builder(certificates(options.authorities)?, CONNECT_TIMEOUT)
            .default_headers(headers)
            .build()
            .context("the HTTP client could not be set up")?;
        Ok(Self {
            http,
            url: format!("{base}/api/v1/links"),
            timeout: options.timeout,
            max_batch: Cell::new(MAX_BATCH),
        })
    }

    /// The address that is asked. It holds no user, query or token.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The most ids of a request, as far as the server has shown.
    pub(super) fn max_batch(&self) -> usize {
        self.max_batch.get()
    }

    /// The server takes no more than this many.
    pub(super) fn lower_max_batch(&self, max: usize) {
        self.max_batch.set(self.max_batch.get().min(max));
    }

    /// Asks for the links of these ids.
    pub(super) async fn ask(&self, ids: impl Iterator<Item = &RequestedId>) -> Result<Reply, RequestError> {
        let links = ids.map(|id| AskedLink { kind: id.kind.as_str(), id: &id.text }).collect();
        // Texts always make JSON.
        let body = serde_json::to_vec(&AskedLinks { links }).unwrap_or_default();
        Reply::to(self.http.post(&self.url).body(body), self.timeout).await
    }
}

/// Reads an API token.
fn bearer(path: &Path) -> anyhow::Result<HeaderValue> {
    let path = FilePath::new(path);
    let content = SmallFile::or_pipe(path.clone(), MAX_TOKEN_FILE).begin().wait();
    let content = content.with_context(|| format!("--token-file {path} cannot be read"))?;
    let token = content.trim_ascii();
    let unusable = || anyhow::anyhow!("--token-file {path} has to hold one API token and nothing else");
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(unusable());
    }
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| unusable())?;
    header.set_sensitive(true);
    Ok(header)
}

fn certificates(file: Option<&Path>) -> anyhow::Result<Vec<Certificate>> {
    let Some(path) = file else { return Ok(http_client::public_authorities()) };
    let file = SmallFile::new(FilePath::known(path), files::MAX_LEN);
    let pem = file.begin().wait().with_context(|| format!("--ca-file {} cannot be read", path.display()))?;
    http_client::authorities(&pem)
        .with_context(|| format!("--ca-file {} holds no usable certificate in PEM", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::NamedTempFile;

    use super::*;

    #[test]
    fn a_base_path_stays_whether_or_not_a_slash_ends_it() {
        for (text, expected) in [
            ("https://go.example", "https://go.example"),
            ("https://go.example/", "https://go.example"),
            ("http://go.example:8080/nebuly/links/", "http://go.example:8080/nebuly/links"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(base(text).as_deref(), Ok(expected));
        }
        for text in [
            "",
            "go.example",
            "go.example:8080",
            "ftp://go.example",
            "https://user:secret@go.example",
            "https://go.example?x",
            "https://go.example#x",
            "unix:/run/nebulink",
        ] {
            assert_eq!(base(text), Err(InvalidServer), "{text}");
        }
    }

    #[test]
    fn a_file_holds_one_token() {
        let header = |content: &[u8]| {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(content).unwrap();
            bearer(file.path()).ok()
        };
        for content in [&b"canary-token"[..], b"canary-token\n", b"  canary-token\r\n\n"] {
            let header = header(content).unwrap();
            assert_eq!(header.as_bytes(), b"Bearer canary-token");
            assert!(header.is_sensitive());
        }
        for content in [&b""[..], b"\n", b"two tokens", b"name = token", b"\xff", b"a\0b", &[b'x'; 9000]] {
            assert!(header(content).is_none(), "{content:?}");
        }
    }
}
