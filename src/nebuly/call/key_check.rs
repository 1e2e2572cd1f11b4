//! The call that only tries the key.

use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use jiff::Timestamp;

use super::answer::read_body;
use super::api::{JSON, cause_of};
use super::wire::{self, ListInteractions, TimeRange, Verdict};
use crate::domain::{CallFailure, Cause};
use crate::nebuly::client::Nebuly;
use crate::nebuly::metrics::CallResult;

/// What a call that only tries the key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Nebuly takes the key.
    Valid,
    /// Nebuly refuses it, with this status.
    Rejected(u16),
    /// There is no key to try: its file has none.
    NoKey,
    /// What answers is not Nebuly's API: `api_base_url` is wrong.
    WrongAddress(u16),
    /// Nothing is known: there was no answer of use.
    Failed(CallFailure),
}

impl Nebuly {
    /// Tries the key with the smallest listing: the interactions of the last minute, one at most. It passes the circuit
    /// and the calls in flight by, and changes nothing for them.
    pub async fn probe(&self) -> Probe {
        let began = Instant::now();
        let probe = self.try_key().await;
        let result = match probe {
            Probe::NoKey => return probe,
            Probe::Valid => CallResult::Ok,
            Probe::Rejected(_) => CallResult::Rejected,
            Probe::WrongAddress(_) => CallResult::BadAnswer,
            Probe::Failed(failure) => match failure.cause {
                Cause::Timeout => CallResult::Timeout,
                Cause::Overloaded { .. } => CallResult::Throttled,
                Cause::BadAnswer => CallResult::BadAnswer,
                _ => CallResult::Failed,
            },
        };
        self.get_interactions.ended(result, began.elapsed());
        probe
    }

    async fn try_key(&self) -> Probe {
        let failed = |cause, status| Probe::Failed(CallFailure { cause, status });
        let Some(key) = self.key.key() else { return Probe::NoKey };
        let now = Timestamp::now();
        let start = now.checked_sub(Duration::from_secs(60)).unwrap_or(now);
        let time_range = TimeRange { start: format!("{start:.3}"), end: format!("{now:.3}") };
        let question = ListInteractions { time_range, filters: &[], limit: 1, offset: 0 };
        let (Ok(url), Ok(body)) = (self.endpoint.get_interactions(), serde_json::to_vec(&question)) else {
            return failed(Cause::Internal, None);
        };
        let request = self
            .attempts
            .http
            .post(url)
            .header(AUTHORIZATION, key.authorization().clone())
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .body(body);
        let _in_flight = self.get_interactions.in_flight();
        let answered = tokio::time::timeout(self.attempt_timeout, async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let body = read_body(response).await;
            Ok::<_, reqwest::Error>((status, body))
        });
        match answered.await {
            Err(_elapsed) => failed(Cause::Timeout, None),
            Ok(Err(error)) => failed(cause_of(&error), None),
            Ok(Ok((200, Ok(body)))) if serde_json::from_slice::<serde_json::Value>(&body).is_ok() => {
                Probe::Valid
            }
            Ok(Ok((status @ (401 | 403), _))) => Probe::Rejected(status),
            Ok(Ok((status @ (200..=399 | 404 | 405), _))) => Probe::WrongAddress(status),
            Ok(Ok((status, _))) => {
                let cause = match wire::verdict(status) {
                    Verdict::Throttled => Cause::Overloaded { retry_after: None },
                    Verdict::Outage | Verdict::Failed => Cause::Unavailable,
                    Verdict::Found | Verdict::Absent | Verdict::KeyRefused | Verdict::Strange => {
                        Cause::BadAnswer
                    }
                };
                failed(cause, Some(status))
            }
        }
    }
}
