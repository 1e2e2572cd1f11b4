//! The address under which users see this installation.

use std::borrow::Cow;
use std::sync::OnceLock;

use http::header::{HOST, HeaderName, HeaderValue};
use url::{Position, Url};

use super::Web;
use super::headers::single;
use super::link_json::LinkJsonContext;
use super::request_head::RequestHead;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The address under which the sender of a request sees this installation: `server.public_url`, or else what the request
/// says of it.
pub(super) struct Installation<'a> {
    /// Complete, without a trailing slash. `None` if the request does not say it either.
    url: Option<Cow<'a, str>>,
    is_configured: bool,
    base_path: &'a str,
    /// The same with the scheme `http`, and with `https`, once one of them was needed.
    with_http: OnceLock<Option<Url>>,
    with_https: OnceLock<Option<Url>>,
}

impl<'a> Installation<'a> {
    /// Reads it from the settings, or from the headers of a request.
    pub(super) fn of(web: &'a Web, head: &RequestHead) -> Self {
        let base_path = web.options.base_path.as_str();
        let url = match &web.options.public_url {
            Some(url) => Some(Cow::Borrowed(url.as_str().trim_end_matches('/'))),
            None => requested(web, head).map(|origin| Cow::Owned(format!("{origin}{base_path}"))),
        };
        let is_configured = web.options.public_url.is_some();
        Self { url, is_configured, base_path, with_http: OnceLock::new(), with_https: OnceLock::new() }
    }

    /// The complete address, without a trailing slash; `None` if it is not known.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The address of a path below `server.base_path`; without its host if that is not known.
    pub(super) fn address_of(&self, path: &str) -> String {
        format!("{}{path}", self.url().unwrap_or(self.base_path))
    }

    /// Returns true if an origin is the host and port of this installation. A request does not say its own scheme, so without
    /// `server.public_url` both are taken to have the same.
    pub(super) fn is_origin(&self, origin: &Url) -> bool {
        if self.is_configured {
            let own = self.url().and_then(|url| Url::parse(url).ok());
            return own.is_some_and(|own| is_same_host(&own, origin));
        }
        self.url_with_scheme_of(origin).is_some_and(|own| is_same_host(own, origin))
    }

    /// The path of a URL below this installation's address; `None` if it is none of ours. Both are taken to have the same
    /// scheme: people write `http` for `https`, and not every proxy says which it was.
    pub(super) fn path_below<'u>(&self, url: &'u Url) -> Option<&'u str> {
        let own = self.url_with_scheme_of(url)?;
        let path = url.path().strip_prefix(own.path().trim_end_matches('/'))?;
        is_same_host(own, url).then_some(path)
    }

    fn url_with_scheme_of(&self, other: &Url) -> Option<&Url> {
        let scheme = other.scheme();
        let known = match scheme {
            "http" => &self.with_http,
            "https" => &self.with_https,
            _ => return None,
        };
        let parse = || {
            let (_, rest) = self.url()?.split_once("://")?;
            Url::parse(&format!("{scheme}://{rest}")).ok()
        };
        known.get_or_init(parse).as_ref()
    }
}

impl Web {
    /// The installation, as the JSON of its links needs it.
    pub(super) fn link_json_context<'a>(&'a self, installation: &'a Installation<'_>) -> LinkJsonContext<'a> {
        LinkJsonContext { address: installation.url(), projects: &self.options.projects }
    }
}

fn is_same_host(own: &Url, other: &Url) -> bool {
    own.host_str() == other.host_str() && own.port_or_known_default() == other.port_or_known_default()
}

/// Scheme, host and port of a request, as far as its headers are plain.
fn requested(web: &Web, head: &RequestHead) -> Option<String> {
    let is_trusted = web.authenticator.trusts_peer_of(head);
    let forwarded = |name| single(&head.headers, &name).filter(|_| is_trusted);
    let forwarded_host = forwarded(X_FORWARDED_HOST).and_then(plain_host);
    let host = forwarded_host.or_else(|| single(&head.headers, &HOST).and_then(plain_host))?;
    let is_https = forwarded(X_FORWARDED_PROTO).is_some_and(|scheme| scheme == "https");
    Some(format!("{}://{host}", if is_https { "https" } else { "http" }))
}

/// A host and port that can stand in a page: a name or an address, and nothing that a URL parser reads in another way.
fn plain_host(value: &HeaderValue) -> Option<&str> {
    /// The longest name of a host, with a port (RFC 1035, section 2.3.4).
    const MAX_LEN: usize = 255 + ":65535".len();
    let host = value.to_str().ok().filter(|host| host.len() <= MAX_LEN)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    // A scheme without a default port, so that a port that was written is a port that is kept.
    let url = Url::parse(&format!("x://{host}")).ok()?;
    (!host.is_empty() && host.bytes().all(is_plain) && &url[Position::BeforeHost..] == host).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_and_port_count() {
        for host in ["go.example", "go.example:8080", "127.0.0.1:1", "[::1]:8080", "localhost", "GO.example"]
        {
            assert_eq!(plain_host(&HeaderValue::from_static(host)), Some(host), "{host}");
        }
        for host in [
            "",
            "a/b",
            "a b",
            "a@b",
            "x\"><script>",
            "a:b",
            "a:99999",
            "[::1",
            "a,b",
            "a?b",
            "a#b",
            "ü",
            ":80",
        ] {
            assert_eq!(plain_host(&HeaderValue::try_from(host).unwrap()), None, "{host}");
        }
    }
}
