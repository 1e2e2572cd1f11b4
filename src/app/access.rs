//! Who may ask, and on what terms.

use std::sync::Arc;

use super::StartError;
use crate::files::FilePath;
use crate::limits;
use crate::server;
use crate::settings::{self, Settings};
use crate::web::caller::{Access, ApiTokensFile};

/// Callers that are remembered at once: more than are likely to owe anything at one time. About 12 MB if all of them are
/// addresses, and none before they come.
const CALLERS: usize = 100_000;

/// The file of API tokens, if one is set. A file that cannot be used leaves `/api` open to nobody, so it ends the start.
pub fn api_tokens_of(access: &settings::Access) -> Result<Option<ApiTokensFile>, StartError> {
    let open = |path: &FilePath| {
        ApiTokensFile::open(path.clone()).map_err(|error| StartError::ApiTokens { path: path.clone(), error })
    };
    access.api_tokens_file.as_ref().map(open).transpose()
}

pub(super) fn access(settings: &Settings, api_tokens_file: Option<&ApiTokensFile>) -> Access {
    let limits = limits::Limits {
        per_second: settings.limits.cold_per_second,
        burst: settings.limits.cold_burst,
        // One call for each project.
        overdraft: u32::try_from(settings.projects.len()).unwrap_or(u32::MAX),
        capacity: CALLERS,
    };
    Access {
        identity_header: settings.access.identity_header.clone(),
        api_tokens: api_tokens_file.map(ApiTokensFile::tokens),
        cors_origins: settings.access.cors_origins.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        peer: |extensions| extensions.get::<server::Connection>().map(server::Connection::peer),
        callers: Arc::new(limits::Callers::new(limits)),
    }
}
