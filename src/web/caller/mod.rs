//! The caller of a request: who it is, and whether it may ask.
//!
//! | file | job |
//! |---|---|
//! | `authenticator` | authenticates a request; looks its caller up only when it is needed |
//! | `trusted_proxies` | the peers whose headers are trusted, and the caller's address behind them |
//! | `api_tokens` | the tokens for `/api`: which one was sent, and the file that they come from |

mod api_tokens;
mod authenticator;
mod trusted_proxies;

pub use self::api_tokens::{ApiTokens, ApiTokensError, ApiTokensFile, InvalidApiTokens};
pub use self::authenticator::Access;

pub(super) use self::authenticator::{AccessRule, Authenticator, RequestCaller};
