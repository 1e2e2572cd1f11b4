//! The HTTP client that all calls of a project go through.

use std::time::Duration;

use reqwest::{Certificate, Client, Proxy, redirect};
use secrecy::{ExposeSecret, SecretString};

/// How long an unused connection is kept. Below what servers and load balancers usually keep (60 s and more), so that
/// we close first and no call is written to a connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How many unused connections the client of a project keeps, beside those of calls in flight.
pub const POOL_MAX_IDLE: usize = 32;

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

/// A client that goes nowhere but where it is sent.
pub(in crate::nebuly) fn build(
    certificate_authorities: Option<&[u8]>,
    proxy: Option<&SecretString>,
    connect_timeout: Duration,
) -> Result<Client, StartError> {
    let authorities = match certificate_authorities {
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
        // Whether to try again is decided by whoever knows the deadline.
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_MAX_IDLE);
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy.expose_secret()).map_err(|_| StartError::Proxy)?);
    }
    builder.build().map_err(|error| StartError::Client(error.without_url()))
}
