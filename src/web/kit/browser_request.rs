//! The request that a browser makes of an address.

use http::Uri;
use url::{Position, Url};

/// The longest address that is looked at, in bytes: that of the longest request head.
const MAX_ADDRESS: usize = 16 * 1024;

/// The request that a browser makes of an address of this installation.
#[derive(Debug)]
pub(super) struct BrowserRequest {
    /// The target, as it arrives here.
    pub(super) uri: Uri,
    /// The rest from `#` on, without it: browsers do not send that.
    pub(super) not_sent: Option<String>,
}

/// Why an address does not lead to this installation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// It is longer than [`MAX_ADDRESS`].
    TooLong,
    /// It has no scheme and host, so it leads to the tool itself.
    Relative,
    /// It is not a web address.
    Unreadable,
    /// Its scheme is another one.
    Scheme(String),
    /// Its host or port is another one.
    Host(String),
    /// Its path begins otherwise.
    BasePath,
}

impl BrowserRequest {
    /// Reads an address as browsers do. `own` is the address of this installation, if it is known; without it every host
    /// counts as ours, and so does an address without one.
    pub(super) fn of(address: &str, own: Option<&str>, base_path: &str) -> Result<Self, NotOurs> {
        if address.len() > MAX_ADDRESS {
            return Err(NotOurs::TooLong);
        }
        let address = address.trim();
        let own = own.and_then(|own| Url::parse(own).ok());
        let url = match Url::parse(address) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) if own.is_none() && address.starts_with('/') => {
                let anywhere = Url::parse("http://localhost").and_then(|base| base.join(address));
                anywhere.map_err(|_| NotOurs::Unreadable)?
            }
            Err(url::ParseError::RelativeUrlWithoutBase) => return Err(NotOurs::Relative),
            Err(_) => return Err(NotOurs::Unreadable),
        };
        if !url.has_host() || !matches!(url.scheme(), "http" | "https") {
            return Err(NotOurs::Unreadable);
        }
        let mut before = base_path;
        if let Some(own) = &own {
            let host = &url[Position::BeforeHost..Position::BeforePath];
            if host != &own[Position::BeforeHost..Position::BeforePath] {
                return Err(NotOurs::Host(host.to_owned()));
            }
            // Where we are told no scheme, `http` is a guess: a proxy may add TLS.
            if url.scheme() != own.scheme() && own.scheme() == "https" {
                return Err(NotOurs::Scheme(url.scheme().to_owned()));
            }
            before = own.path().trim_end_matches('/');
        }
        let rest = &url[Position::BeforePath..Position::AfterQuery];
        let rest = rest.strip_prefix(before).filter(|rest| rest.starts_with(['/', '?']) || rest.is_empty());
        // A proxy may take the beginning of the path away; what is left begins with our base path.
        let target = format!("{base_path}{}", rest.ok_or(NotOurs::BasePath)?);
        let uri = Uri::try_from(target).map_err(|_| NotOurs::Unreadable)?;
        Ok(Self { uri, not_sent: url.fragment().map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://go.example.com/tools/nebulink";

    fn target(address: &str) -> Result<String, NotOurs> {
        BrowserRequest::of(address, Some(OWN), "/nebulink").map(|request| request.uri.to_string())
    }

    #[test]
    fn a_target_arrives_as_browsers_and_a_proxy_make_it() {
        for (rest, expected) in [
            ("/go/conversation?id=a", "/nebulink/go/conversation?id=a"),
            ("/c/a%2Fb", "/nebulink/c/a%2Fb"),
            ("/go?id=a b\"ü", "/nebulink/go?id=a%20b%22%C3%BC"),
            ("/go?id={{x}}|", "/nebulink/go?id={{x}}|"),
            ("/go?id=a\tb", "/nebulink/go?id=ab"),
            ("/x/../go?id=a", "/nebulink/go?id=a"),
            ("?id=a", "/nebulink?id=a"),
            ("", "/nebulink"),
        ] {
            assert_eq!(target(&format!(" {OWN}{rest}\n")).as_deref(), Ok(expected), "{rest}");
        }
        assert_eq!(
            target("HTTPS://GO.example.com:443/tools/nebulink/go?id=a").as_deref(),
            Ok("/nebulink/go?id=a")
        );
    }

    #[test]
    fn browsers_do_not_send_the_rest_from_the_number_sign_on() {
        for (rest, not_sent) in
            [("a", None), ("a#", Some("")), ("orders#4711", Some("4711")), ("a%23b", None)]
        {
            let request = BrowserRequest::of(&format!("{OWN}/go?id={rest}"), Some(OWN), "/nebulink").unwrap();
            assert_eq!(request.not_sent.as_deref(), not_sent, "{rest}");
        }
    }

    #[test]
    fn the_part_that_differs_is_told() {
        for (address, expected) in [
            ("http://go.example.com/tools/nebulink/go?id=a", NotOurs::Scheme("http".to_owned())),
            ("https://other.example/tools/nebulink/go?id=a", NotOurs::Host("other.example".to_owned())),
            (
                "https://go.example.com:8443/tools/nebulink/go",
                NotOurs::Host("go.example.com:8443".to_owned()),
            ),
            ("https://go.example.com@other.example/tools/", NotOurs::Host("other.example".to_owned())),
            ("https://go.example.com/go?id=a", NotOurs::BasePath),
            ("https://go.example.com/tools/nebulinks/go", NotOurs::BasePath),
            ("https://go.example.com/tools%2Fnebulink/go", NotOurs::BasePath),
            ("/tools/nebulink/go?id=a", NotOurs::Relative),
            ("go.example.com/tools/nebulink/go?id=a", NotOurs::Relative),
            ("4711", NotOurs::Relative),
            ("", NotOurs::Relative),
            ("mailto:a@go.example.com", NotOurs::Unreadable),
            ("javascript:alert(1)", NotOurs::Unreadable),
            ("https://", NotOurs::Unreadable),
            ("https://go.example.com:99999/", NotOurs::Unreadable),
            (&"x".repeat(MAX_ADDRESS + 1), NotOurs::TooLong),
        ] {
            assert_eq!(target(address), Err(expected), "{address}");
        }
    }

    #[test]
    fn without_an_address_of_our_own_every_host_is_ours() {
        for address in [
            "https://any.example/nebulink/go?id=a",
            "http://localhost:1/nebulink/go?id=a",
            "/nebulink/go?id=a",
        ] {
            let request = BrowserRequest::of(address, None, "/nebulink").unwrap();
            assert_eq!(request.uri, "/nebulink/go?id=a", "{address}");
        }
        assert_eq!(BrowserRequest::of("/go", None, "/nebulink").unwrap_err(), NotOurs::BasePath);
    }
}
