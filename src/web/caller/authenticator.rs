//! Authenticates requests, and finds the caller that a request counts for.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::api_tokens::ApiTokens;
use super::trusted_proxies::{TrustedProxies, is_forwarded};
use crate::domain::{Caller, CallerKey, Callers, LazyCaller};
use crate::web::headers::single;
use crate::web::problem::Problem;
use crate::web::request_head::RequestHead;

/// The longest name of a person, in bytes.
const MAX_IDENTITY_LEN: usize = 256;

/// The rules of access to the public listener.
#[derive(Clone)]
pub struct Access {
    /// The header that names the person. Without it nobody needs an identity.
    pub identity_header: Option<HeaderName>,
    /// The tokens for `/api`. Without them it is as open as the other paths.
    pub api_tokens: Option<Arc<ApiTokens>>,
    /// Origins whose pages may read `/api`, as a browser spells them in `Origin`.
    pub cors_origins: Vec<String>,
    /// The peers whose forwarded headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The rate limit of each caller.
    pub callers: Arc<dyn Callers>,
}

/// Authenticates requests by the rules of [`Access`].
pub(in crate::web) struct Authenticator {
    access: Access,
    trusted_proxies: TrustedProxies,
    /// True once [`Self::warn_of_untrusted_forwarder`] has warned.
    has_warned: AtomicBool,
}

/// The proof that a path requires of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum AccessRule {
    /// Nothing.
    Open,
    /// The identity, where one is configured.
    Identity,
    /// A token, where a file of them is configured, and else the identity.
    Api,
}

/// The names that a request was authenticated with. It has none where nothing is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Principal<'a> {
    /// The person, as a trusted proxy names it.
    pub(in crate::web) identity: Option<&'a str>,
    /// The name of the API token.
    pub(in crate::web) api_token: Option<Arc<str>>,
}

impl Authenticator {
    pub(in crate::web) fn new(access: Access) -> Self {
        let trusted_proxies = TrustedProxies::new(&access.trusted_proxies);
        Self { access, trusted_proxies, has_warned: AtomicBool::new(false) }
    }

    /// Returns the principal of a request, or the problem that keeps it out.
    pub(in crate::web) fn authenticate<'a>(
        &self,
        rule: AccessRule,
        head: &'a RequestHead,
    ) -> Result<Principal<'a>, Problem> {
        match (rule, &self.access.api_tokens) {
            (AccessRule::Open, _) => Ok(Principal::default()),
            (AccessRule::Api, Some(tokens)) => {
                let name = tokens.name_of(&head.headers).ok_or(Problem::TokenRequired)?;
                Ok(Principal { identity: self.identity(head), api_token: Some(name) })
            }
            (AccessRule::Api, None) | (AccessRule::Identity, _) => {
                let identity = self.identity(head);
                if identity.is_none() && self.access.identity_header.is_some() {
                    return Err(Problem::IdentityRequired);
                }
                Ok(Principal { identity, api_token: None })
            }
        }
    }

    /// Returns true if a request comes from a trusted proxy.
    pub(in crate::web) fn trusts_peer_of(&self, head: &RequestHead) -> bool {
        peer(head).is_some_and(|peer| self.trusted_proxies.trust(peer))
    }

    /// Warns once of an `x-forwarded-for` from a peer that is not trusted. Not called for answers from the cache: a caller
    /// that gets only those costs nothing, so it does not matter who it is.
    pub(in crate::web) fn warn_of_untrusted_forwarder(&self, head: &RequestHead) {
        if self.has_warned.load(Ordering::Relaxed) || !is_forwarded(&head.headers) {
            return;
        }
        let Some(peer) = peer(head) else { return };
        if !self.trusted_proxies.trust(peer) && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "x-forwarded-for ignored: the peer is not in server.trusted_proxies; behind an ingress that is not \
                 named there, all users share one rate limit"
            );
        }
    }

    fn caller(&self, principal: &Principal<'_>, head: &RequestHead) -> Caller {
        let key = match (principal.identity, &principal.api_token) {
            (Some(name), None) => CallerKey::Identity(name),
            (Some(name), Some(_)) => CallerKey::IdentityWithApiToken(name),
            (None, Some(name)) => CallerKey::ApiToken(name),
            (None, None) => CallerKey::Address(self.address(head)),
        };
        self.access.callers.of(&key)
    }

    fn address(&self, head: &RequestHead) -> IpAddr {
        // Without a connection, all are one caller.
        peer(head).map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| {
            self.trusted_proxies.caller_behind(peer, &head.headers)
        })
    }

    fn identity<'a>(&self, head: &'a RequestHead) -> Option<&'a str> {
        let name = self.access.identity_header.as_ref()?;
        if self.trusts_peer_of(head) { identity(&head.headers, name) } else { None }
    }
}

fn peer(head: &RequestHead) -> Option<IpAddr> {
    head.connection.as_ref().map(|connection| connection.peer().ip())
}

/// The person that a proxy names, whether it is trusted or not: the header is there once, not empty, at most 256 printable
/// bytes.
///
/// Two lines are refused, not chosen from: a proxy that appends its own leaves the caller's standing.
fn identity<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // Printable ASCII, and tabs.
    let identity = single(headers, name)?.to_str().ok()?;
    let fits = (1..=MAX_IDENTITY_LEN).contains(&identity.len());
    (fits && !identity.contains('\t') && !identity.trim().is_empty()).then_some(identity)
}

/// The caller of one request. It is looked up in the table of callers once at most, and not at all for an answer from the
/// cache.
pub(in crate::web) struct RequestCaller<'a> {
    authenticator: &'a Authenticator,
    principal: &'a Principal<'a>,
    head: &'a RequestHead,
    caller: OnceLock<Caller>,
}

impl<'a> RequestCaller<'a> {
    pub(in crate::web) const fn new(
        authenticator: &'a Authenticator,
        principal: &'a Principal<'a>,
        head: &'a RequestHead,
    ) -> Self {
        Self { authenticator, principal, head, caller: OnceLock::new() }
    }
}

impl LazyCaller for RequestCaller<'_> {
    fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| self.authenticator.caller(self.principal, self.head))
    }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
