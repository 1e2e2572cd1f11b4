//! Nebuly, as an adapter: makes calls for links, details and listings, and reads the answers.
//!
//! A call carries a key, so it goes only to the configured address: no redirect is followed, no proxy of the environment
//! is used, and an id stays in its own path segment. No answer is used before it is checked. And Nebuly is not
//! overloaded: calls in flight are bounded, few are retried, and none is made while the circuit breaker is open.
//!
//! | module | job |
//! |---|---|
//! | `client` | one project: the life of a call for a link, from the first check to what is learnt from it |
//! | `details` | the details of items |
//! | `tag_search` | the newest item with a tag, from the pages of a listing |
//! | `side_calls` | the life of a call that is not for a link, so that it stops no redirect |
//! | `project_calls` | the part that all of these have in common |
//! | `key` | the API keys: where they come from, and whether Nebuly accepts them |
//! | `circuit_breaker` | refuses calls while Nebuly fails, or asks us to slow down |
//! | `fair_semaphore` | bounds the calls in flight, of all projects, and shares them fairly among callers |
//! | `call` | one call over HTTP |
//! | `backoff` | the pauses before a call is made again |
//! | `metrics` | the metrics of all of these |

mod backoff;
mod call;
mod circuit_breaker;
mod client;
mod details;
mod fair_semaphore;
mod key;
mod metrics;
mod project_calls;
mod side_calls;
mod tag_search;

use std::sync::Arc;
use std::time::Instant;

pub use self::call::{ClientError, Endpoint, KeyCheck, POOL_MAX_IDLE, Unreachable};
pub use self::client::{Nebuly, NebulyOptions, SharedClientState};
pub use self::details::DetailsClient;
pub use self::key::{ApiKey, ApiKeySource, InvalidKey, ProjectKeys};
pub use self::tag_search::TagSearchClient;

/// The clock of circuit breakers and rejected keys. Tests bring one that they move, so that they need not wait.
///
/// Deadlines are not read from it: they are moments of the machine's clock.
pub type SteadyClock = Arc<dyn Fn() -> Instant + Send + Sync>;
