//! `[server]`: listeners, connections and shutdown.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::urls;
use crate::settings::value::{Parsed, list, of_text, optional, parsed, positive, whole, zero_or_more};

/// The longest contact, in bytes: one line of a page.
const MAX_CONTACT: usize = 256;

/// More than a process can usually open.
const MAX_CONNECTIONS: usize = 1_000_000;

/// More threads than any machine has processors for.
const MAX_WORKERS: usize = 1024;

/// A range with a shorter prefix than these is a whole network, not just the proxies in it.
const NARROW_V4: u8 = 16;
const NARROW_V6: u8 = 48;

const NOT_AN_ADDRESS: &str = "not an address and port such as [::]:8080 or 127.0.0.1:8080";
const NOT_A_RANGE: &str = "not an address or range such as 10.0.0.7 or 10.0.0.0/24";

/// Listeners, connections and shutdown.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address and port of the public listener.
    pub listen: SocketAddr,
    /// Address and port of the management listener; never that of the public one, unless the system picks the port.
    pub management_listen: SocketAddr,
    /// The prefix of every route: empty, or `/` and segments without a trailing slash.
    pub base_path: String,
    /// The address that users see, without user, query, fragment and trailing slash.
    pub public_url: Option<Url>,
    /// The contact for help: an `https:` or `mailto:` address, or a text of one line, at most 256 bytes.
    pub contact: Option<String>,
    /// Peers whose `x-forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Open connections of the public listener, 1 to 1,000,000.
    pub max_connections: usize,
    /// Time for the first request head of a connection.
    pub header_timeout: Duration,
    /// The longest pause between two requests of a connection.
    pub idle_timeout: Duration,
    /// From a complete head to the last byte written. Longer than `nebuly.deadline`.
    pub request_timeout: Duration,
    /// The time after SIGTERM before listeners close; may be zero.
    pub drain_delay: Duration,
    /// The time after that for open requests to finish; may be zero.
    pub drain_timeout: Duration,
    /// Worker threads: never 0, which has been replaced by the number of processors.
    pub workers: usize,
}

impl ServerSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        let settings = Self {
            listen: reader.read("server.listen", of_text(parsed(NOT_AN_ADDRESS)))?,
            management_listen: reader.read("server.management_listen", of_text(parsed(NOT_AN_ADDRESS)))?,
            base_path: reader.read("server.base_path", of_text(base_path))?,
            public_url: reader.read("server.public_url", optional(urls::base))?,
            contact: reader.read("server.contact", optional(contact))?,
            trusted_proxies: reader.read("server.trusted_proxies", list(range))?,
            max_connections: reader.read("server.max_connections", whole(1..=MAX_CONNECTIONS))?,
            header_timeout: reader.read("server.header_timeout", positive())?,
            idle_timeout: reader.read("server.idle_timeout", positive())?,
            request_timeout: reader.read("server.request_timeout", positive())?,
            drain_delay: reader.read("server.drain_delay", zero_or_more())?,
            drain_timeout: reader.read("server.drain_timeout", zero_or_more())?,
            workers: available(reader.read("server.workers", whole(0..=MAX_WORKERS))?),
        };
        settings.check(reader);
        Ok(settings)
    }

    /// Checks the rules between settings of this section.
    fn check(&self, reader: &mut SettingReader<'_>) {
        if collide(self.listen, self.management_listen) {
            let message = "server.listen and server.management_listen take the same port of the same address";
            reader.refuse(&["server.management_listen", "server.listen"], message);
        }
        if let Some(url) = &self.public_url
            && !url.path().trim_end_matches('/').ends_with(&self.base_path)
        {
            let message = "server.public_url is complete, so its path must end with server.base_path";
            reader.refuse(&["server.public_url", "server.base_path"], message);
        }
        for (index, _) in self.trusted_proxies.iter().enumerate().filter(|(_, range)| is_wide(range)) {
            let message = format!(
                "item {} is wider than /{NARROW_V4} (IPv6: /{NARROW_V6}): whoever is in it can take any identity and any \
                 address",
                index + 1
            );
            reader.warn("server.trusted_proxies", message);
        }
    }
}

/// Returns true if the second of two listeners could not bind. `[::]` takes IPv4 too.
pub(in crate::settings) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |one: IpAddr, other: IpAddr| match one {
        IpAddr::V4(address) => address.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    let (a, b) = (one.ip(), other.ip());
    one.port() != 0 && one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

/// Parses a sub-path that is written the same in a URL, in a route and in a proxy's configuration.
fn base_path(text: &str) -> Parsed<String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let plain = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(unreserved)
    };
    let is_plain = path.is_empty() || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    is_plain
        .then(|| path.to_owned())
        .ok_or("not a path such as /nebuly, of letters, digits, hyphens, dots, underscores and tildes".into())
}

/// Parses a link that a page may have, or a text.
fn contact(text: &str) -> Parsed<String> {
    let is_link = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = match text.split_once(':') {
        // Pages show it to everybody, a password too.
        Some(("https", _)) => is_link(text) && urls::http(text).is_some_and(|url| !has_credentials(&url)),
        Some(("mailto", address)) => is_link(text) && address.contains('@'),
        _ => !text.contains(char::is_control),
    };
    (fits && text.len() <= MAX_CONTACT).then(|| text.to_owned()).ok_or(
        "not an address such as https://help.example or mailto:help@example.com, or a short text".into(),
    )
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Parses a range, or one address as a range of one.
fn range(text: &str) -> Parsed<IpNet> {
    let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range.map_err(|_| NOT_A_RANGE.into())
}

/// Returns true if a range is so wide that more than proxies is in it.
fn is_wide(range: &IpNet) -> bool {
    const MAPPED: u8 = 96;
    match range {
        IpNet::V4(range) => range.prefix_len() < NARROW_V4,
        // IPv4 addresses written as IPv6 ones.
        IpNet::V6(range) if range.prefix_len() >= MAPPED && range.addr().to_ipv4_mapped().is_some() => {
            range.prefix_len() < MAPPED + NARROW_V4
        }
        IpNet::V6(range) => range.prefix_len() < NARROW_V6,
    }
}

/// Replaces 0 by the number of processors that this process may use.
fn available(workers: usize) -> usize {
    match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}
