//! Who asks, as far as it matters for what that may cost.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Share, Tokens};

/// What tells one caller from another. Callers of different sorts are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKey<'a> {
    /// The person that a trusted proxy names.
    Identity(&'a str),
    /// The same, with an API token: its limits are others, and so is its balance.
    IdentityWithApiToken(&'a str),
    /// The name of an API token, never the token.
    ApiToken(&'a str),
    /// The address of the nearest hop that is not trusted. Of IPv6 only the /64 counts: whoever has one has all of it.
    Address(IpAddr),
}

/// A caller, and what it may still cost.
#[derive(Clone)]
pub struct Caller {
    /// By which number its calls in flight are counted.
    pub share: Share,
    /// What pays for its calls.
    pub tokens: Arc<dyn Tokens>,
}

/// Knows what each caller may still cost.
pub trait Callers: Send + Sync + 'static {
    /// The caller with this key.
    fn of(&self, key: &CallerKey<'_>) -> Caller;
}

/// The caller of one request, found out only when a call to Nebuly may be needed: what the cache knows costs it nothing.
pub trait LazyCaller: Send + Sync {
    /// By which number its calls in flight are counted.
    fn share(&self) -> Share;

    /// What pays for its calls.
    fn tokens(&self) -> Arc<dyn Tokens>;
}
