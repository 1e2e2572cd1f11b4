//! What a link is, independent of HTTP and of every library of the other layers.
//!
//! Also here: the interfaces that the resolver needs and the adapters fulfil ([`DeepLinks`], [`LinkCache`]), and time as
//! a value ([`Timestamp`]), so that freshness is a rule and not a clock.

mod deep_links;
mod freshness;
mod host;
mod id;
mod item;
mod link_cache;
mod project;
mod spelling;
mod target;
mod time;

pub use deep_links::{Answer, CallFailure, CallFuture, Cause, DeepLinks};
pub use freshness::{Freshness, Lifetimes};
pub use host::{AllowedHosts, InvalidHost};
pub use id::InvalidId;
pub use item::{Item, Kind};
pub use link_cache::{CachedLink, LinkCache, LinkState};
pub use project::{InvalidProjectName, ProjectName};
pub use spelling::{Spellings, Text};
pub use target::{RefusedUrl, TargetUrl};
pub use time::{Clock, SystemClock, Timestamp};
