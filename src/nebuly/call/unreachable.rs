//! Why Nebuly gave no answer, for an operator: what the errors of the HTTP client say by their types.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use http::Uri;
use humantime::format_duration;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower::Service;
use url::Url;

use crate::http_client;
use crate::text::escaped;

/// The error of a tunnel through a proxy, which its library gives no name of its own.
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

/// The words of the standard library before the resolver's own words.
const LOOKUP_FAILED: &str = "failed to lookup address information: ";

/// Nebuly, or the proxy before it, gave no answer. `Display` says why, and shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The server that the path ends at.
    pub(super) peer: Peer,
    /// The reason.
    pub(super) cause: UnreachableCause,
}

/// A server on the path of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    host: String,
    port: u16,
    /// True for `nebuly.proxy`, false for Nebuly itself.
    is_proxy: bool,
}

/// The reason why a call gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnreachableCause {
    /// The name does not resolve, in the resolver's words.
    Name(String),
    /// The name did not resolve within this time.
    NameTimeout(Duration),
    /// The connection was refused.
    Refused,
    /// There is no route.
    NoRoute,
    /// No connection was made within this time.
    ConnectTimeout(Duration),
    /// A connection was made, but TLS, or the proxy's connection to Nebuly, was not ready within this time.
    HandshakeTimeout(Duration),
    /// The answer did not come within this time.
    AnswerTimeout(Duration),
    /// The connection was closed or reset before the answer was complete.
    Closed,
    /// No trusted authority has signed the certificate.
    UnknownAuthority,
    /// The certificate is for these names.
    OtherName(String),
    /// The certificate expired at the first time; the second one is now, by this machine's clock.
    Expired(Timestamp, Timestamp),
    /// The certificate will be valid at the first time; the second one is now, by this machine's clock.
    NotYetValid(Timestamp, Timestamp),
    /// The certificate cannot be used for another reason.
    Certificate(String),
    /// TLS was answered with something else.
    NotTls,
    /// TLS failed for another reason.
    Tls(String),
    /// The answer is not HTTP.
    NotHttp,
    /// The proxy wants other credentials, or any.
    ProxyCredentials,
    /// The proxy makes no connection to Nebuly.
    ProxyRefuses,
    /// Anything else, in the words of the library or the system.
    Other(String),
}

/// The network path to Nebuly.
#[derive(Debug)]
pub(in crate::nebuly) struct NetworkPath {
    pub(super) proxy: Option<Peer>,
    pub(super) connect_timeout: Duration,
}

impl NetworkPath {
    /// Finds out where a call to `url` that failed with this error has ended.
    pub(super) async fn diagnose(&self, url: &Url, error: &reqwest::Error) -> Unreachable {
        if error.is_timeout() && error.is_connect() {
            return self.timed_out(url, UnreachableCause::HandshakeTimeout(self.connect_timeout)).await;
        }
        let is_tunnel_error = |cause: &(dyn Error + 'static)| cause.is::<TunnelError>();
        let only_to_proxy =
            url.scheme() == "http" || error.is_dns() || http_client::causes(error).any(is_tunnel_error);
        let proxy = self.proxy.as_ref().filter(|_| only_to_proxy);
        let peer = proxy.cloned().unwrap_or_else(|| Peer::of(url, false));
        Unreachable { peer, cause: UnreachableCause::of(error) }
    }

    /// Finds out where a call to `url` got stuck, of which that is not known: takes its first steps again, name and
    /// connection. If both succeed, it is `otherwise`. Takes no longer than twice the time to connect.
    pub(super) async fn timed_out(&self, url: &Url, otherwise: UnreachableCause) -> Unreachable {
        let peer = self.proxy.clone().unwrap_or_else(|| Peer::of(url, false));
        let cause = self.stuck_before(&peer).await.unwrap_or(otherwise);
        Unreachable { peer, cause }
    }

    async fn stuck_before(&self, peer: &Peer) -> Option<UnreachableCause> {
        let limit = self.connect_timeout;
        let host = peer.host.trim_matches(['[', ']']);
        let addresses = match timeout(limit, lookup_host((host, peer.port))).await {
            Err(_elapsed) => return Some(UnreachableCause::NameTimeout(limit)),
            Ok(Err(error)) => return Some(UnreachableCause::of_name(&error)),
            Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        };
        match timeout(limit, TcpStream::connect(&*addresses)).await {
            Err(_elapsed) => Some(UnreachableCause::ConnectTimeout(limit)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Some(UnreachableCause::ConnectTimeout(limit))
            }
            Ok(Err(error)) => {
                Some(UnreachableCause::of_io(&error).unwrap_or_else(|| UnreachableCause::other(&error)))
            }
            Ok(Ok(_connected)) => None,
        }
    }
}

impl Peer {
    /// The server of a URL.
    pub(super) fn of(url: &Url, is_proxy: bool) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        Self { host, port: url.port_or_known_default().unwrap_or_default(), is_proxy }
    }
}

