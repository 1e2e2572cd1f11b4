//! The client of one project of Nebuly's.

use std::error::Error as _;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use reqwest::{Certificate, Client, Proxy, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::Endpoint;
use super::key::ApiKey;
use super::wire::{self, DeepLink, ListInteractions, TimeRange, Verdict};
use crate::domain::{
    AllowedHosts, Answer, CallFailure, CallFuture, Cause, DeepLinks, Item, ProjectName, RefusedUrl,
    TargetUrl, Terms,
};

/// The longest body that is read: a deep link is a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long an unused connection is kept. Below what servers and load balancers usually keep (60 s and more), so that
/// we close first and no call is written to a connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How many unused connections are kept.
const POOL_MAX_IDLE: usize = 32;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the client is made from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The addresses of the calls.
    pub endpoint: Endpoint,
    /// The hosts that links may lead to.
    pub allowed_hosts: AllowedHosts,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Vec<u8>>,
    /// The proxy that calls go through, with user and password if it wants them.
    pub proxy: Option<SecretString>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one attempt may take, from connecting to the last byte.
    pub attempt_timeout: Duration,
}

/// The client cannot be made from these options.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `nebuly.ca_file` holds no certificate in PEM.
    #[error("nebuly.ca_file holds no usable certificate in PEM")]
    CertificateAuthorities,
    /// `nebuly.proxy` is no URL of a proxy. Its value is a secret, so it is not shown.
    #[error("nebuly.proxy is no URL of a proxy")]
    Proxy,
    /// The HTTP client could not be set up.
    #[error("the HTTP client for Nebuly could not be set up")]
    Client(#[source] reqwest::Error),
}

/// One project of Nebuly's, as its key sees it.
#[derive(Debug, Clone)]
pub struct Nebuly {
    client: Client,
    endpoint: Endpoint,
    allowed_hosts: AllowedHosts,
    attempt_timeout: Duration,
    project: ProjectName,
    key: ApiKey,
}

/// What a call that only tries the key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Nebuly takes the key.
    Valid,
    /// Nebuly refuses it, with this status.
    Rejected(u16),
    /// What answers is not Nebuly's API: `api_base_url` is wrong.
    WrongAddress(u16),
    /// Nothing is known: there was no answer of use.
    Failed(CallFailure),
}

/// Why no body came of an answer.
enum NoBody {
    TooLarge,
    Broken(reqwest::Error),
}

impl Nebuly {
    /// A client for one project. It connects when it is first used.
    pub fn new(options: &Options, project: ProjectName, key: ApiKey) -> Result<Self, StartError> {
        Ok(Self {
            client: client(options)?,
            endpoint: options.endpoint.clone(),
            allowed_hosts: options.allowed_hosts.clone(),
            attempt_timeout: options.attempt_timeout,
            project,
            key,
        })
    }

