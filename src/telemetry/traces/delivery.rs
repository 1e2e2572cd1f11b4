//! Sends a batch to the collector, with retries.

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

use crate::http_client::{self, with_causes};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The first pause before another attempt; it doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest that connecting to the collector may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest response that is read, in bytes; a longer one is ignored.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The longest wait for its body: less than the shutdown waits, since the status says that the spans have arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Certificate authorities from a file of the operator.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The variable that names their file.
    pub variable: &'static str,
    /// Its contents.
    pub pem: Vec<u8>,
}

/// Traces cannot be sent with these options.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The file of certificate authorities holds none.
    #[error("the file of {variable} holds no usable certificate in PEM")]
    CertificateAuthorities {
        /// The variable that names it.
        variable: &'static str,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client for traces could not be set up")]
    Client(#[source] reqwest::Error),
    /// Its runtime could not be set up.
    #[error("the runtime for traces could not be set up")]
    Runtime(#[source] std::io::Error),
}

/// The connection to the collector.
pub(super) struct Delivery {
    http: Client,
    endpoint: Url,
    headers: HeaderMap,
    timeout: Duration,
}

/// An attempt failed.
struct DeliveryError {
    reason: String,
    is_retryable: bool,
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

    /// Delivers a batch, and returns the number of spans that the collector rejected.
    ///
    /// Retries within the timeout, with backoff and jitter. When the program ends, the pause is cut short and one last
    /// attempt made.
    pub(super) async fn deliver(&self, body: Bytes, shutdown: &CancellationToken) -> Result<u64, String> {
        let mut last = None;
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let is_last = shutdown.is_cancelled();
                let asked_for = match self.post(body.clone()).await {
                    Ok(response) => return Ok(response),
                    Err(failed) if !failed.is_retryable || is_last => return Err(failed.reason),
                    Err(failed) => {
                        last = Some(failed.reason);
                        failed.retry_after.unwrap_or_default()
                    }
                };
                let own = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                tokio::select! {
                    () = tokio::time::sleep(own.max(asked_for)) => {}
                    () = shutdown.cancelled() => {}
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

    /// Makes one attempt, up to the head of a successful response.
    async fn post(&self, body: Bytes) -> Result<Response, DeliveryError> {
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| DeliveryError {
            reason: with_causes("the request failed", &error),
            is_retryable: true,
            retry_after: None,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(DeliveryError {
            reason: format!("status {}", status.as_u16()),
            is_retryable: matches!(
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

/// The pause that a response asks for, in seconds, as OTLP has it. A date is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Reads the number of rejected spans from the response to a batch that was otherwise accepted.
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
