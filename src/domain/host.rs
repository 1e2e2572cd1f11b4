//! The hosts that a link may lead to.

use std::fmt;

use url::{Host, Url};

/// The hosts that a URL may have. Each is `name`, `*.name` (any host below `name`, not `name` itself) or an IP address,
/// with an optional `:port`. Without a port, the default port of the URL's scheme is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Exact(Host<String>),
    /// The name with a leading dot.
    Below(String),
}

/// The text is no host, `*.host`, or either with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a host such as nebuly.example, *.nebuly.example or nebuly.example:8443")]
pub struct InvalidHost;

impl AllowedHosts {
    /// Adds one entry.
    pub fn allow(&mut self, entry: &str) -> Result<(), InvalidHost> {
        let (below, rest) = match entry.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        // `x` has no default port, so that a port that was written is a port that is kept.
        let url = Url::parse(&format!("x://{rest}")).map_err(|_| InvalidHost)?;
        let bare = url.path().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let name = url.host_str().filter(|name| bare && !name.is_empty()).ok_or(InvalidHost)?;
        let host = Host::parse(name).map_err(|_| InvalidHost)?;
        if matches!(&host, Host::Domain(name) if name.contains('*')) {
            return Err(InvalidHost);
        }
        let host = match (below, host) {
            (false, host) => HostPattern::Exact(host),
            (true, Host::Domain(name)) => HostPattern::Below(format!(".{name}")),
            (true, _) => return Err(InvalidHost),
        };
        self.0.push(Pattern { host, port: url.port() });
        Ok(())
    }

    /// Adds the host and port of a URL.
    pub fn allow_host_of(&mut self, url: &Url) -> Result<(), InvalidHost> {
        let host = url.host().ok_or(InvalidHost)?.to_owned();
        self.0.push(Pattern { host: HostPattern::Exact(host), port: url.port() });
        Ok(())
    }

    /// Returns true if a URL's host and port are allowed.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        // `url.port()` is `None` for the scheme's default port, as is the port of an entry that names none.
        self.0.iter().any(|pattern| {
            let named = pattern.port.filter(|port| Some(*port) != default_port(url));
            named == url.port() && pattern.host.matches(&host)
        })
    }
}

fn default_port(url: &Url) -> Option<u16> {
    match url.scheme() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

impl HostPattern {
    fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exact(own), other) => own == other,
            (Self::Below(suffix), Host::Domain(other)) => {
                other.len() > suffix.len() && other.ends_with(suffix.as_str())
            }
            _ => false,
        }
    }
}

impl fmt::Display for AllowedHosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            match &pattern.host {
                HostPattern::Exact(host) => write!(formatter, "{host}")?,
                HostPattern::Below(suffix) => write!(formatter, "*{suffix}")?,
            }
            if let Some(port) = pattern.port {
                write!(formatter, ":{port}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(entries: &[&str]) -> AllowedHosts {
        let mut hosts = AllowedHosts::default();
        for entry in entries {
            hosts.allow(entry).unwrap();
        }
        hosts
    }

    #[test]
    fn an_entry_allows_its_own_host_and_port_and_nothing_else() {
        let allowed = hosts(&["*.nebuly.com", "go.example", "local.example:8443", "[::1]:80", "127.0.0.1"]);
        for (url, expected) in [
            ("https://v2.platform.eu.nebuly.com/", true),
            ("https://V2.Platform.EU.Nebuly.com/", true),
            ("https://nebuly.com/", false),
            ("https://xnebuly.com/", false),
            ("https://nebuly.com.evil.example/", false),
            ("https://v2.nebuly.com:8443/", false),
            ("https://v2.nebuly.com:443/", true),
            ("https://go.example/", true),
            ("https://sub.go.example/", false),
            ("https://local.example:8443/", true),
            ("https://local.example/", false),
            ("http://[::1]/", true),
            ("http://[::1]:81/", false),
            ("http://127.0.0.1/", true),
            ("http://0x7f.1/", true),
            ("mailto:someone@nebuly.com", false),
        ] {
            assert_eq!(allowed.allows(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for entry in [
            "",
            "*",
            "*.",
            "https://nebuly.com",
            "nebuly.com/x",
            "user@nebuly.com",
            "a b",
            "*.127.0.0.1",
            "h:99999",
        ] {
            assert_eq!(AllowedHosts::default().allow(entry), Err(InvalidHost), "{entry}");
        }
    }
}
