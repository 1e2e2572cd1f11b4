//! One request to the collector, tried again while that may help.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Authorities, TracesError};
use crate::http_client::{self, with_causes};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The first pause before another attempt; it doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest time to reach the collector.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes; one that is longer is not looked at.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long its body is waited for: less than the program's end waits, since the spans have arrived with its status.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Where batches go, and how.
pub(super) struct Delivery {
    http: Client,
    endpoint: Url,
    headers: HeaderMap,
    timeout: Duration,
}

/// Why an attempt failed.
struct Failed {
    reason: String,
    may_pass: bool,
    /// The pause that the collector asks for.
    retry_after: Option<Duration>,
}

impl Delivery {
    pub(super) fn new(
        endpoint: Url,
        mut headers: HeaderMap,
        certificate_authorities: Option<&Authorities>,
        timeout: Duration,
    ) -> Result<Self, TracesError> {
        headers.insert(CONTENT_TYPE, PROTOBUF);
        let authorities = match certificate_authorities {
            Some(Authorities { variable, pem }) => {
                http_client::authorities(pem).ok_or(TracesError::CertificateAuthorities { variable })?
            }
            None => http_client::public_authorities(),
        };
        let http = http_client::builder(authorities, CONNECT_TIMEOUT)
            .http1_only()
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| TracesError::Client(error.without_url()))?;
        Ok(Self { http, endpoint, headers, timeout })
    }

    /// Delivers a batch, and says how many spans of it the collector rejected.
    ///
    /// What may pass is tried again within the timeout. When the program ends, no pause is waited for any longer, and one
    /// attempt is the last.
    pub(super) async fn deliver(&self, body: Bytes, ending: &CancellationToken) -> Result<u64, String> {
        let mut last = None;
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let is_last = ending.is_cancelled();
                let asked_for = match self.post(body.clone()).await {
                    Ok(response) => return Ok(response),
                    Err(failed) if !failed.may_pass || is_last => return Err(failed.reason),
                    Err(failed) => {
                        last = Some(failed.reason);
                        failed.retry_after.unwrap_or_default()
                    }
                };
                let own = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                tokio::select! {
                    () = tokio::time::sleep(own.max(asked_for)) => {}
                    () = ending.cancelled() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        let deadline = Instant::now() + self.timeout;
        let delivered = timeout_at(deadline, attempts).await;
        let response = delivered
            .unwrap_or_else(|_elapsed| Err(last.unwrap_or_else(|| "no answer in time".to_owned())))?;
        Ok(timeout(BODY_TIMEOUT, rejected(response)).await.unwrap_or(0))
    }

    /// One attempt, up to the head of a good answer.
    async fn post(&self, body: Bytes) -> Result<Response, Failed> {
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| Failed {
            reason: with_causes("the request failed", &error),
            may_pass: true,
            retry_after: None,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(Failed {
            reason: format!("status {}", status.as_u16()),
            may_pass: matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            retry_after: retry_after(response.headers()),
        })
    }
}

/// The pause that an answer asks for, if it does so in seconds, which is what OTLP foresees.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// How many spans a collector rejects that took the others.
async fn rejected(mut response: Response) -> u64 {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return 0;
        }
        body.extend_from_slice(&chunk);
    }
    let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}
