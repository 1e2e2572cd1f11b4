//! One call for a link, and what comes back.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Proxy, Response};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::answer::{Acceptance, NoBody, read_body};
use super::wire::{self, Verdict};
use crate::domain::{Answer, CallFailure, Cause};
use crate::http_client;
use crate::nebuly::circuit_breaker::Evidence;
use crate::nebuly::key::ApiKey;
use crate::nebuly::metrics::CallResult;
use crate::nebuly::retry_after::retry_after;

/// How long an unused connection is kept. Below what servers and load balancers usually keep (60 s and more), so that
/// we close first and no call is written to a connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How many unused connections the client of a project keeps, beside those of calls in flight.
pub const POOL_MAX_IDLE: usize = 32;

pub(in crate::nebuly) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The client cannot be made from these options.
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

/// Makes calls, one at a time.
pub(in crate::nebuly) struct Attempts {
    pub(in crate::nebuly) http: Client,
    pub(in crate::nebuly) acceptance: Acceptance,
}

/// What one call came to.
pub(in crate::nebuly) enum Attempted {
    /// It settles the link.
    Answered(Answer),
    /// 401.
    KeyRefused,
    /// 429, with the pause that it asks for, if it does.
    Throttled(Option<Duration>),
    /// No connection, a reset, a timeout, 502, 503 or 504: it may be better soon.
    Outage(Trouble),
    /// Any other answer: it would be the same again.
    Unsettled(Trouble),
}

/// A call that settled nothing, for its caller and for the log.
pub(in crate::nebuly) struct Trouble {
    pub(in crate::nebuly) failure: CallFailure,
    /// Holds neither the URL, in which the id is, nor anything of a body.
    pub(in crate::nebuly) why: Cow<'static, str>,
}

/// The HTTP client of a project's calls.
pub(in crate::nebuly) fn http_client(
    certificate_authorities: Option<&[u8]>,
    proxy: Option<&SecretString>,
    connect_timeout: Duration,
) -> Result<Client, ClientError> {
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
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy.expose_secret()).map_err(|_| ClientError::Proxy)?);
    }
    builder.build().map_err(|error| ClientError::Http(error.without_url()))
}

impl Attempts {
    /// Calls, for at most this long, from connecting to the last byte.
    pub(in crate::nebuly) async fn make(&self, url: Url, key: &ApiKey, budget: Duration) -> Attempted {
        let request =
            self.http.get(url).header(AUTHORIZATION, key.authorization().clone()).header(ACCEPT, JSON);
        let mut status = None;
        let answered = tokio::time::timeout(budget, async {
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return Attempted::Outage(Trouble::of(&error, None)),
            };
            status = Some(response.status().as_u16());
            self.read(response).await
        });
        answered.await.unwrap_or_else(|_elapsed| {
            Attempted::Outage(Trouble::new(Cause::Timeout, status, "nothing came in time"))
        })
    }

    async fn read(&self, response: Response) -> Attempted {
        let status = response.status().as_u16();
        let unsettled = |cause, why| Attempted::Unsettled(Trouble::new(cause, Some(status), why));
        match wire::verdict(status) {
            Verdict::Found => match read_body(response).await {
                Ok(body) => match self.acceptance.accept(&body) {
                    Ok(url) => Attempted::Answered(Answer::Found(url)),
                    Err(why) => unsettled(Cause::BadAnswer, why),
                },
                Err(NoBody::TooLarge) => unsettled(Cause::BadAnswer, "it is too large"),
                Err(NoBody::Broken(error)) => Attempted::Outage(Trouble::of(&error, Some(status))),
            },
            Verdict::Absent => Attempted::Answered(Answer::Absent { status }),
            Verdict::KeyRefused => Attempted::KeyRefused,
            Verdict::Throttled => Attempted::Throttled(retry_after(response.headers(), SystemTime::now())),
            Verdict::Outage => {
                Attempted::Outage(Trouble::new(Cause::Unavailable, Some(status), "its status says so"))
            }
            Verdict::Failed => unsettled(Cause::Unavailable, "its status says so"),
            Verdict::Strange => unsettled(Cause::BadAnswer, "its status is none of this call's"),
        }
    }
}

impl Attempted {
    /// What the circuit learns from it.
    pub(in crate::nebuly) const fn evidence(&self) -> Evidence {
        match self {
            // 401 is for the operator, and no outage.
            Self::Answered(_) | Self::KeyRefused | Self::Unsettled(_) => Evidence::Answered,
            Self::Throttled(pause) => Evidence::Throttled(*pause),
            Self::Outage(_) => Evidence::Outage,
        }
    }

    /// How it is counted.
    pub(in crate::nebuly) const fn result(&self) -> CallResult {
        match self {
            Self::Answered(Answer::Found(_)) => CallResult::Ok,
            Self::Answered(Answer::Absent { .. }) => CallResult::Absent,
            Self::KeyRefused => CallResult::Rejected,
            Self::Throttled(_) => CallResult::Throttled,
            Self::Outage(trouble) | Self::Unsettled(trouble) => match trouble.failure.cause {
                Cause::Timeout => CallResult::Timeout,
                Cause::BadAnswer => CallResult::BadAnswer,
                _ => CallResult::Failed,
            },
        }
    }

    /// The status of the answer, if there was one.
    pub(in crate::nebuly) const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(Answer::Found(_)) => Some(200),
            Self::Answered(Answer::Absent { status }) => Some(*status),
            Self::KeyRefused => Some(401),
            Self::Throttled(_) => Some(429),
            Self::Outage(trouble) | Self::Unsettled(trouble) => trouble.failure.status,
        }
    }
}

impl Trouble {
    fn new(cause: Cause, status: Option<u16>, why: &'static str) -> Self {
        Self { failure: CallFailure { cause, status }, why: why.into() }
    }

    fn of(error: &reqwest::Error, status: Option<u16>) -> Self {
        Self { failure: CallFailure { cause: cause_of(error), status }, why: chain(error).into() }
    }
}

/// What an error of the HTTP client means.
pub(in crate::nebuly) fn cause_of(error: &reqwest::Error) -> Cause {
    if error.is_timeout() { Cause::Timeout } else { Cause::Unavailable }
}

/// An error with its causes, but without the URL, which holds the id.
fn chain(error: &reqwest::Error) -> String {
    let broke_off = error.is_body() || error.is_decode();
    http_client::with_causes(if broke_off { "the answer broke off" } else { "the call failed" }, error)
}