impl UnreachableCause {
    fn of(error: &reqwest::Error) -> Self {
        let innermost = http_client::causes(error).last().unwrap_or(error);
        if error.is_dns() {
            return Self::of_name(innermost);
        }
        http_client::causes(error).find_map(Self::of_cause).unwrap_or_else(|| Self::other(innermost))
    }

    /// One of the causes, unless it only says that there is another one.
    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<TunnelError>() {
            return match error {
                TunnelError::ProxyAuthRequired => Some(Self::ProxyCredentials),
                TunnelError::TunnelUnsuccessful => Some(Self::ProxyRefuses),
                TunnelError::TunnelUnexpectedEof => Some(Self::Closed),
                _ => None,
            };
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return match error {
                error if error.is_parse() => Some(Self::NotHttp),
                error if error.is_incomplete_message() => Some(Self::Closed),
                _ => None,
            };
        }
        Self::of_io(cause.downcast_ref()?)
    }

    /// Errors of TLS are wrapped in one or two of the system's.
    fn of_io(error: &io::Error) -> Option<Self> {
        if let Some(inner) = error.get_ref() {
            if let Some(error) = inner.downcast_ref() {
                return Some(Self::of_tls(error));
            }
            if let Some(error) = inner.downcast_ref() {
                return Self::of_io(error);
            }
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Some(Self::NoRoute),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Self::Closed),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            error => Self::Tls(escaped(&error.to_string())),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        let moment = |time: &UnixTime| {
            i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
        };
        let moments = |one, other| Some((moment(one)?, moment(other)?));
        let known = match error {
            CertificateError::UnknownIssuer => Some(Self::UnknownAuthority),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Some(Self::OtherName(escaped(&presented.join(", "))))
            }
            CertificateError::ExpiredContext { time, not_after } => {
                moments(not_after, time).map(|(end, now)| Self::Expired(end, now))
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                moments(not_before, time).map(|(start, now)| Self::NotYetValid(start, now))
            }
            _ => None,
        };
        known.unwrap_or_else(|| Self::Certificate(escaped(&error.to_string())))
    }

    fn of_name(error: &dyn Error) -> Self {
        let words = error.to_string();
        Self::Name(escaped(words.strip_prefix(LOOKUP_FAILED).unwrap_or(&words)))
    }

    fn other(error: &dyn Error) -> Self {
        Self::Other(escaped(&error.to_string()))
    }

    /// Returns true if time ran out.
    pub(super) const fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::NameTimeout(_)
                | Self::ConnectTimeout(_)
                | Self::HandshakeTimeout(_)
                | Self::AnswerTimeout(_)
        )
    }
}

