//! The rate limit of each caller: `limits.cold_per_second` and `limits.cold_burst` of the settings.
//!
//! | file | job |
//! |---|---|
//! | `bucket` | the token bucket of one caller, as a rule over given moments |
//! | `caller_key` | the key under which a caller is remembered |
//! | `rate_limiter` | the callers that are remembered, with the lock, the clock and the counter |
//!
//! Limits are those of one process: each replica has its own, and a restart forgets all balances.

mod bucket;
mod caller_key;
mod rate_limiter;

pub use self::rate_limiter::{RateLimiter, RateLimits};
