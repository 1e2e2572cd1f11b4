//! Links, independent of HTTP and of every library of the other layers.
//!
//! | file | job |
//! |---|---|
//! | `id`, `item`, `id_candidates` | which texts are ids; a kind with its id; the items that a caller's text may mean |
//! | `pasted_text` | the ids in a text that a person pasted |
//! | `short_code` | the short code of an interaction's id |
//! | `target`, `host` | which URLs a link may lead to |
//! | `freshness` | decides whether a link is fresh, stale or expired, and when it is refreshed |
//! | `construction`, `url_pattern` | building URLs from known ids; the part that the URLs of a project share |
//! | `project`, `time` | names, indexes and sets of projects; time as a value, so that freshness reads no clock |
//! | `deep_links`, `details`, `tag_search`, `link_cache`, `tag_cache`, `caller` | the interfaces that the resolver needs and the adapters implement |
//! | `fuzzing_back_end` | a model of servers in front of Nebuly; only in tests and under cargo-fuzz |

mod caller;
mod construction;
mod deep_links;
mod details;
mod freshness;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing_back_end;
mod host;
mod id;
mod id_candidates;
mod item;
mod link_cache;
mod pasted_text;
mod project;
mod short_code;
mod tag_cache;
mod tag_search;
mod target;
mod time;
mod url_pattern;

pub use caller::{Caller, CallerKey, Callers, FairnessKey, LazyCaller, RateLimit, Unlimited};
pub use construction::{Construction, ProjectIds};
pub use deep_links::{
    Answer, CallFailure, CallFuture, CallOptions, CallerFuture, Cause, DeepLinks, WaitingCallers, retry_after,
};
pub use details::{DetailFields, DetailValue, Details, DetailsCache, DetailsFuture, ItemDetails, PlainValue};
pub use freshness::{Freshness, Lifetimes, Refreshed};
pub use host::{AllowedHosts, InvalidHost};
pub use id::{InvalidId, is_placeholder};
pub use id_candidates::{IdCandidates, IdText};
pub use item::{Item, Kind};
pub use link_cache::{
    AbsentLink, CachedLink, LinkCache, Refreshes, ResolvedLink, SharedFuture, SharedLink, SharedLinks,
};
pub use pasted_text::{PastedId, PastedText, ReadOwnLink};
pub use project::{InvalidProjectName, ProjectIndex, ProjectName, ProjectSet, Scope};
pub use tag_cache::{CachedTag, TagCache, TagKey, TaggedItem};
pub use tag_search::{NewestFuture, Tag, TagSearch, TaggedItems, TimeRange};
pub use target::{ContainsKey, RefusedUrl, TargetUrl};
pub use time::{CLOCK_SKEW, Clock, MonotonicTime, SystemClock, Timestamp};
pub use url_pattern::UrlPattern;
