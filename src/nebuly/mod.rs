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

mod acceptance;
mod attempt;
mod backoff;
mod breaker;
mod circuit;
mod client;
mod endpoint;
mod fair_semaphore;
mod http_client;
mod key;
mod key_file;
mod key_holder;
mod key_standing;
mod keys;
mod metrics;
mod probe;
mod retry_after;
mod steady_clock;
mod trace;
mod wire;

pub use client::{Nebuly, Options, Shared};
pub use endpoint::Endpoint;
pub use http_client::{POOL_MAX_IDLE, StartError};
pub use key::{ApiKey, InvalidKey};
pub use key_holder::KeySource;
pub use keys::Keys;
pub use probe::Probe;
pub use steady_clock::SteadyClock;
