//! HTTP clients for the calls that this program makes itself.

use std::error::Error;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

/// Builds a client that talks to nobody but the server it is sent to: it follows no redirect, uses no proxy of the
/// environment, and trusts only these certificate authorities.
pub(crate) fn builder(authorities: Vec<Certificate>, connect_timeout: Duration) -> ClientBuilder {
    // Fails only if the process has a provider of cryptography already: there is no other one than this.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .user_agent(concat!("nebulink/", env!("CARGO_PKG_VERSION")))
        .tls_certs_only(authorities)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect_timeout)
}

/// The certificate authorities in a text in PEM. `None` if it holds no usable certificate.
pub(crate) fn authorities(pem: &[u8]) -> Option<Vec<Certificate>> {
    Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty())
}

/// The public certificate authorities: the image has none of its own.
pub(crate) fn public_authorities() -> Vec<Certificate> {
    // None is left out: a certificate in DER is taken as it is.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.flat_map(|root| Certificate::from_der(root)).collect()
}

/// The causes of an error, the innermost last. The error itself is left out: it shows the URL, which holds an id.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    anyhow::Chain::new(error).skip(1)
}

/// A summary of an error, followed by its [`causes`]. If the server was not reached, the summary says that.
pub(crate) fn with_causes(summary: &str, error: &reqwest::Error) -> String {
    let summary = if error.is_connect() { "no connection" } else { summary };
    causes(error).fold(summary.to_owned(), |text, cause| format!("{text}: {cause}"))
}
