//! Who asks, and whether they may (section 7 of the design).
//!
//! | file | job |
//! |---|---|
//! | `access` | who gets in, and under which name |
//! | `of_request` | the caller of one request, found out only when it is needed |
//! | `proxies` | which peers are believed, and the caller's address behind them |
//! | `identity` | the header that names a person |
//! | `api_tokens` | the tokens for `/api`: which one was sent, and the file that they come from |

mod access;
mod api_tokens;
mod identity;
mod of_request;
mod proxies;

pub use self::access::{Access, PeerOf};
pub use self::api_tokens::{ApiTokens, ApiTokensError, ApiTokensFile, InvalidApiTokens};

pub(super) use self::access::{Gate, Guard};
pub(super) use self::of_request::CallerOfRequest;
