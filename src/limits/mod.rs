//! What each caller may still cost: `limits.cold_per_second` and `limits.cold_burst` of section 10 of the design.
//!
//! | file | job |
//! |---|---|
//! | `bucket` | the rule: one balance over given moments |
//! | `caller_key` | what tells one caller from another, as it is remembered |
//! | `table` | the callers that are remembered: a bounded number, none of whom can lose its debts |
//! | `rate_limiter` | the table behind its lock, with the clock and the counter |
//!
//! What it does not promise: limits are those of one process, so replicas each grant their own; and a restart forgets
//! all debts.

mod bucket;
mod caller_key;
mod rate_limiter;
mod table;

pub use self::rate_limiter::RateLimiter;

/// What one caller may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls to Nebuly per second; 0 counts as 1. Ten times as many with an API token.
    pub per_second: u32,
    /// Calls at once after a pause; 0 counts as 1. Ten times as many with an API token.
    pub burst: u32,
    /// Calls that one resolution may cost: its further calls may take the balance so far below zero. Beyond that, as when
    /// many resolutions of one caller are under way, they wait for their tokens.
    pub overdraft: u32,
    /// Callers that are remembered at once; 0 counts as 1.
    pub capacity: usize,
}