impl Unreachable {
    /// Tells an operator how to go on, in a sentence or two.
    #[must_use]
    pub fn advice(&self) -> String {
        let setting = if self.peer.is_proxy { "nebuly.proxy" } else { "nebuly.api_base_url" };
        match &self.cause {
            UnreachableCause::Name(_) | UnreachableCause::NameTimeout(_) => {
                format!("Check the name in {setting}, and that this machine may ask its DNS server.")
            }
            UnreachableCause::Refused => {
                format!("Check host and port in {setting}. A firewall can refuse connections as well.")
            }
            UnreachableCause::NoRoute | UnreachableCause::ConnectTimeout(_) => {
                "Check what stands on the way: firewall, NetworkPolicy (egress), or a proxy that has to be used \
                 (nebuly.proxy)."
                    .to_owned()
            }
            UnreachableCause::HandshakeTimeout(_) if self.peer.is_proxy => {
                "Check that the proxy can reach Nebuly.".to_owned()
            }
            UnreachableCause::HandshakeTimeout(_) | UnreachableCause::AnswerTimeout(_) => {
                format!(
                    "Check that {setting} names the right port. If it does, Nebuly or what is in front of it is slow."
                )
            }
            UnreachableCause::Closed | UnreachableCause::Tls(_) | UnreachableCause::NotHttp | UnreachableCause::Other(_) => {
                format!("Check scheme, host and port in {setting}, and what is in front of that server.")
            }
            UnreachableCause::UnknownAuthority | UnreachableCause::Certificate(_) => {
                "If a private authority has signed it, or that of a proxy which opens TLS, nebuly.ca_file must name \
                 that authority's certificate. It replaces the public authorities."
                    .to_owned()
            }
            UnreachableCause::OtherName(_) => format!("Write one of its names into {setting}."),
            UnreachableCause::Expired(..) | UnreachableCause::NotYetValid(..) => {
                "Either the certificate has to be renewed, or the clock of this machine is wrong.".to_owned()
            }
            UnreachableCause::NotTls => format!("Check scheme and port in {setting}: https needs a port with TLS."),
            UnreachableCause::ProxyCredentials => {
                "Set nebuly.proxy with the right user and password: http://user:password@host:port.".to_owned()
            }
            UnreachableCause::ProxyRefuses => {
                "The proxy's own log says why. It has to allow CONNECT to Nebuly's host and port.".to_owned()
            }
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, cause } = self;
        let host = &peer.host;
        formatter.write_str(if peer.is_proxy {
            "Nebuly cannot be reached through the proxy: "
        } else {
            "Nebuly cannot be reached: "
        })?;
        match cause {
            UnreachableCause::Name(words) => write!(formatter, "the name {host} does not resolve ({words})"),
            UnreachableCause::NameTimeout(limit) => {
                write!(formatter, "the name {host} did not resolve within {}", format_duration(*limit))
            }
            UnreachableCause::Refused => write!(formatter, "nothing listens on {peer} (connection refused)"),
            UnreachableCause::NoRoute => write!(formatter, "there is no route to {peer}"),
            UnreachableCause::ConnectTimeout(limit) => {
                write!(formatter, "no connection to {peer} within {}", format_duration(*limit))
            }
            UnreachableCause::HandshakeTimeout(limit) => {
                let next = if peer.is_proxy { "its connection to Nebuly" } else { "TLS" };
                let limit = format_duration(*limit);
                write!(formatter, "{peer} accepts connections, but {next} was not ready within {limit}")
            }
            UnreachableCause::AnswerTimeout(limit) => {
                write!(
                    formatter,
                    "{peer} accepts connections, but did not answer within {}",
                    format_duration(*limit)
                )
            }
            UnreachableCause::Closed => write!(formatter, "{peer} closed the connection without an answer"),
            UnreachableCause::UnknownAuthority => {
                write!(formatter, "the certificate of {peer} is not signed by a trusted authority")
            }
            UnreachableCause::OtherName(names) => {
                write!(formatter, "the certificate of {peer} is for another name ({names})")
            }
            UnreachableCause::Expired(end, now) => {
                write!(formatter, "the certificate of {peer} expired at {end} (here it is {now})")
            }
            UnreachableCause::NotYetValid(start, now) => {
                write!(formatter, "the certificate of {peer} is not valid before {start} (here it is {now})")
            }
            UnreachableCause::Certificate(words) => {
                write!(formatter, "the certificate of {peer} cannot be used ({words})")
            }
            UnreachableCause::NotTls => write!(formatter, "{peer} does not answer in TLS"),
            UnreachableCause::Tls(words) => write!(formatter, "TLS with {peer} failed ({words})"),
            UnreachableCause::NotHttp => write!(formatter, "{peer} does not answer in HTTP"),
            UnreachableCause::ProxyCredentials => {
                write!(formatter, "{peer} wants a user and a password (407)")
            }
            UnreachableCause::ProxyRefuses => write!(formatter, "{peer} makes no connection to it"),
            UnreachableCause::Other(words) => write!(formatter, "{peer}: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that no test can bring about on every machine; tests/process/check.rs has the others.
    #[test]
    fn errors_of_the_network_are_told_apart_by_their_kind() {
        for (kind, cause) in [
            (io::ErrorKind::HostUnreachable, Some(UnreachableCause::NoRoute)),
            (io::ErrorKind::NetworkUnreachable, Some(UnreachableCause::NoRoute)),
            (io::ErrorKind::ConnectionReset, Some(UnreachableCause::Closed)),
            (io::ErrorKind::PermissionDenied, None),
        ] {
            assert_eq!(UnreachableCause::of_io(&kind.into()), cause);
            // As a connection with TLS wraps it.
            assert_eq!(UnreachableCause::of_io(&io::Error::other(io::Error::from(kind))), cause);
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_in_time_is_told_from_a_server_that_is_slow() {
        let peer = Peer::of(&Url::parse("https://nebuly.example/api").unwrap(), false);
        let unreachable =
            Unreachable { peer, cause: UnreachableCause::NameTimeout(Duration::from_millis(2500)) };
        assert_eq!(
            unreachable.to_string(),
            "Nebuly cannot be reached: the name nebuly.example did not resolve within 2s 500ms"
        );
        assert!(unreachable.advice().contains("DNS"), "{}", unreachable.advice());
    }

    #[test]
    fn no_word_of_a_server_moves_the_cursor() {
        let names = CertificateError::NotValidForNameContext {
            expected: "nebuly.example".try_into().unwrap(),
            presented: vec!["\u{1b}[2J".to_owned()],
        };
        assert_eq!(
            UnreachableCause::of_certificate(&names),
            UnreachableCause::OtherName("\\u{1b}[2J".to_owned())
        );
    }
}
