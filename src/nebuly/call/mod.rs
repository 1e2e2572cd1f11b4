//! One call over HTTP: its address, its outcome and its span.

mod answer;
mod api;
mod endpoint;
mod key_check;
mod trace;

pub(super) use self::api::{CallError, CallOutcome, NebulyApi, http_client};
pub use self::api::{ClientError, POOL_MAX_IDLE};
pub use self::endpoint::Endpoint;
pub use self::key_check::KeyCheck;
pub(super) use self::trace::CallSpans;
