//! The rate limit of each caller: `limits.cold_per_second` and `limits.cold_burst` of section 10 of the design.
//!
//! | file | job |
//! |---|---|
//! | `bucket` | the token bucket of one caller, as a rule over given moments |
//! | `caller_key` | the key under which a caller is remembered |
//! | `rate_limiter` | the callers that are remembered, with the lock, the clock and the counter |
//!
//! What it does not promise: limits are those of one process, so replicas each grant their own; and a restart forgets
//! all debts.

mod bucket;
mod caller_key;
mod rate_limiter;

pub use self::rate_limiter::{RateLimiter, RateLimits};
