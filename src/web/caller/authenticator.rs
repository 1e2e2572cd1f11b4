//! Who gets in, and under which name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{Extensions, HeaderName};
use ipnet::IpNet;

use super::api_tokens::ApiTokens;
use super::identity::identity;
use super::trusted_proxies::{TrustedProxies, is_forwarded};
use crate::domain::{CallerKey, Callers};
use crate::web::problem::Problem;

/// How the other end of a request's connection is found among the request's extensions.
pub type PeerOf = fn(&Extensions) -> Option<SocketAddr>;

/// Who may ask, and on what terms.
#[derive(Clone)]
pub struct Access {
    /// The header that names the person. Without it everybody gets in.
    pub identity_header: Option<HeaderName>,
    /// The tokens for `/api`. Without them it is as open as the other paths.
    pub api_tokens: Option<Arc<ApiTokens>>,
    /// Origins whose pages may read `/api`, as a browser spells them in `Origin`.
    pub cors_origins: Vec<String>,
    /// Peers whose words about others are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How a request's peer is found.
    pub peer: PeerOf,
    /// What each caller may still cost.
    pub callers: Arc<dyn Callers>,
}

/// The rules of [`Access`], ready to be asked.
pub(in crate::web) struct Gate {
    identity_header: Option<HeaderName>,
    api_tokens: Option<Arc<ApiTokens>>,
    trusted_proxies: TrustedProxies,
    peer: PeerOf,
    callers: Arc<dyn Callers>,
    /// Whether somebody was seen who asks for others without being trusted.
    stranger_was_seen: AtomicBool,
}

/// What a path asks of those who want to get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Guard {
    /// Nothing.
    Open,
    /// The identity, where one is configured.
    Identity,
    /// A token, where a file of them is configured, and else the identity.
    Api,
}

/// Who was let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Admitted<'a> {
    /// The person, as a trusted proxy names it.
    pub(in crate::web) identity: Option<&'a str>,
    /// The name of the API token.
    pub(in crate::web) api_token: Option<Arc<str>>,
}

impl Gate {
    pub(in crate::web) fn new(access: Access) -> Self {
        let Access { identity_header, api_tokens, cors_origins: _, trusted_proxies, peer, callers } = access;
        let trusted_proxies = TrustedProxies::new(trusted_proxies);
        let stranger_was_seen = AtomicBool::new(false);
        Self { identity_header, api_tokens, trusted_proxies, peer, callers, stranger_was_seen }
    }

    /// Lets a request in, or says why not.
    pub(in crate::web) fn admit<'a>(&self, guard: Guard, parts: &'a Parts) -> Result<Admitted<'a>, Problem> {
        match (guard, &self.api_tokens) {
            (Guard::Open, _) => Ok(Admitted::default()),
            (Guard::Api, Some(tokens)) => {
                let name = tokens.name_of(&parts.headers).ok_or(Problem::TokenRequired)?;
                Ok(Admitted { identity: self.identity(parts), api_token: Some(name) })
            }
            (Guard::Api, None) | (Guard::Identity, _) => {
                let identity = self.identity(parts);
                if identity.is_none() && self.identity_header.is_some() {
                    return Err(Problem::IdentityRequired);
                }
                Ok(Admitted { identity, api_token: None })
            }
        }
    }

    /// Whether a request comes from a trusted proxy.
    pub(in crate::web) fn trusts_peer_of(&self, parts: &Parts) -> bool {
        (self.peer)(&parts.extensions).is_some_and(|peer| self.trusted_proxies.trust(peer.ip()))
    }

    /// Warns once of a proxy that is not trusted. Not asked for answers from the cache: whoever only gets those costs
    /// nothing, so it does not matter who it is.
    pub(in crate::web) fn look_for_strangers(&self, parts: &Parts) {
        if self.stranger_was_seen.load(Ordering::Relaxed) || !is_forwarded(&parts.headers) {
            return;
        }
        let Some(peer) = (self.peer)(&parts.extensions) else { return };
        if !self.trusted_proxies.trust(peer.ip()) && !self.stranger_was_seen.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = %peer.ip(),
                "x-forwarded-for from a peer that server.trusted_proxies does not name is not believed: behind an \
                 ingress that is not named there, all users are one caller"
            );
        }
    }

    /// What the caller of a request may still cost.
    pub(super) fn caller(&self, admitted: &Admitted<'_>, parts: &Parts) -> crate::domain::Caller {
        let key = match (admitted.identity, &admitted.api_token) {
            (Some(name), None) => CallerKey::Identity(name),
            (Some(name), Some(_)) => CallerKey::IdentityWithApiToken(name),
            (None, Some(name)) => CallerKey::ApiToken(name),
            (None, None) => CallerKey::Address(self.address(parts)),
        };
        self.callers.of(&key)
    }

    fn address(&self, parts: &Parts) -> IpAddr {
        let peer = (self.peer)(&parts.extensions).map(|peer| peer.ip());
        // Without a connection, as in a test of the routes alone, all are one caller.
        peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| {
            self.trusted_proxies.caller_behind(peer, &parts.headers)
        })
    }

    fn identity<'a>(&self, parts: &'a Parts) -> Option<&'a str> {
        let name = self.identity_header.as_ref()?;
        let peer = (self.peer)(&parts.extensions)?;
        if !self.trusted_proxies.trust(peer.ip()) {
            return None;
        }
        identity(&parts.headers, name)
    }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
