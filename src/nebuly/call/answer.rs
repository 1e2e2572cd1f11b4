//! What of an answer's body is believed.

use std::sync::Arc;

use bytes::BytesMut;

use super::wire::DeepLink;
use crate::domain::{AllowedHosts, RefusedUrl, TargetUrl};
use crate::nebuly::key::Keys;

/// The longest body that is read: a deep link is a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;

/// Why no body came of an answer.
pub(in crate::nebuly) enum NoBody {
    TooLarge,
    Broken(reqwest::Error),
}

/// The rules by which a URL is taken out of a body.
pub(in crate::nebuly) struct Acceptance {
    pub(in crate::nebuly) allowed_hosts: AllowedHosts,
    pub(in crate::nebuly) keys: Arc<Keys>,
}

impl Acceptance {
    /// Takes the URL out of a body. The reason for a refusal says nothing of what stood there.
    pub(in crate::nebuly) fn accept(&self, body: &[u8]) -> Result<TargetUrl, &'static str> {
        let link: DeepLink = serde_json::from_slice(body).map_err(|_| "it has no url that is a string")?;
        TargetUrl::accept(&link.url, &self.allowed_hosts, |text| self.keys.are_in(text)).map_err(|refused| {
            match refused {
                RefusedUrl::Length => "its url is empty or too long",
                RefusedUrl::Character => "its url has a character that is not printable ASCII",
                RefusedUrl::Form => "its url is not written as an absolute URL",
                RefusedUrl::Scheme => "its url's scheme is not https",
                RefusedUrl::User => "its url has a user or a password",
                RefusedUrl::Host => "its url's host is none of nebuly.allowed_hosts",
                RefusedUrl::Key => "its url contains a key",
            }
        })
    }
}

/// Reads a body up to its bound, whatever length it announces.
pub(in crate::nebuly) async fn read_body(mut response: reqwest::Response) -> Result<BytesMut, NoBody> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(NoBody::Broken)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(NoBody::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
