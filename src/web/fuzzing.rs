//! The properties of ids and headers as a caller sends them.

#![expect(clippy::unwrap_used, reason = "that a property does not hold is said by a panic")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TraceState;
use parking_lot::Mutex;
use url::Url;

use super::caller::{Access, AccessRule, Authenticator, RequestCaller};
use super::observability::TraceParent;
use super::parameters::{Parameters, id_in_path, id_in_query};
use super::request_head::RequestHead;
use crate::domain::{
    AllowedHosts, Caller, CallerKey, Callers, FairnessKey, IdCandidates, IdText, Item, Kind, LazyCaller as _,
    Unlimited,
};

/// The host of pasted addresses.
const ALLOWED_HOST: &str = "v2.platform.eu.nebuly.com";

/// Every item that a text may mean, read as a query, as the end of a path, and as it is.
pub(crate) fn meanings(input: &str) -> Vec<Item<'static>> {
    let raw = Parameters::parse(Some(input)).ok().and_then(|parameters| parameters.raw_id().ok());
    let in_query = raw.and_then(|raw| id_in_query(raw).ok());
    let texts = [in_query, id_in_path(input).ok(), Some(IdText::from(input))];
    let mut hosts = AllowedHosts::default();
    hosts.allow(ALLOWED_HOST).unwrap();
    let mut items = Vec::new();
    for text in texts.into_iter().flatten() {
        for kind in [Kind::Interaction, Kind::Conversation] {
            let Ok(candidates) = IdCandidates::of_kind(kind, text.clone()) else { continue };
            assert_eq!(candidates.first().kind(), kind);
            match kind {
                Kind::Interaction => assert!(candidates.others().is_empty(), "{candidates:?}"),
                Kind::Conversation => {
                    assert_eq!(candidates.first().id(), text.decoded, "it is asked for as it is");
                    assert!(candidates.others().len() <= 1, "{candidates:?}");
                }
            }
            items.extend(all(&candidates));
        }
        if let Ok(candidates) = IdCandidates::of_any_kind(text.clone(), &hosts) {
            assert!(candidates.others().len() <= 2, "{candidates:?}");
            if candidates.kind_was_named() {
                let page = Url::parse(text.decoded.trim()).unwrap();
                assert_eq!(page.host_str(), Some(ALLOWED_HOST), "{text:?}");
            }
            items.extend(all(&candidates));
        }
    }
    items
}

fn all(candidates: &IdCandidates<'_>) -> Vec<Item<'static>> {
    let mut items = candidates.others();
    assert!(!items.contains(candidates.first()), "{candidates:?}");
    items.push(candidates.first().clone().into_owned());
    items
}

/// The caller's address is the one that the nearest hops wrote, whatever stands to the left of it. A trace's parent is
/// exactly its bytes, and its state is well formed and short.
///
/// Each line of the input is a line of the header.
pub fn headers(input: &[u8]) {
    let lines: Result<Vec<_>, _> = input.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes).collect();
    let Ok(lines) = lines else { return };
    forwarded(&lines);
    trace_parent(&lines);
}

/// `10.0.0.1` is a trusted proxy, as every address that begins with `10.` is.
fn forwarded(lines: &[HeaderValue]) {
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let untrusted = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let person = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    let with = |more: &'static str| {
        let mut lines = lines.to_vec();
        lines.push(HeaderValue::from_static(more));
        lines
    };
    assert_eq!(caller(untrusted, lines), untrusted, "nobody else is trusted");
    // An address that proxies append on the right counts, in a line of its own or in the last one.
    assert_eq!(caller(proxy, &with("203.0.113.9")), person);
    assert_eq!(caller(proxy, &with("203.0.113.9, 10.7.7.1 ,10.8.8.8")), person);
    let mut appended = lines.to_vec();
    if let Some(last) = appended.last_mut() {
        *last = HeaderValue::from_bytes(&[last.as_bytes(), b", 203.0.113.9"].concat()).unwrap();
        assert_eq!(caller(proxy, &appended), person);
    }
    // Hop by hop from the right: each is an address, and all but the last are trusted.
    let found = caller(proxy, lines);
    let elements = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let hops = elements.map_while(address);
    let mut nearest = proxy;
    for hop in hops {
        if !is_trusted(nearest) {
            break;
        }
        nearest = hop;
    }
    assert_eq!(found, nearest);
}

