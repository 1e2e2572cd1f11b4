//! Nebuly, as an adapter: the calls that it answers and what its answers mean.
//!
//! A call carries a key, so it goes nowhere but to the configured address: no redirect is followed, no proxy of the
//! environment is used, and an id stays in its own path segment. Nothing of an answer is believed before it is checked.
//! And Nebuly is spared: calls in flight are bounded, few are tried again, none is made while Nebuly is not well.
//!
//! | file | job |
//! |---|---|
//! | `client` | one project: which calls are made for a link |
//! | `fair_semaphore` | the calls in flight, of all projects |
//! | `circuit`, `breaker` | whether a project is asked at all: the rule, and its sharing among calls |
//! | `backoff`, `retry_after` | how long to wait |
//! | `key`, `key_file`, `key_standing`, `key_holder`, `keys` | a key, where it comes from, whether Nebuly takes it, the key of a project, the keys of all |
//! | `attempt`, `acceptance`, `wire`, `endpoint`, `http_client` | one call over HTTP |
//! | `probe` | the call that only tries a key |
//! | `metrics`, `trace`, `steady_clock` | as they are called |

mod backoff;
mod call;
mod circuit_breaker;
mod client;
mod fair_semaphore;
mod key;
mod metrics;
mod retry_after;
mod steady_clock;

pub use call::api::{ClientError, POOL_MAX_IDLE};
pub use call::endpoint::Endpoint;
pub use call::key_check::Probe;
pub use client::{Nebuly, Options, Shared};
pub use key::{ApiKey, InvalidKey, KeySource, Keys};
pub use steady_clock::SteadyClock;
