//! The peers whose headers are trusted, and the caller's address behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

/// Each proxy appends the address of its client, on the right. The caller may have sent anything before that.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest element that is parsed, in bytes: above the longest address with brackets, zone and port.
const MAX_ELEMENT_LEN: usize = 80;

/// The ranges of `server.trusted_proxies`.
#[derive(Debug, Clone)]
pub(super) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(super) fn new(ranges: &[IpNet]) -> Self {
        Self(ranges.iter().copied().map(canonical).collect())
    }

    /// Returns true if the headers of this peer are trusted.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }

    /// The nearest hop that is not trusted; if all are, the farthest.
    ///
    /// The addresses to its left in the header were written by whoever is behind it, and are not read. The walk looks at
    /// each byte of the header once at most, and a head has no more than 16 KiB.
    pub(super) fn caller_behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
        let mut elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        while self.trust(nearest) {
            match elements.next().and_then(address) {
                Some(hop) => nearest = hop,
                None => break,
            }
        }
        nearest
    }
}

/// Returns true if a peer says that it forwards a request of somebody else.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR)
}

/// The address in an element: alone, or with a port; of IPv6 also in brackets.
fn address(element: &[u8]) -> Option<IpAddr> {
    let element = element.trim_ascii();
    if element.len() > MAX_ELEMENT_LEN {
        return None;
    }
    let text = std::str::from_utf8(element).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|with_port: SocketAddrV4| IpAddr::V4(*with_port.ip())))
        .or_else(|| text.parse().ok().map(|with_port: SocketAddrV6| IpAddr::V6(*with_port.ip())))
        .or_else(|| in_brackets().map(IpAddr::V6));
    address.map(|address: IpAddr| address.to_canonical())
}

/// A range of IPv4 addresses written as IPv6 ones, as the range that it is: peers are compared as IPv4.
fn canonical(range: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let mapped = match range {
        IpNet::V6(range) if range.prefix_len() >= MAPPED => {
            range.addr().to_ipv4_mapped().map(|address: Ipv4Addr| (address, range.prefix_len() - MAPPED))
        }
        _ => None,
    };
    mapped.and_then(|(address, len)| Ipv4Net::new(address, len).ok()).map_or(range, IpNet::V4)
}

#[cfg(test)]
#[path = "trusted_proxies_tests.rs"]
mod tests;
