//! Who asks, and whether they may (section 7 of the design).
//!
//! | file | job |
//! |---|---|
//! | `authenticator` | who gets in, and under which name |
//! | `of_request` | the caller of one request, found out only when it is needed |
//! | `trusted_proxies` | which peers are believed, and the caller's address behind them |
//! | `identity` | the header that names a person |
//! | `api_tokens` | the tokens for `/api`: which one was sent, and the file that they come from |

mod api_tokens;
mod authenticator;
mod identity;
mod of_request;
mod trusted_proxies;

pub use self::api_tokens::{ApiTokens, ApiTokensError, ApiTokensFile, InvalidApiTokens};
pub use self::authenticator::{Access, PeerOf};

pub(super) use self::authenticator::{Gate, Guard};
pub(super) use self::of_request::CallerOfRequest;
