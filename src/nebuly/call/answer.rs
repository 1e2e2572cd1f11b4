//! The answers of Nebuly: the meaning of each status, and the checks of a body.

use bytes::BytesMut;
use serde::Deserialize;

use crate::domain::{AllowedHosts, RefusedUrl, TargetUrl};
use crate::nebuly::key::ProjectKeys;

/// The longest body of a deep link that is read, in bytes: it has a few hundred.
pub(in crate::nebuly) const MAX_DEEP_LINK_BODY: usize = 64 * 1024;

/// The meaning of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusMeaning {
    /// The body has what was asked for.
    Found,
    /// This key's project has no such item.
    Absent,
    /// The key is not accepted.
    KeyRejected,
    /// Nebuly asks us to slow down.
    Throttled,
    /// A gateway before Nebuly cannot reach it, which may pass.
    Outage,
    /// Nebuly failed, which the id may have caused.
    Failed,
    /// A status that this API does not have.
    Unexpected,
}

/// Why no body was read.
pub(super) enum BodyError {
    TooLarge,
    Broken(reqwest::Error),
}

/// The body of a deep link. Members that may come later are ignored.
#[derive(Deserialize)]
struct DeepLinkBody {
    url: String,
}

impl StatusMeaning {
    /// Decides what a status means. Nebuly documents 200, 401 and 404; for the others this is the safe reading.
    pub(super) const fn of(status: u16) -> Self {
        match status {
            200 => Self::Found,
            // 400 and 422: the id has no form that Nebuly knows. 403: this key may not see it, but another one may.
            400 | 403 | 404 | 410 | 422 => Self::Absent,
            401 => Self::KeyRejected,
            429 => Self::Throttled,
            502..=504 => Self::Outage,
            500..=599 => Self::Failed,
            // A redirect among them: it is never followed, so that the key never travels.
            _ => Self::Unexpected,
        }
    }
}

/// Reads a body of at most this many bytes, whatever length it announces.
pub(super) async fn read_body(
    mut response: reqwest::Response,
    max_body: usize,
) -> Result<BytesMut, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > max_body {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Takes the URL out of a body. The error says why it was refused, and nothing of its content.
pub(in crate::nebuly) fn accept_url(
    body: &[u8],
    allowed_hosts: &AllowedHosts,
    keys: &ProjectKeys,
) -> Result<TargetUrl, &'static str> {
    let link: DeepLinkBody =
        serde_json::from_slice(body).map_err(|_| "the body has no url that is a string")?;
    TargetUrl::accept(&link.url, allowed_hosts, |text| keys.are_in(text)).map_err(|refused| match refused {
        RefusedUrl::Length => "the url is empty or too long",
        RefusedUrl::Character => "the url has a character that is not printable ASCII",
        RefusedUrl::Form => "the url is not written as an absolute URL",
        RefusedUrl::Scheme => "the url's scheme is not https",
        RefusedUrl::User => "the url has a user or a password",
        RefusedUrl::Host => "the url's host is none of nebuly.allowed_hosts",
        RefusedUrl::Key => "the url contains a key",
    })
}
