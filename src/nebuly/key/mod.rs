//! The API key of each project: where it comes from, and whether Nebuly accepts it.

mod api_key;
mod holder;
mod key_file;
mod project_keys;
mod rejection;

pub use self::api_key::{ApiKey, InvalidKey};
pub use self::holder::KeySource;
pub(in crate::nebuly) use self::holder::{KeyHolder, Lease};
pub use self::project_keys::Keys;
