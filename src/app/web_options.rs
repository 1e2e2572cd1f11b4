//! Options of the web layer: who has access, and what a connection can do for its requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use crate::domain::Clock;
use crate::files::FilePath;
use crate::limits;
use crate::server;
use crate::settings::{self, Settings};
use crate::web;
use crate::web::caller::{Access, ApiTokensFile};

/// The most callers whose rate limit is remembered: more than are likely to be limited at one time. They take about 12
/// MB if all of them are addresses, and nothing before they come.
const CALLERS: usize = 100_000;

/// Opens the file of API tokens, if one is set. With an unusable file nobody could use `/api`, so it is an error.
pub fn api_tokens_of(access: &settings::AccessSettings) -> Result<Option<ApiTokensFile>, StartError> {
    let open = |path: &FilePath| {
        ApiTokensFile::open(path.clone()).map_err(|error| StartError::ApiTokens { path: path.clone(), error })
    };
    access.api_tokens_file.as_ref().map(open).transpose()
}

/// Who may use nebulink, and within which limits.
pub(super) fn access(
    settings: &Settings,
    api_tokens_file: Option<&ApiTokensFile>,
    clock: Arc<dyn Clock>,
) -> Access {
    let limits = limits::RateLimits {
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
        callers: Arc::new(limits::RateLimiter::new(limits, clock)),
    }
}

/// Gives the web layer, which knows nothing of the server, what it needs of a connection.
impl web::ClientConnection for server::Connection {
    fn peer(&self) -> SocketAddr {
        self.peer()
    }

    fn extend_deadline(&self, by: Duration) {
        self.extend_deadline(by);
    }

    fn limit_stall(&self, to: Duration) {
        self.limit_stall(to);
    }

    fn watch_disconnect(&self) -> Option<web::Disconnected> {
        Some(Box::pin(self.watch_disconnect()?))
    }
}
