//! One request to the collector, tried again while that may help.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::{Certificate, Client, Response, redirect};
use url::Url;

use super::TracesError;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The first pause before another attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest time to reach the collector.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes; one that is longer is not looked at.
const LONGEST_ANSWER: usize = 64 * 1024;

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
}

impl Delivery {
    pub(super) fn new(
        endpoint: Url,
        mut headers: HeaderMap,
        certificate_authorities: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Self, TracesError> {
        headers.insert(CONTENT_TYPE, PROTOBUF);
        let authorities = match certificate_authorities {
            Some(pem) => Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty()),
            None => webpki_root_certs::TLS_SERVER_ROOT_CERTS
                .iter()
                .map(|certificate| Certificate::from_der(certificate))
                .collect::<Result<Vec<_>, _>>()
                .ok(),
        };
        let http = Client::builder()
            .user_agent(concat!("nebulink/", env!("CARGO_PKG_VERSION")))
            .tls_certs_only(authorities.ok_or(TracesError::CertificateAuthorities)?)
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| TracesError::Client(error.without_url()))?;
        Ok(Self { http, endpoint, headers, timeout })
    }

    /// Delivers a batch, and says how many spans of it the collector rejected.
    ///
    /// What may pass is tried again within the timeout, unless the program is about to end.
    pub(super) async fn deliver(&self, body: Bytes, is_ending: impl Fn() -> bool) -> Result<u64, String> {
        let mut last = None;
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.post(body.clone()).await {
                    Ok(rejected) => return Ok(rejected),
                    Err(failed) if !failed.may_pass || is_ending() => return Err(failed.reason),
                    Err(failed) => last = Some(failed.reason),
                }
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                pause *= 2;
            }
        };
        let delivered = tokio::time::timeout(self.timeout, attempts).await;
        delivered.unwrap_or_else(|_elapsed| Err(last.unwrap_or_else(|| "no answer in time".to_owned())))
    }

    async fn post(&self, body: Bytes) -> Result<u64, Failed> {
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone()).body(body);
        let response =
            request.send().await.map_err(|error| Failed { reason: chain(&error), may_pass: true })?;
        match response.status() {
            status if status.is_success() => Ok(rejected(response).await),
            status => Err(Failed {
                reason: format!("status {}", status.as_u16()),
                may_pass: matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                ),
            }),
        }
    }
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

/// An error with its causes, but without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_connect() { "no connection" } else { "the request failed" }.to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
