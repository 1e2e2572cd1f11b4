//! How the tools write an id into an address, each by the documentation of its own function. None of it is ours.

use url::{Position, Url};

/// The target of a browser's request for this address.
pub(crate) fn request_target(address: &str) -> String {
    Url::parse(address).unwrap()[Position::BeforePath..Position::AfterQuery].to_owned()
}

/// JavaScript's `encodeURIComponent`.
pub(crate) fn encode_uri_component(text: &str) -> String {
    escaped(text, b"-_.!~*'()")
}

/// JavaScript's `encodeURI`, which takes the text for a whole address.
pub(crate) fn encode_uri(text: &str) -> String {
    escaped(text, b"-_.!~*'();/?:@&=+$,#")
}

/// Grafana's format `percentencode`, which leaves `|` (grafana#55648).
pub(crate) fn grafana_percentencode(text: &str) -> String {
    escaped(text, b"-_.~|")
}

/// Grafana's format `uriencode`, which data links use where a template names no other.
pub(crate) fn grafana_uriencode(text: &str) -> String {
    escaped(text, b"-_.~;/?:@&=+$,#")
}

/// Java's `URLEncoder`.
pub(crate) fn java_url_encoder(text: &str) -> String {
    escaped(text, b"-_.* ").replace(' ', "+")
}

/// Ruby's `CGI.escape`, which is Liquid's `url_encode`.
pub(crate) fn ruby_cgi_escape(text: &str) -> String {
    escaped(text, b"-_.~ ").replace(' ', "+")
}

/// How a browser fills a search engine's template in.
pub(crate) fn search_terms(text: &str) -> String {
    encode_uri_component(text).replace("%20", "+")
}

/// The address that Slack opens for this one in a message, `<address|text>`, once a bot has escaped it.
pub(crate) fn slack_link(address: &str) -> String {
    let message = address.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let message = format!("<{message}|Open conversation>");
    let link = message.trim_start_matches('<').split(['|', '>']).next().unwrap();
    link.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The address in the attribute `href` of HTML into which SQL has put this one.
pub(crate) fn html_attribute(address: &str) -> String {
    address.split('"').next().unwrap().to_owned()
}

/// The link that a program makes of an address in plain text.
pub(crate) fn link_in_plain_text(address: &str) -> String {
    let ends = |char: char| char.is_whitespace() || matches!(char, '"' | '<' | '>');
    address.split(ends).next().unwrap().to_owned()
}

/// Percent-encodes everything but ASCII letters, digits and these.
fn escaped(text: &str, kept: &[u8]) -> String {
    let escape = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
