//! `[access]`: authentication of callers.

use http::HeaderName;

use super::ServerSettings;
use crate::files::FilePath;
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::urls;
use crate::settings::value::{list, optional, parsed, readable_file};

const NOT_A_HEADER: &str = "not the name of a header such as x-auth-request-email";

/// Authentication of callers.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// The header with the user's identity. `None` lets everybody in.
    pub identity_header: Option<HeaderName>,
    /// The file of the tokens for `/api`; it could be read at start, and its content has not been parsed.
    pub api_tokens_file: Option<FilePath>,
    /// Origins whose pages may read `/api`, as a browser spells them in `Origin`.
    pub cors_origins: Vec<String>,
}

impl AccessSettings {
    pub(in crate::settings) fn read(
        reader: &mut SettingReader<'_>,
        server: &ServerSettings,
    ) -> Result<Self, BrokenDefaults> {
        let settings = Self {
            identity_header: reader.read("access.identity_header", optional(parsed(NOT_A_HEADER)))?,
            api_tokens_file: reader.read_path("access.api_tokens_file", readable_file)?,
            cors_origins: reader.read("access.cors_origins", list(urls::origin))?,
        };
        if settings.identity_header.is_some() && server.trusted_proxies.is_empty() {
            let message = "set without server.trusted_proxies: the header is not trusted from anybody, so nobody gets in";
            reader.warn("access.identity_header", message);
        }
        Ok(settings)
    }
}
