//! What a link is, independent of HTTP and of every library of the other layers.
//!
//! Also here: the interfaces that the resolver needs and the adapters fulfil ([`DeepLinks`], [`LinkCache`],
//! [`SharedLinks`], [`Callers`], [`LazyCaller`], [`RateLimit`], [`WaitingCallers`]), and time as
//! a value ([`Timestamp`], [`MonotonicTime`]), so that freshness is a rule and not a clock.

#[cfg(any(test, fuzzing))]
pub(crate) mod back_end;
mod caller;
mod construction;
mod deep_links;
mod freshness;
mod host;
mod id;
mod id_candidates;
mod item;
mod link_cache;
mod project;
mod target;
mod time;
mod url_pattern;

pub use caller::{Caller, CallerKey, Callers, FairnessKey, LazyCaller, RateLimit, Unlimited};
pub use construction::{Construction, ProjectIds};
pub use deep_links::{
    Answer, CallFailure, CallFuture, CallOptions, CallerFuture, Cause, DeepLinks, WaitingCallers, retry_after,
};
pub use freshness::{Freshness, Lifetimes, Refreshed};
pub use host::{AllowedHosts, InvalidHost};
pub use id::InvalidId;
pub use id_candidates::{IdCandidates, IdText};
pub use item::{Item, Kind};
pub use link_cache::{
    AbsentLink, CachedLink, LinkCache, Refreshes, ResolvedLink, SharedFuture, SharedLink, SharedLinks,
};
pub use project::{InvalidProjectName, ProjectIndex, ProjectName, ProjectSet, Scope};
pub use target::{ContainsKey, RefusedUrl, TargetUrl};
pub use time::{CLOCK_SKEW, Clock, MonotonicTime, SystemClock, Timestamp};
pub use url_pattern::UrlPattern;
