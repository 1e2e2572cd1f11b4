//! The API key of each project: where it comes from, and whether Nebuly accepts it.

mod api_key;
mod holder;
mod project_keys;
mod rejection;

pub use self::api_key::{ApiKey, InvalidKey};
pub use self::holder::ApiKeySource;
pub(super) use self::holder::{KeyHolder, KeyLease};
pub use self::project_keys::ProjectKeys;
