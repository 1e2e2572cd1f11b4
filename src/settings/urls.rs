//! Parsers for URLs. No message repeats one: it may hold a password even where none is allowed.

use url::{Host, Url};

use super::value::Parsed;

/// The schemes of Nebuly, proxies and browsers.
const HTTP_SCHEMES: &[&str] = &["https", "http"];

/// The schemes of Redis and Valkey, without and with TLS.
const REDIS_SCHEMES: &[&str] = &["redis", "rediss"];

const NOT_A_PROXY: &str = "not a URL such as http://proxy.example:3128, without path, query and fragment \
                           (in a password, write / ? # @ as %2F %3F %23 %40)";
const NOT_A_REDIS: &str = "not a URL such as redis://cache.example:6379/0, without fragment \
                           (in a password, write / ? # @ as %2F %3F %23 %40)";

/// Parses an absolute `https` or `http` URL without user, query and fragment, and removes a slash at its end, except
/// that of the root path.
pub(super) fn base(text: &str) -> Parsed<Url> {
    let mut url = absolute(text, HTTP_SCHEMES).ok_or("not a URL such as https://nebuly.example")?;
    // Checked in all of the text, since a password with a slash in it looks like a path.
    if text.contains('@') {
        return Err("must not hold a user or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".into());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Parses a proxy's URL. User and password are allowed.
pub(super) fn proxy(text: &str) -> Parsed<Url> {
    let bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    absolute(text, HTTP_SCHEMES).filter(bare).ok_or(NOT_A_PROXY.into())
}

/// Parses an absolute `https` or `http` URL. User and password are allowed.
pub(super) fn http(text: &str) -> Option<Url> {
    absolute(text, HTTP_SCHEMES)
}

/// Parses a Redis URL. User and password are allowed; a fragment is not, since `#insecure` would switch certificate
/// checks off.
pub(super) fn redis(text: &str) -> Parsed<Url> {
    // The URL parser takes the beginning of a password with a slash in it for the host, which is shown.
    let whole =
        |url: &Url| !url.path().contains('@') && !url.query().is_some_and(|query| query.contains('@'));
    let checked = |url: &Url| whole(url) && url.fragment().is_none();
    absolute(text, REDIS_SCHEMES).filter(checked).ok_or(NOT_A_REDIS.into())
}

/// Parses the origin of a page, spelled as a browser sends it: scheme, host, and the port unless it is the default.
pub(super) fn origin(text: &str) -> Parsed<String> {
    if text == "*" || text == "null" {
        return Err("* and null would let every page in: name each origin".into());
    }
    match absolute(text, HTTP_SCHEMES) {
        Some(url) if url.origin().ascii_serialization() == text => Ok(text.to_owned()),
        _ => Err(
            "not an origin such as https://tools.example, in lower case, with nothing behind host and port"
                .into(),
        ),
    }
}

/// Returns true if requests to a URL stay on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns scheme, host and port, without the parts that may be secret.
pub(super) fn without_secrets(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Parses a URL with one of the schemes, `://` and a host. The library's parser is more lenient: it drops line
/// breaks, reads `\` as `/`, and takes `https:host`.
fn absolute(text: &str, schemes: &[&str]) -> Option<Url> {
    let (scheme, _) = text.split_once("://")?;
    let strange = |byte: u8| !byte.is_ascii_graphic() || byte == b'\\';
    if !schemes.contains(&scheme) || text.bytes().any(strange) {
        return None;
    }
    Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}
