//! Looks links up at a running nebulink, through the same paths that people use.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::{HeaderName, StatusCode};
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;
use url::Url;

use super::ids::{KindArgument, complain_of, well_formed};
use crate::cli::output::complain;
use crate::domain::TargetUrl;
use crate::files::{self, FilePath, SmallFile};
use crate::http_client;
use crate::text::percent_encoded;

/// The most requests in flight: saves round trips, and is far below the calls that one caller may hold.
const MAX_IN_FLIGHT: usize = 8;

/// After this many ids in a row without any answer the rest is skipped: each would take as long as its timeout.
const MAX_UNANSWERED: usize = 2 * MAX_IN_FLIGHT;

/// The longest that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest body of a problem that is read, in bytes. nebulink's are far shorter.
const MAX_BODY: usize = 64 * 1024;

/// The most characters of a problem that are shown.
const MAX_SHOWN: usize = 600;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The URL of `--server` is not valid. It is not shown: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--server has to begin with http:// or https:// and a host, without user, query or fragment")]
pub(super) struct InvalidServer;

/// A client of a running nebulink.
pub(super) struct NebulinkClient {
    http: Client,
    /// Without a trailing slash.
    base: String,
    /// The longest that one answer may take, from connecting to the last byte.
    timeout: Duration,
}

/// An id has no URL.
enum LookupFailure {
    /// The server answered with this.
    Answered(String),
    /// The server did not answer.
    NoAnswer(String),
}

/// The body of a problem (RFC 9457), as far as it is shown.
#[derive(Deserialize)]
struct ProblemBody {
    title: String,
    #[serde(default)]
    detail: String,
}

/// Checks the URL of a nebulink. Its base path stays, but not a slash at the end.
pub(super) fn base(text: &str) -> Result<String, InvalidServer> {
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
    /// Certificates in a file (PEM) replace the public roots. No redirect is followed, and no proxy used.
    pub(super) fn new(base: String, authorities: Option<&Path>, timeout: Duration) -> anyhow::Result<Self> {
        let http = http_client::builder(certificates(authorities)?, CONNECT_TIMEOUT)
            .build()
            .context("the HTTP client could not be set up")?;
        Ok(Self { http, base, timeout })
    }

    /// Prints the URL of each id, in their order, as they come. Returns true if all were found.
    pub(super) async fn print(
        &self,
        kind: KindArgument,
        ids: &[String],
        output: &mut impl Write,
    ) -> io::Result<bool> {
        let answers = stream::iter(ids).map(async |id| (id, self.ask(kind, id).await));
        let mut answers = std::pin::pin!(answers.buffered(MAX_IN_FLIGHT));
        let (mut all, mut answered, mut silent) = (true, 0, 0);
        while let Some((id, answer)) = answers.next().await {
            answered += 1;
            silent = if matches!(answer, Err(LookupFailure::NoAnswer(_))) { silent + 1 } else { 0 };
            match answer {
                Ok(url) => writeln!(output, "{}", url.as_str())?,
                Err(LookupFailure::Answered(why) | LookupFailure::NoAnswer(why)) => {
                    all = false;
                    complain_of(id, &why);
                }
            }
            if silent == MAX_UNANSWERED && answered < ids.len() {
                complain(&format!(
                    "the server does not answer; the last {} ids were given up",
                    ids.len() - answered
                ));
                break;
            }
        }
        Ok(all)
    }

    async fn ask(&self, kind: KindArgument, id: &str) -> Result<TargetUrl, LookupFailure> {
        // The id is in the query, since proxies change paths.
        let url = format!("{}/go/{}?id={}", self.base, kind.kind().as_str(), percent_encoded(id));
        let call = async {
            let request = self.http.get(url).header(ACCEPT, PROBLEM_JSON);
            match request.send().await {
                Ok(response) => read(response).await,
                Err(error) => Err(LookupFailure::NoAnswer(cause(&error))),
            }
        };
        let answered = tokio::time::timeout(self.timeout, call).await;
        answered.unwrap_or_else(|_elapsed| Err(LookupFailure::NoAnswer("no answer in time".to_owned())))
    }
}

fn certificates(file: Option<&Path>) -> anyhow::Result<Vec<Certificate>> {
    let Some(path) = file else { return Ok(http_client::public_authorities()) };
    let file = SmallFile::new(FilePath::known(path), files::MAX_LEN);
    let pem = file.begin().wait().with_context(|| format!("--ca-file {} cannot be read", path.display()))?;
    http_client::authorities(&pem)
        .with_context(|| format!("--ca-file {} holds no usable certificate in PEM", path.display()))
}

async fn read(response: Response) -> Result<TargetUrl, LookupFailure> {
    let status = response.status();
    let headers = response.headers();
    if status == StatusCode::FOUND && is_of_nebulink(headers) {
        let mut locations = headers.get_all(LOCATION).iter();
        let location = match (locations.next(), locations.next()) {
            (Some(location), None) => location.to_str().ok().and_then(well_formed),
            _ => None,
        };
        return location
            .ok_or_else(|| LookupFailure::Answered("the server's location is not a usable URL".to_owned()));
    }
    let is_problem = status.as_u16() >= 400
        && headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(PROBLEM_JSON.as_bytes()));
    let problem = if is_problem { problem(response).await } else { None };
    Err(LookupFailure::Answered(problem.unwrap_or_else(|| {
        format!("the server answered {}, and not as nebulink does: is its address right, or does a login stand before it?", status.as_u16())
    })))
}

/// Returns true if a redirect is nebulink's: a login in front of the server redirects as well.
fn is_of_nebulink(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_STATUS).iter().filter_map(|line| line.to_str().ok());
    let mut caches = lines.flat_map(|line| line.split(','));
    caches.any(|cache| cache.split(';').next().is_some_and(|name| name.trim() == "nebulink"))
}

async fn problem(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return None;
        }
    }
    let ProblemBody { title, detail } = serde_json::from_slice(&body).ok()?;
    let words = if detail.is_empty() { title } else { format!("{title}: {detail}") };
    Some(printable(&words))
}

/// Escapes text from outside, so that it cannot control a terminal.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        if char == ' ' || char.is_ascii_graphic() {
            shown.push(char);
        } else {
            shown.extend(char.escape_default());
        }
    }
    // It is ASCII by now, so this cannot cut a character.
    shown.truncate(MAX_SHOWN);
    shown
}

/// The cause of a failed request, without the URL, which has the id. The innermost cause is the most precise.
fn cause(error: &reqwest::Error) -> String {
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    let innermost = http_client::causes(error).last();
    innermost.map_or_else(|| what.to_owned(), |cause| format!("{what}: {}", printable(&cause.to_string())))
}

#[cfg(test)]
mod tests {
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
    fn only_a_redirect_that_nebulink_marked_is_one() {
        for (value, expected) in [
            ("nebulink; hit", true),
            ("nebulink", true),
            ("nebulink; fwd=miss; fwd-status=200; stored, proxy; fwd=miss", true),
            ("proxy; hit", false),
            ("nebulinks; hit", false),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_STATUS, HeaderValue::from_static(value))]);
            assert_eq!(is_of_nebulink(&headers), expected, "{value}");
        }
        assert!(!is_of_nebulink(&HeaderMap::new()));
    }

    #[test]
    fn text_from_outside_cannot_control_a_terminal() {
        assert_eq!(printable("it is \"a\"\u{1b}[31m\u{202e}\n"), "it is \"a\"\\u{1b}[31m\\u{202e}\\n");
        assert_eq!(printable(&"x".repeat(10_000)).len(), MAX_SHOWN);
    }
}