    /// The project whose key this client has.
    #[must_use]
    pub const fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Tries the key with the smallest listing: the interactions of the last minute, one at most.
    pub async fn probe(&self) -> Probe {
        let failed = |cause| Probe::Failed(CallFailure { cause, status: None });
        let now = Timestamp::now();
        let start = now.checked_sub(Duration::from_secs(60)).unwrap_or(now);
        let time_range = TimeRange { start: format!("{start:.3}"), end: format!("{now:.3}") };
        let question = ListInteractions { time_range, filters: &[], limit: 1, offset: 0 };
        let (Ok(url), Ok(body)) = (self.endpoint.get_interactions(), serde_json::to_vec(&question)) else {
            return failed(Cause::Internal);
        };
        let request = self
            .client
            .post(url)
            .header(AUTHORIZATION, self.key.authorization().clone())
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .body(body);
        let answered = tokio::time::timeout(self.attempt_timeout, async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let body = read_body(response).await;
            Ok::<_, reqwest::Error>((status, body))
        });
        match answered.await {
            Err(_elapsed) => failed(Cause::Timeout),
            Ok(Err(error)) => failed(cause_of(&error)),
            Ok(Ok((200, Ok(body)))) if serde_json::from_slice::<serde_json::Value>(&body).is_ok() => {
                Probe::Valid
            }
            Ok(Ok((status @ (401 | 403), _))) => Probe::Rejected(status),
            Ok(Ok((status @ (200..=399 | 404 | 405), _))) => Probe::WrongAddress(status),
            Ok(Ok((status, _))) => {
                let cause = match wire::verdict(status, None) {
                    Verdict::Failed(cause) => cause,
                    Verdict::Found | Verdict::Absent => Cause::BadAnswer,
                };
                Probe::Failed(CallFailure { cause, status: Some(status) })
            }
        }
    }

    async fn attempt(&self, item: &Item<'static>) -> Result<Answer, CallFailure> {
        let url = self.endpoint.deep_link(item).map_err(|error| {
            tracing::error!(project = %self.project, %error, "a call to Nebuly was not made");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        let request =
            self.client.get(url).header(AUTHORIZATION, self.key.authorization().clone()).header(ACCEPT, JSON);
        let mut status = None;
        let answered = tokio::time::timeout(self.attempt_timeout, async {
            let response = request.send().await.map_err(|error| self.failed(&error, None))?;
            status = Some(response.status().as_u16());
            self.read(response).await
        });
        answered.await.unwrap_or_else(|_elapsed| {
            let failure = CallFailure { cause: Cause::Timeout, status };
            tracing::warn!(project = %self.project, status, "Nebuly did not answer in time");
            Err(failure)
        })
    }

    async fn read(&self, response: reqwest::Response) -> Result<Answer, CallFailure> {
        let status = response.status().as_u16();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        match wire::verdict(status, header.and_then(wire::retry_after)) {
            Verdict::Absent => Ok(Answer::Absent { status }),
            Verdict::Failed(cause) => {
                tracing::warn!(project = %self.project, status, ?cause, "Nebuly did not resolve a link");
                Err(CallFailure { cause, status: Some(status) })
            }
            Verdict::Found => match read_body(response).await {
                Ok(body) => self.accept(&body).map(Answer::Found).map_err(|reason| {
                    tracing::warn!(project = %self.project, status, reason, "Nebuly's answer is no URL that may be used");
                    CallFailure { cause: Cause::BadAnswer, status: Some(status) }
                }),
                Err(NoBody::TooLarge) => {
                    tracing::warn!(project = %self.project, status, "Nebuly's answer is too large");
                    Err(CallFailure { cause: Cause::BadAnswer, status: Some(status) })
                }
                Err(NoBody::Broken(error)) => Err(self.failed(&error, Some(status))),
            },
        }
    }

    /// Takes the URL out of a body. The reason for a refusal says nothing of what stood there.
    fn accept(&self, body: &[u8]) -> Result<TargetUrl, &'static str> {
        let link: DeepLink = serde_json::from_slice(body).map_err(|_| "it has no url that is a string")?;
        TargetUrl::accept(&link.url, &self.allowed_hosts, |text| self.key.is_in(text)).map_err(|refused| {
            match refused {
                RefusedUrl::Length => "it is empty or too long",
                RefusedUrl::Character => "it has a character that is not printable ASCII",
                RefusedUrl::Form => "it is not written as an absolute URL",
                RefusedUrl::Scheme => "its scheme is not https",
                RefusedUrl::User => "it has a user or a password",
                RefusedUrl::Host => "its host is none of nebuly.allowed_hosts",
                RefusedUrl::Key => "it contains a key",
            }
        })
    }

    fn failed(&self, error: &reqwest::Error, status: Option<u16>) -> CallFailure {
        let cause = cause_of(error);
        tracing::warn!(project = %self.project, status, ?cause, error = %chain(error), "Nebuly could not be asked");
        CallFailure { cause, status }
    }
}

impl DeepLinks for Nebuly {
    fn resolve<'a>(&'a self, item: &'a Item<'static>, terms: &'a Terms) -> CallFuture<'a> {
        terms.tokens.spend();
        Box::pin(self.attempt(item))
    }
}

fn client(options: &Options) -> Result<Client, StartError> {
    let authorities = match &options.certificate_authorities {
        Some(pem) => Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty()),
        None => webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|certificate| Certificate::from_der(certificate))
            .collect::<Result<Vec<_>, _>>()
            .ok(),
    };
    let mut builder = Client::builder()
        .user_agent(concat!("nebulink/", env!("CARGO_PKG_VERSION")))
        .tls_certs_only(authorities.ok_or(StartError::CertificateAuthorities)?)
        // One connection for each call in flight: over HTTP/2 all of them would hang on a single one.
        .http1_only()
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_MAX_IDLE);
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(Proxy::all(proxy.expose_secret()).map_err(|_| StartError::Proxy)?);
    }
    builder.build().map_err(|error| StartError::Client(error.without_url()))
}

async fn read_body(mut response: reqwest::Response) -> Result<BytesMut, NoBody> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(NoBody::Broken)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(NoBody::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn cause_of(error: &reqwest::Error) -> Cause {
    if error.is_timeout() { Cause::Timeout } else { Cause::Unavailable }
}

/// An error with its causes, but without the URL, which holds the id.
fn chain(error: &reqwest::Error) -> String {
    let mut text = match (error.is_connect(), error.is_body() || error.is_decode()) {
        (true, _) => "no connection".to_owned(),
        (_, true) => "the answer broke off".to_owned(),
        _ => "the call failed".to_owned(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
