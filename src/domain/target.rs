//! A URL that a link may lead to.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::AllowedHosts;

/// A URL that passed every check of [`RefusedUrl`]: printable ASCII, byte for byte as it was given, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(Bytes);

/// Why a URL may not be redirected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// Empty, or longer than [`TargetUrl::MAX_LEN`].
    #[error("it is empty or longer than 3072 bytes")]
    Length,
    /// White space, a control character, or anything beyond ASCII.
    #[error("it has a character that is not printable ASCII")]
    Character,
    /// It cannot be parsed, or the parsed URL begins differently, so browsers may read it differently too.
    #[error("it is not written as an absolute URL")]
    Form,
    /// Neither `https` nor, to a loopback host, `http`.
    #[error("its scheme is not https")]
    Scheme,
    /// It carries a user or a password.
    #[error("it has a user or a password")]
    User,
    /// Its host is none of the allowed ones.
    #[error("its host is not allowed")]
    Host,
    /// One of our keys stands in it.
    #[error("it contains a key")]
    Key,
}

/// Returns true if a text contains one of our keys.
pub type ContainsKey = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl TargetUrl {
    /// The longest URL, in bytes: a proxy that reads answers into a buffer of 4 KiB (nginx's default) must still find
    /// room for the other headers.
    pub const MAX_LEN: usize = 3072;

    /// Accepts a URL. `contains_key` is a [`ContainsKey`].
    pub fn accept(
        url: &str,
        hosts: &AllowedHosts,
        contains_key: impl Fn(&str) -> bool,
    ) -> Result<Self, RefusedUrl> {
        if url.is_empty() || url.len() > Self::MAX_LEN {
            return Err(RefusedUrl::Length);
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RefusedUrl::Character);
        }
        let parsed = Url::parse(url).map_err(|_| RefusedUrl::Form)?;
        match parsed.scheme() {
            "https" => {}
            "http" if parsed.host().is_some_and(|host| is_loopback(&host)) => {}
            _ => return Err(RefusedUrl::Scheme),
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(RefusedUrl::User);
        }
        let origin = parsed.origin().ascii_serialization();
        match url.strip_prefix(&origin).ok_or(RefusedUrl::Form)?.bytes().next() {
            // For example, a backslash is a slash to browsers and none to others.
            None | Some(b'/' | b'?' | b'#') => {}
            Some(_) => return Err(RefusedUrl::Form),
        }
        if !hosts.allows(&parsed) {
            return Err(RefusedUrl::Host);
        }
        if contains_key(url) || contains_key(&percent_decode_str(url).decode_utf8_lossy()) {
            return Err(RefusedUrl::Key);
        }
        Ok(Self(Bytes::copy_from_slice(url.as_bytes())))
    }

    /// A URL that was built from a pattern; the URL that the pattern was taken from was checked.
    pub(super) const fn of_pattern(url: Bytes) -> Self {
        Self(url)
    }

    /// The URL; nothing is copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Its length, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a URL is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Printable ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// Returns true if a host is this machine: only for that is `http` without TLS allowed.
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> AllowedHosts {
        let mut hosts = AllowedHosts::default();
        for entry in ["*.nebuly.com", "localhost:8080", "127.0.0.1:80", "[::1]", "self.example:8443"] {
            hosts.allow(entry).unwrap();
        }
        hosts
    }

    fn accept(url: &str) -> Result<TargetUrl, RefusedUrl> {
        TargetUrl::accept(url, &hosts(), |text| text.contains("canary-key"))
    }

    #[test]
    fn an_accepted_url_is_kept_byte_for_byte() {
        for url in [
            "https://v2.platform.eu.nebuly.com/live-activity?projectId=a&interactionId=b%2Fc&x={}|^`\"<>'",
            "https://v2.platform.eu.nebuly.com",
            "https://v2.platform.eu.nebuly.com?a",
            "https://v2.platform.eu.nebuly.com#a",
            "https://v2.platform.eu.nebuly.com/../a/%2e%2e//b\\c",
            "https://self.example:8443/x",
            "http://localhost:8080/x",
            "http://127.0.0.1/x",
            "https://[::1]/x",
        ] {
            assert_eq!(accept(url).as_ref().map(TargetUrl::as_str), Ok(url));
        }
        let longest = format!("https://a.nebuly.com/{}", "x".repeat(3072 - 21));
        assert!(accept(&longest).is_ok());
    }

    #[test]
    fn what_a_browser_might_read_differently_or_must_not_open_is_refused() {
        for (url, why) in [
            ("", RefusedUrl::Length),
            (&format!("https://a.nebuly.com/{}", "x".repeat(3072 - 20)), RefusedUrl::Length),
            ("https://a.nebuly.com/a b", RefusedUrl::Character),
            ("https://a.nebuly.com/a\r\nset-cookie: x", RefusedUrl::Character),
            ("https://a.nebuly.com/ü", RefusedUrl::Character),
            ("/live-activity", RefusedUrl::Form),
            ("https:a.nebuly.com/x", RefusedUrl::Form),
            ("https:/a.nebuly.com/x", RefusedUrl::Form),
            ("https:///a.nebuly.com/x", RefusedUrl::Form),
            ("https:\\\\a.nebuly.com/x", RefusedUrl::Form),
            ("HTTPS://a.nebuly.com/x", RefusedUrl::Form),
            ("https://A.nebuly.com/x", RefusedUrl::Form),
            ("https://a.nebuly.com:443/x", RefusedUrl::Form),
            ("https://a.nebuly.com\\@evil.example/x", RefusedUrl::Form),
            ("https://a%2enebuly.com/x", RefusedUrl::Form),
            ("javascript://localhost/%0aalert(1)", RefusedUrl::Scheme),
            ("data:text/html,x", RefusedUrl::Scheme),
            ("http://a.nebuly.com/x", RefusedUrl::Scheme),
            ("ftp://a.nebuly.com/x", RefusedUrl::Scheme),
            ("https://user@a.nebuly.com/x", RefusedUrl::User),
            ("https://:pw@a.nebuly.com/x", RefusedUrl::User),
            ("https://nebuly.com/x", RefusedUrl::Host),
            ("https://evil.example/x", RefusedUrl::Host),
            ("https://a.nebuly.com.evil.example/x", RefusedUrl::Host),
            ("https://a.nebuly.com:8443/x", RefusedUrl::Host),
            ("https://localhost:8081/x", RefusedUrl::Host),
            ("https://a.nebuly.com/canary-key", RefusedUrl::Key),
            ("https://a.nebuly.com/canary%2Dkey", RefusedUrl::Key),
        ] {
            assert_eq!(accept(url), Err(why), "{url}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_url_has_an_allowed_host_as_a_browser_reads_it(
            url in "(https?|HTTPS|javascript)?:?[/\\\\]{0,3}(user@|a:b@)?(a\\.nebuly\\.com|localhost:8080|evil\\.example|[@:./\\\\#?%\\[\\]a-z0-9]{0,12})([:@/\\\\?#.]|%2f|evil\\.example){0,6}"
        ) {
            if accept(&url).is_ok() {
                let read = Url::parse(&url).unwrap();
                let host = read.host_str().unwrap();
                prop_assert!(host.ends_with(".nebuly.com") || ["localhost", "127.0.0.1", "[::1]", "self.example"].contains(&host));
                prop_assert!(read.scheme() == "https" || (read.scheme() == "http" && is_loopback(&read.host().unwrap())));
                let written = format!("{}://{host}", read.scheme());
                prop_assert!(url.starts_with(&written));
            }
        }

        #[test]
        fn no_url_makes_accepting_panic(url in any::<String>()) {
            drop(accept(&url));
        }
    }
}
