//! The options of the shared cache, and the checks of its URL and certificates.

use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsConnector;
use url::Url;

use super::redis_connection::{RedisAddress, RedisTls};
use crate::domain::{AllowedHosts, Lifetimes, ProjectName};

/// The options of the shared cache.
#[derive(Debug, Clone)]
pub struct SharedCacheOptions {
    /// `redis://` or `rediss://`, with user, password and database number if the server wants them.
    pub url: SecretString,
    /// Certificate authorities in PEM, in place of the public ones.
    pub certificate_authorities: Option<Vec<u8>>,
    /// The timeout of a look-up, with connecting.
    pub timeout: Duration,
    /// The prefix of its keys.
    pub key_prefix: String,
    /// The address of Nebuly's API: links of another one are kept apart.
    pub api_base_url: String,
    /// The projects that are configured, in the order of the settings.
    pub projects: Vec<ProjectName>,
    /// The hosts that links may lead to.
    pub allowed_hosts: AllowedHosts,
    /// The lifetimes of links.
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
    /// Fails if no shared cache can be made from these options. Nothing is connected to.
    pub fn check(&self) -> Result<(), SharedCacheError> {
        self.address().map(|_| ())
    }

    /// The address of the server, and the login.
    pub(super) fn address(&self) -> Result<RedisAddress, SharedCacheError> {
        let mut url = Url::parse(self.url.expose_secret()).map_err(|_| SharedCacheError::Url)?;
        let is_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(SharedCacheError::Url),
        };
        // In a fragment the client would read that certificates need not be checked.
        if url.fragment().is_some() || url.set_scheme("redis").is_err() {
            return Err(SharedCacheError::Url);
        }
        let info = url.into_connection_info().map_err(|_| SharedCacheError::Url)?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return Err(SharedCacheError::Url) };
        let tls = is_tls.then(|| self.tls(&host)).transpose()?;
        // Only in this version of the protocol every reply to our commands is a single value.
        let login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        Ok(RedisAddress { host, port, tls, login })
    }

    fn tls(&self, host: &str) -> Result<RedisTls, SharedCacheError> {
        let mut authorities = RootCertStore::empty();
        let certificates: Vec<_> = match &self.certificate_authorities {
            Some(pem) => CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|_| SharedCacheError::CertificateAuthorities)?,
            None => webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec(),
        };
        for certificate in certificates {
            authorities.add(certificate).map_err(|_| SharedCacheError::CertificateAuthorities)?;
        }
        if authorities.is_empty() {
            return Err(SharedCacheError::CertificateAuthorities);
        }
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| SharedCacheError::CertificateAuthorities)?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        // Connections are few and last, and tickets would be the server's to fill.
        config.resumption = Resumption::disabled();
        let server = ServerName::try_from(host.to_owned()).map_err(|_| SharedCacheError::Url)?;
        Ok(RedisTls { connector: TlsConnector::from(Arc::new(config)), server })
    }
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
        options(url, authorities).address().err()
    }

    #[test]
    fn a_url_of_redis_makes_an_address_without_connecting() {
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
        let error = options.address().err();
        let shown = format!("{options:?} {error:?}");
        assert!(!shown.contains("canary-pw"), "{shown}");
    }
}
