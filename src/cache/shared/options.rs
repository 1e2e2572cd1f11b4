//! What the shared cache is made from.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{AllowedHosts, Lifetimes, ProjectName};

/// What the shared cache is made from.
#[derive(Debug, Clone)]
pub struct SharedCacheOptions {
    /// `redis://` or `rediss://`, with user, password and database number if the server wants them.
    pub url: SecretString,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Vec<u8>>,
    /// The longest that asking for a link takes, connecting included.
    pub timeout: Duration,
    /// What its keys begin with.
    pub key_prefix: String,
    /// The address of Nebuly's API: links of another one are kept apart.
    pub api_base_url: String,
    /// The projects that are configured, in the order of their places.
    pub projects: Vec<ProjectName>,
    /// The hosts that links may lead to.
    pub allowed_hosts: AllowedHosts,
    /// How long links are of use.
    pub lifetimes: Lifetimes,
}

/// The shared cache cannot be made from these options. The URL is a secret, so it is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedCacheError {
    /// `shared_cache.url` is no URL of Redis or Valkey.
    #[error("shared_cache.url is no URL of Redis or Valkey such as rediss://cache.example:6379/0")]
    Url,
    /// `shared_cache.ca_file` holds no certificate in PEM.
    #[error("shared_cache.ca_file holds no usable certificate in PEM")]
    CertificateAuthorities,
}

impl SharedCacheOptions {
    /// A client, not yet connected. A password stays inside.
    pub(super) fn client(&self) -> Result<Client, SharedCacheError> {
        let info = self.url.expose_secret().into_connection_info().map_err(|_| SharedCacheError::Url)?;
        // Commands are small and wait for nothing.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match info.addr() {
            ConnectionAddr::Tcp(..) => Client::open(info).map_err(|_| SharedCacheError::Url),
            ConnectionAddr::TcpTls { insecure: false, .. } => {
                let authorities = match &self.certificate_authorities {
                    Some(pem) if CertificateDer::pem_slice_iter(pem).next().is_some() => pem.clone(),
                    Some(_) => return Err(SharedCacheError::CertificateAuthorities),
                    None => public_authorities().into_bytes(),
                };
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities) };
                Client::build_with_tls(info, certificates)
                    .map_err(|_| SharedCacheError::CertificateAuthorities)
            }
            // A socket of this machine, or TLS that checks nothing.
            _ => Err(SharedCacheError::Url),
        }
    }
}

/// The public certificate authorities in PEM, the only form that the client takes.
fn public_authorities() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        BASE64_STANDARD.encode_string(certificate, &mut pem);
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, authorities: Option<&str>) -> SharedCacheOptions {
        SharedCacheOptions {
            url: url.into(),
            certificate_authorities: authorities.map(Into::into),
            timeout: Duration::from_millis(50),
            key_prefix: String::new(),
            api_base_url: String::new(),
            projects: Vec::new(),
            allowed_hosts: AllowedHosts::default(),
            lifetimes: Lifetimes { ttl: Duration::ZERO, stale: Duration::ZERO, negative_ttl: Duration::ZERO },
        }
    }

    fn refused(url: &str, authorities: Option<&str>) -> Option<SharedCacheError> {
        options(url, authorities).client().err()
    }

    #[test]
    fn a_url_of_redis_makes_a_client_without_connecting() {
        for url in ["redis://cache.example", "redis://:pw@127.0.0.1:6380/3", "rediss://user:pw@[::1]/0"] {
            assert_eq!(refused(url, None), None, "{url}");
        }
    }

    #[test]
    fn what_names_no_server_or_checks_no_certificate_is_refused() {
        for url in [
            "",
            "http://cache.example",
            "redis://cache.example/x",
            "unix:///run/redis",
            "rediss://h/#insecure",
        ] {
            assert_eq!(refused(url, None), Some(SharedCacheError::Url), "{url}");
        }
        for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = refused("rediss://cache.example", Some(pem));
            assert_eq!(error, Some(SharedCacheError::CertificateAuthorities), "{pem}");
        }
    }

    #[test]
    fn the_password_is_in_no_debug_output_and_in_no_error() {
        let options = options("redis://user:canary-pw@cache.example/not-a-number", None);
        let error = options.client().unwrap_err();
        let shown = format!("{options:?} {error:?} {error}");
        assert!(!shown.contains("canary-pw"), "{shown}");
    }
}
