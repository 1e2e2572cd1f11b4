//! The call that only checks a key.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;

use super::answer::{BodyError, StatusMeaning, read_body};
use super::api::{JSON, NebulyApi};
use super::listing::MAX_LISTING_BODY;
use super::unreachable::{Unreachable, UnreachableCause};
use crate::domain::{CallFailure, Cause, Kind};
use crate::nebuly::key::ApiKey;
use crate::nebuly::metrics::CallResult;

/// The outcome of checking a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    /// Nebuly accepts the key.
    Valid,
    /// Nebuly rejects it, with this status.
    Rejected(u16),
    /// There is no key to check: its file has none.
    NoKey,
    /// Another API than Nebuly's answers: `api_base_url` is wrong.
    WrongAddress(u16),
    /// There was no answer.
    Unreachable(Unreachable),
    /// The answer says nothing of the key.
    Failed(CallFailure),
}

impl NebulyApi {
    /// Checks a key with the smallest listing: the interactions of the last minute, one at most.
    pub(in crate::nebuly) async fn check_key(&self, key: &ApiKey, timeout: Duration) -> KeyCheck {
        let failed = |cause, status| KeyCheck::Failed(CallFailure { cause, status });
        let now = Timestamp::now();
        let start = now.checked_sub(Duration::from_secs(60)).unwrap_or(now);
        let question = json!({
            "time_range": { "start": format!("{start:.3}"), "end": format!("{now:.3}") },
            "filters": [],
            "limit": 1,
            "offset": 0,
        });
        let Ok(url) = self.endpoint.listing(Kind::Interaction) else { return failed(Cause::Internal, None) };
        let request = self
            .http
            .post(url.clone())
            .header(AUTHORIZATION, key.authorization().clone())
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .body(question.to_string());
        let answered = tokio::time::timeout(timeout, async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            match read_body(response, MAX_LISTING_BODY).await {
                Err(BodyError::Broken(error)) => Err(error),
                Err(BodyError::TooLarge) => Ok((status, None)),
                Ok(body) => Ok((status, Some(body))),
            }
        });
        let (status, body) = match answered.await {
            Err(_elapsed) => {
                let stuck = self.network_path.timed_out(&url, UnreachableCause::AnswerTimeout(timeout)).await;
                return KeyCheck::Unreachable(stuck);
            }
            Ok(Err(error)) => return KeyCheck::Unreachable(self.network_path.diagnose(&url, &error).await),
            Ok(Ok(answer)) => answer,
        };
        let is_json = body.is_some_and(|body| serde_json::from_slice::<IgnoredAny>(&body).is_ok());
        match (status, &self.network_path.proxy) {
            (200, _) if is_json => KeyCheck::Valid,
            (401 | 403, _) => KeyCheck::Rejected(status),
            // Without TLS there is no tunnel: the proxy answers in place of Nebuly.
            (407, Some(proxy)) => KeyCheck::Unreachable(Unreachable {
                peer: proxy.clone(),
                cause: UnreachableCause::ProxyCredentials,
            }),
            (200..=399 | 404 | 405, _) => KeyCheck::WrongAddress(status),
            // Nebuly says in JSON why it refuses a call; a page says that something else answers.
            (400..=499, _) if !is_json && !matches!(status, 407 | 429) => KeyCheck::WrongAddress(status),
            _ => {
                let cause = match StatusMeaning::of(status) {
                    StatusMeaning::Throttled => Cause::Overloaded { retry_after: None },
                    StatusMeaning::Outage | StatusMeaning::Failed => Cause::Unavailable,
                    _ => Cause::BadAnswer,
                };
                failed(cause, Some(status))
            }
        }
    }
}

impl KeyCheck {
    /// The result as metrics name it, if a call was made.
    pub(in crate::nebuly) fn result(&self) -> Option<CallResult> {
        match self {
            Self::NoKey => None,
            Self::Valid => Some(CallResult::Ok),
            Self::Rejected(_) => Some(CallResult::Rejected),
            Self::WrongAddress(_) => Some(CallResult::BadAnswer),
            Self::Unreachable(unreachable) if unreachable.cause.is_timeout() => Some(CallResult::Timeout),
            Self::Unreachable(_) => Some(CallResult::Failed),
            Self::Failed(failure) => Some(CallResult::of(failure.cause)),
        }
    }
}