fn is_trusted(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

/// The address of an element, read in another way than the program does: by where brackets and the last colon are.
fn address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element.trim_ascii()).ok().filter(|text| text.len() <= 80)?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |text: &str| is_number(text) && text.parse::<u16>().is_ok();
    let address: IpAddr = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let ends_well = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            // A zone is for an address with a port alone.
            let is_zone = |text: &str| is_number(text) && text.parse::<u32>().is_ok();
            let without_zone = address.split_once('%').filter(|(_, zone)| !port.is_empty() && is_zone(zone));
            let address = without_zone.map_or(address, |(address, _)| address);
            IpAddr::V6(address.parse::<Ipv6Addr>().ok().filter(|_| ends_well)?)
        }
        None => match text.rsplit_once(':') {
            Some((address, port)) if !address.contains(':') => {
                IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
            }
            _ => text.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

/// The address by which a caller is known that comes from this peer with this header.
fn caller(peer: IpAddr, lines: &[HeaderValue]) -> IpAddr {
    let callers = Arc::new(AddressRecorder::default());
    let authenticator = Authenticator::new(Access {
        identity_header: None,
        api_tokens: None,
        cors_origins: Vec::new(),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        callers: Arc::<AddressRecorder>::clone(&callers),
    });
    let headers =
        lines.iter().map(|line| (HeaderName::from_static("x-forwarded-for"), line.clone())).collect();
    let head = RequestHead::of_peer(peer, headers);
    let principal = authenticator.authenticate(AccessRule::Identity, &head).unwrap();
    RequestCaller::new(&authenticator, &principal, &head).caller();
    let address = *callers.0.lock();
    address.unwrap()
}

/// Records the address that is looked up.
#[derive(Default)]
struct AddressRecorder(Mutex<Option<IpAddr>>);

impl Callers for AddressRecorder {
    fn of(&self, key: &CallerKey<'_>) -> Caller {
        if let CallerKey::Address(address) = key {
            *self.0.lock() = Some(*address);
        }
        Caller { fairness_key: FairnessKey::Caller(0), rate_limit: Arc::new(Unlimited) }
    }
}

/// The first line is the parent, all of them are the state.
fn trace_parent(lines: &[HeaderValue]) {
    let Some(line) = lines.first() else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("tracestate", line.clone());
    }
    headers.append("traceparent", line.clone());
    let parent = TraceParent::of(&headers);
    headers.append("traceparent", line.clone());
    assert_eq!(TraceParent::of(&headers), None, "it is there twice");

    let text = String::from_utf8_lossy(line.as_bytes());
    assert_eq!(parent.is_some(), is_trace_parent(&text), "{text}");
    let Some(parent) = parent else { return };
    let context = parent.to_context(&headers);
    assert!(context.is_valid() && context.is_remote());
    let known = format!("-{}-{}-", context.trace_id(), context.span_id());
    assert!(text.get(2..).is_some_and(|rest| rest.starts_with(&known)), "{text}");
    assert!((0.0..=1.0).contains(&parent.fraction()));
    let state = context.trace_state();
    assert!(state.header().len() <= 512);
    assert_eq!(state.header().parse::<TraceState>().as_ref().ok(), Some(state));
}

/// The grammar of W3C Trace Context, level 1, by positions.
fn is_trace_parent(text: &str) -> bool {
    let hex = |range| {
        let digits: Option<&str> = text.get(range);
        digits.filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let dashes = [2, 35, 52].into_iter().all(|at| text.as_bytes().get(at) == Some(&b'-'));
    let (Some(version), Some(trace), Some(span), Some(_)) = (hex(0..2), hex(3..35), hex(36..52), hex(53..55))
    else {
        return false;
    };
    let ends_well = match version {
        "00" => text.len() == 55,
        "ff" => false,
        _ => text.len() == 55 || text.as_bytes().get(55) == Some(&b'-'),
    };
    let is_zero = |digits: &str| digits.bytes().all(|byte| byte == b'0');
    dashes && ends_well && !is_zero(trace) && !is_zero(span)
}
