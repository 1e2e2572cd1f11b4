//! One call over HTTP: its address, its answer, its outcome and its span.

mod answer;
mod api;
mod details;
mod endpoint;
mod key_check;
mod listing;
mod trace;
mod unreachable;

pub(super) use self::answer::{MAX_DEEP_LINK_BODY, accept_url};
pub(super) use self::api::{ApiCall, CallError, CallOutcome, NebulyApi, http_client};
pub use self::api::{ClientError, POOL_MAX_IDLE};
pub(super) use self::details::{MAX_DETAILS_BODY, read_details};
pub use self::endpoint::Endpoint;
pub use self::key_check::KeyCheck;
pub(super) use self::listing::{ListedItem, ListingPage, MAX_LISTING_BODY, read_listing};
pub(super) use self::trace::{
    CONVERSATION_DETAIL, CallNames, CallSpans, DEEP_LINK, GET_INTERACTION_AGGREGATES, GET_INTERACTIONS,
    INTERACTION_DETAIL,
};
pub use self::unreachable::Unreachable;
