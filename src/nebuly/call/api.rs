//! Nebuly's API over HTTP: makes one call, and returns its outcome.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Proxy, Response};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::answer::{BodyError, StatusMeaning, read_body};
use super::endpoint::Endpoint;
use super::unreachable::{NetworkPath, Peer};
use crate::domain::{AllowedHosts, Answer, CallFailure, Cause};
use crate::http_client;
use crate::nebuly::backoff::retry_after;
use crate::nebuly::circuit_breaker::Evidence;
use crate::nebuly::key::{ApiKey, ProjectKeys};
use crate::nebuly::metrics::CallResult;

/// The time for which an unused connection is kept. Below what servers and load balancers usually keep (60 s and more),
/// so that we close first and no call is written to a connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The number of unused connections that the client of a project keeps, beside those of calls in flight.
pub const POOL_MAX_IDLE: usize = 32;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The client cannot be built from these options.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `nebuly.ca_file` holds no certificate in PEM.
    #[error("nebuly.ca_file holds no usable certificate in PEM")]
    CertificateAuthorities,
    /// `nebuly.proxy` is no URL of a proxy. Its value is a secret, so it is not shown.
    #[error("nebuly.proxy is no URL of a proxy")]
    Proxy,
    /// The HTTP client could not be set up.
    #[error("the HTTP client for Nebuly could not be set up")]
    Http(#[source] reqwest::Error),
}

/// The API as one project calls it.
pub(in crate::nebuly) struct NebulyApi {
    pub(in crate::nebuly) http: Client,
    /// The network path that `http` takes.
    pub(in crate::nebuly) network_path: NetworkPath,
    pub(in crate::nebuly) endpoint: Endpoint,
    pub(in crate::nebuly) allowed_hosts: AllowedHosts,
    /// No URL may contain one of them.
    pub(in crate::nebuly) keys: Arc<ProjectKeys>,
}

/// A call for an item: its address, and how its answer is read.
pub(in crate::nebuly) struct ApiCall<'a, T> {
    pub(in crate::nebuly) url: Url,
    /// The JSON of a POST; without it the call is a GET.
    pub(in crate::nebuly) question: Option<String>,
    /// The longest body that is read, in bytes.
    pub(in crate::nebuly) max_body: usize,
    /// Takes the answer out of the body of a 200. The error says why it was refused, and nothing of its content.
    pub(in crate::nebuly) accept: &'a (dyn Fn(&[u8]) -> Result<T, &'static str> + Sync),
}

/// The outcome of one call.
pub(in crate::nebuly) enum CallOutcome<T> {
    /// An answer about the item.
    Answered(Answer<T>),
    /// 401.
    KeyRejected,
    /// 429, with the pause that it asks for, if it does.
    Throttled(Option<Duration>),
    /// No connection, a reset, a timeout, 502, 503 or 504: it may pass.
    Retryable(CallError),
    /// Any other answer: it would be the same again.
    NonRetryable(CallError),
}

/// Why a call gave no answer about its item, for its caller and for the log.
pub(in crate::nebuly) struct CallError {
    pub(in crate::nebuly) failure: CallFailure,
    /// Holds neither the URL, in which the id is, nor anything of a body.
    pub(in crate::nebuly) why: Cow<'static, str>,
}

/// Builds the HTTP client of a project.
pub(in crate::nebuly) fn http_client(
    certificate_authorities: Option<&[u8]>,
    proxy: Option<&SecretString>,
    connect_timeout: Duration,
) -> Result<(Client, NetworkPath), ClientError> {
    let authorities = match certificate_authorities {
        Some(pem) => http_client::authorities(pem).ok_or(ClientError::CertificateAuthorities)?,
        None => http_client::public_authorities(),
    };
    let mut builder = http_client::builder(authorities, connect_timeout)
        // One connection for each call in flight: over HTTP/2 all of them would hang on a single one.
        .http1_only()
        // The client of a project knows the deadline, so it decides about retries.
        .retry(reqwest::retry::never())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_MAX_IDLE);
    let mut network_path = NetworkPath { proxy: None, connect_timeout };
    if let Some(proxy) = proxy {
        let url = Url::parse(proxy.expose_secret()).map_err(|_| ClientError::Proxy)?;
        network_path.proxy = Some(Peer::of(&url, true));
        builder = builder.proxy(Proxy::all(url).map_err(|_| ClientError::Proxy)?);
    }
    let client = builder.build().map_err(|error| ClientError::Http(error.without_url()))?;
    Ok((client, network_path))
}

