//! The answer to one request for links, which may come from anybody: read line by line, in bounded time and memory.

use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, timeout_at};

use crate::cli::resolve::answer::words;
use crate::http_client;
use crate::text::escaped;
use crate::web::LinkJson;

/// The media type of the links: one line of JSON for each.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The media type of a problem.
const PROBLEM_JSON: &str = "application/problem+json";

/// The longest line of a link that is read, in bytes. One that names many projects to choose from is long.
const MAX_LINE: usize = 1 << 20;

/// The longest body of a problem that is read, in bytes. nebulink's are far shorter.
const MAX_PROBLEM: usize = 64 * 1024;

/// The pause if a server that is busy says none.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest wait for the end behind the last link.
const END_TIME: Duration = Duration::from_secs(1);

/// The links of one request, as they come.
pub(super) struct Reply {
    response: Response,
    deadline: Instant,
    /// The bytes that have come and were not read as lines yet.
    received: BytesMut,
    /// How many of them were searched for a line end.
    searched: usize,
}

/// The reason why a request has no links, or not all of them. Its words are safe for a terminal.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The server takes fewer links at once.
    TooMany(String),
    /// The server has no time before the pause is over.
    Busy { pause: Duration, why: String },
    /// The answer did not come, or not whole.
    Broken { why: String, is_late: bool },
    /// It is not nebulink that answers, or it will never answer this.
    Refused(String),
}

impl Reply {
    /// Sends a request, and reads the head of the answer. All of it has to come within this time.
    pub(super) async fn to(request: RequestBuilder, time: Duration) -> Result<Self, RequestError> {
        let now = Instant::now();
        let deadline = now.checked_add(time).unwrap_or(now);
        let sent = timeout_at(deadline, request.send()).await.map_err(|_elapsed| RequestError::late())?;
        let response = sent.map_err(|error| RequestError::broken(&error))?;
        if response.status() == StatusCode::OK && media_type(response.headers()) == Some(NDJSON) {
            return Ok(Self { response, deadline, received: BytesMut::new(), searched: 0 });
        }
        // A problem that does not come whole is none.
        Err(timeout_at(deadline, rejection(response)).await.unwrap_or_else(|_elapsed| RequestError::late()))
    }

    /// The next link; `None` at the end. It has the form of a link, and nothing else is known of it.
    pub(super) async fn next(&mut self) -> Result<Option<LinkJson>, RequestError> {
        loop {
            if let Some(line) = self.line()? {
                let link = serde_json::from_slice(&line);
                return link
                    .map(Some)
                    .map_err(|_| RequestError::Refused("the server's answer is no link".to_owned()));
            }
            let chunk = timeout_at(self.deadline, self.response.chunk()).await;
            match chunk
                .map_err(|_elapsed| RequestError::late())?
                .map_err(|error| RequestError::broken(&error))?
            {
                Some(bytes) => self.received.extend_from_slice(&bytes),
                // A line without its end is not whole.
                None => return Ok(None),
            }
        }
    }

    /// Reads the end of the answer, behind the last link, so that the connection can serve another request. Whatever else
    /// comes does not matter.
    pub(super) async fn end(mut self) {
        let until = self.deadline.min(Instant::now() + END_TIME);
        drop(timeout_at(until, self.response.chunk()).await);
    }

    /// The next line that has come whole.
    fn line(&mut self) -> Result<Option<BytesMut>, RequestError> {
        let new = self.received.get(self.searched..).unwrap_or_default();
        if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            let line = self.received.split_to(self.searched + end + 1);
            self.searched = 0;
            return Ok(Some(line));
        }
        self.searched = self.received.len();
        if self.searched > MAX_LINE {
            return Err(RequestError::Refused(
                "a line of the server's answer is far too long for a link".to_owned(),
            ));
        }
        Ok(None)
    }
}

impl RequestError {
    fn late() -> Self {
        Self::Broken { why: "no answer in time".to_owned(), is_late: true }
    }

    /// The cause of a failed request, without the URL. The innermost cause is the most precise.
    fn broken(error: &reqwest::Error) -> Self {
        let what = if error.is_connect() { "no connection" } else { "no answer" };
        let innermost = http_client::causes(error).last();
        let why = innermost
            .map_or_else(|| what.to_owned(), |cause| format!("{what}: {}", escaped(&cause.to_string())));
        Self::Broken { why, is_late: false }
    }
}

/// Says why an answer is not the links.
async fn rejection(response: Response) -> RequestError {
    let (status, pause) = (response.status(), pause(response.headers()));
    let problem = problem(response).await;
    let has_problem = problem.is_some();
    let why = problem.unwrap_or_else(|| {
        format!(
            "the server answered {}, and not as nebulink does: is its address right, or does a login stand before it?",
            status.as_u16()
        )
    });
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => RequestError::TooMany(why),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => RequestError::Busy { pause, why },
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            RequestError::Broken { why, is_late: false }
        }
        StatusCode::UNAUTHORIZED if has_problem => {
            RequestError::Refused(format!("{why} --token-file names a file with one."))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => RequestError::Refused(format!(
            "the server has no /api/v1/links (it answered {}): is its address right, with its base path, and is it a \
             nebulink that has an API?",
            status.as_u16()
        )),
        _ => RequestError::Refused(why),
    }
}

/// Title and detail of a problem (RFC 9457), if the answer is one.
async fn problem(mut response: Response) -> Option<String> {
    if media_type(response.headers()) != Some(PROBLEM_JSON) {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_PROBLEM {
            return None;
        }
    }
    serde_json::from_slice(&body).ok().as_ref().map(words)
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(PAUSE, |seconds: u32| Duration::from_secs(seconds.max(1).into()))
}