impl NebulyApi {
    /// Makes a call, for at most this long, from connecting to the last byte.
    pub(in crate::nebuly) async fn send<T>(
        &self,
        call: &ApiCall<'_, T>,
        key: &ApiKey,
        timeout: Duration,
    ) -> CallOutcome<T> {
        let url = call.url.clone();
        let request = match &call.question {
            None => self.http.get(url),
            Some(question) => self.http.post(url).header(CONTENT_TYPE, JSON).body(question.clone()),
        };
        let request = request.header(AUTHORIZATION, key.authorization().clone()).header(ACCEPT, JSON);
        let mut status = None;
        let answered = tokio::time::timeout(timeout, async {
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return CallOutcome::Retryable(CallError::of(&error, None)),
            };
            status = Some(response.status().as_u16());
            call.read(response).await
        });
        answered.await.unwrap_or_else(|_elapsed| {
            CallOutcome::Retryable(CallError::new(Cause::Timeout, status, "timeout"))
        })
    }
}

impl<T> ApiCall<'_, T> {
    async fn read(&self, response: Response) -> CallOutcome<T> {
        let status = response.status().as_u16();
        let non_retryable = |cause, why| CallOutcome::NonRetryable(CallError::new(cause, Some(status), why));
        match StatusMeaning::of(status) {
            StatusMeaning::Found => match read_body(response, self.max_body).await {
                Ok(body) => match (self.accept)(&body) {
                    Ok(found) => CallOutcome::Answered(Answer::Found(found)),
                    Err(why) => non_retryable(Cause::BadAnswer, why),
                },
                Err(BodyError::TooLarge) => {
                    let why = format!("the body is larger than {} KiB", self.max_body / 1024).into();
                    let failure = CallFailure { cause: Cause::BadAnswer, status: Some(status) };
                    CallOutcome::NonRetryable(CallError { failure, why })
                }
                Err(BodyError::Broken(error)) => CallOutcome::Retryable(CallError::of(&error, Some(status))),
            },
            StatusMeaning::Absent => CallOutcome::Answered(Answer::Absent { status }),
            StatusMeaning::KeyRejected => CallOutcome::KeyRejected,
            StatusMeaning::Throttled => {
                CallOutcome::Throttled(retry_after(response.headers(), SystemTime::now()))
            }
            StatusMeaning::Outage => CallOutcome::Retryable(CallError::new(
                Cause::Unavailable,
                Some(status),
                "the status is 502, 503 or 504",
            )),
            StatusMeaning::Failed => non_retryable(Cause::Unavailable, "the status is 5xx"),
            StatusMeaning::Unexpected => non_retryable(Cause::BadAnswer, "the status is not one of this API"),
        }
    }
}

impl<T> CallOutcome<T> {
    /// The evidence of Nebuly's health, for the circuit breaker.
    pub(in crate::nebuly) const fn evidence(&self) -> Evidence {
        match self {
            // 401 is for the operator, and no outage.
            Self::Answered(_) | Self::KeyRejected | Self::NonRetryable(_) => Evidence::Answered,
            Self::Throttled(pause) => Evidence::Throttled(*pause),
            Self::Retryable(_) => Evidence::Outage,
        }
    }

    /// The result as metrics and spans name it.
    pub(in crate::nebuly) const fn result(&self) -> CallResult {
        match self {
            Self::Answered(Answer::Found(_)) => CallResult::Ok,
            Self::Answered(Answer::Absent { .. }) => CallResult::Absent,
            Self::KeyRejected => CallResult::Rejected,
            Self::Throttled(_) => CallResult::Throttled,
            Self::Retryable(error) | Self::NonRetryable(error) => CallResult::of(error.failure.cause),
        }
    }

    /// The status of the answer, if there was one.
    pub(super) const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(Answer::Found(_)) => Some(200),
            Self::Answered(Answer::Absent { status }) => Some(*status),
            Self::KeyRejected => Some(401),
            Self::Throttled(_) => Some(429),
            Self::Retryable(error) | Self::NonRetryable(error) => error.failure.status,
        }
    }
}

impl CallError {
    fn new(cause: Cause, status: Option<u16>, why: &'static str) -> Self {
        Self { failure: CallFailure { cause, status }, why: why.into() }
    }

    fn of(error: &reqwest::Error, status: Option<u16>) -> Self {
        let broke_off = error.is_body() || error.is_decode();
        let summary = if broke_off { "the answer broke off" } else { "the call failed" };
        let why = http_client::with_causes(summary, error).into();
        Self { failure: CallFailure { cause: cause_of(error), status }, why }
    }
}

/// The cause of a failure, as an error of the HTTP client tells it.
fn cause_of(error: &reqwest::Error) -> Cause {
    if error.is_timeout() { Cause::Timeout } else { Cause::Unavailable }
}
