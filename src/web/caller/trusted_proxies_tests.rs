//! The walk over `x-forwarded-for`.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::domain::{CallerKey, Callers as _, SystemClock};
use crate::limits::{RateLimiter, RateLimits};

fn proxies(ranges: &[&str]) -> TrustedProxies {
    TrustedProxies::new(&ranges.iter().map(|range| range.parse().unwrap()).collect::<Vec<_>>())
}

fn ours() -> TrustedProxies {
    proxies(&["10.0.0.0/8", "fd00::/8"])
}

fn forwarded<T: AsRef<[u8]>>(lines: &[T]) -> HeaderMap {
    let value = |line: &T| HeaderValue::from_bytes(line.as_ref()).unwrap();
    lines.iter().map(|line| (X_FORWARDED_FOR, value(line))).collect()
}

fn caller(peer: &str, lines: &[&str]) -> String {
    ours().caller_behind(peer.parse().unwrap(), &forwarded(lines)).to_string()
}

#[test]
fn the_caller_is_the_nearest_hop_that_is_not_trusted() {
    for (peer, lines, expected) in [
        // Nobody else is trusted.
        ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
        ("192.0.2.1", &[], "192.0.2.1"),
        ("::ffff:192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
        // From the right, over all lines, past trusted hops.
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.7, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.7,203.0.113.9", "fd00::1 ,\t10.2.2.2"], "203.0.113.9"),
        ("fd00::5", &["2001:db8::1"], "2001:db8::1"),
        // In each form.
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9, [::ffff:10.9.9.9]:80"], "203.0.113.9"),
        // All are trusted: the farthest.
        ("10.0.0.1", &["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        // An element that is not an address ends the walk; the hop before is the caller.
        ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.8"], "10.0.0.8"),
        ("10.0.0.1", &["203.0.113.9, , 10.0.0.8"], "10.0.0.8"),
        ("10.0.0.1", &["203.0.113.9", ""], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", &["[203.0.113.9]"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9:99999"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113"], "10.0.0.1"),
        ("10.0.0.1", &["\"203.0.113.9\""], "10.0.0.1"),
        ("10.0.0.1", &["_hidden"], "10.0.0.1"),
        ("10.0.0.1", &["[2001:db8::1"], "10.0.0.1"),
    ] {
        assert_eq!(caller(peer, lines), expected, "{peer} {lines:?}");
    }
}

#[test]
fn ranges_are_trusted_in_either_family_and_the_wide_ones_are_known() {
    let proxies = proxies(&[
        "10.0.0.0/8",
        "192.0.2.0/24",
        "::ffff:198.51.100.0/120",
        "fd00::/8",
        "fd00:1:2::/48",
        "::1/128",
    ]);
    for (address, trusted) in [
        ("10.200.0.1", true),
        ("::ffff:10.200.0.1", true),
        ("198.51.100.9", true),
        ("198.51.101.9", false),
        ("11.0.0.1", false),
        ("::1", true),
        ("2001:db8::1", false),
    ] {
        assert_eq!(proxies.trust(address.parse().unwrap()), trusted, "{address}");
    }
}

#[test]
fn forged_hops_and_headers_renew_no_balance() {
    let callers = RateLimiter::new(
        RateLimits { per_second: 1, burst: 5, overdraft: 0, capacity: 1_000 },
        Arc::new(SystemClock),
    );
    let peer = "10.0.0.1".parse().unwrap();
    let ours = ours();
    let began = Instant::now();
    let mut given = 0;
    for number in 0..200_000_u32 {
        // The proxy adds the caller's own address on the right, whatever came with the request.
        let forged = format!("{}, 2001:db8:{:x}::1", Ipv4Addr::from(number), number >> 8);
        let lines = [forged.as_str(), "198.51.100.7, 203.0.113.9"];
        let caller = callers.of(&CallerKey::Address(ours.caller_behind(peer, &forwarded(&lines))));
        if caller.rate_limit.try_acquire(1).is_ok() {
            given += 1;
        }
    }
    assert!(given <= 5 + began.elapsed().as_secs(), "{given}");
    // All of them in one header.
    let mut hops = "203.0.113.77,".repeat(200_000);
    hops.push_str("203.0.113.9");
    let caller = ours.caller_behind(peer, &forwarded(&[hops]));
    assert_eq!(caller.to_string(), "203.0.113.9");
}

/// An element as proxies write it, as callers forge it, or as nobody should.
fn element() -> impl Strategy<Value = String> {
    let address = any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).to_string());
    let trusted = any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::from([10, b, c, d]).to_string());
    let v6 = any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).to_string());
    let noise = "[ -+\\--~]{0,20}";
    prop_oneof![
        address.clone(),
        trusted,
        v6.clone(),
        address.prop_map(|address| format!("{address}:80")),
        v6.prop_map(|address| format!("[{address}]:80")),
        noise,
    ]
}

proptest! {
    /// Whatever a caller sends, its proxy appends the caller's own address: that alone is the key.
    #[test]
    fn a_forged_header_never_chooses_the_key(
        forged in prop::collection::vec(prop::collection::vec(element(), 0..6), 0..4),
        own_line in any::<bool>(),
        passed in 0_usize..3,
    ) {
        let mut lines: Vec<String> = forged.into_iter().map(|elements| elements.join(",")).collect();
        let mut appended = vec!["203.0.113.9".to_owned()];
        appended.extend((0..passed).map(|hop| format!("10.7.7.{hop}")));
        let appended = appended.join(", ");
        match lines.last_mut() {
            Some(last) if !own_line => *last = format!("{last}, {appended}"),
            _ => lines.push(appended),
        }
        let caller = ours().caller_behind("10.0.0.1".parse().unwrap(), &forwarded(&lines));
        prop_assert_eq!(caller.to_string(), "203.0.113.9");
    }

    #[test]
    fn no_header_makes_the_walk_panic(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        peer in any::<u32>(),
    ) {
        let lines: Vec<_> = lines.into_iter()
            .map(|line| line.into_iter().filter(|byte| *byte >= 32 && *byte != 127).collect::<Vec<u8>>())
            .collect();
        let _caller = ours().caller_behind(IpAddr::V4(Ipv4Addr::from(peer)), &forwarded(&lines));
        let _caller = proxies(&["0.0.0.0/0", "::/0"]).caller_behind(IpAddr::V4(Ipv4Addr::from(peer)), &forwarded(&lines));
    }

    /// A peer that is not trusted is its own key, whatever it sends.
    #[test]
    fn nobody_else_is_trusted(items in prop::collection::vec(element(), 0..8), last in any::<u8>()) {
        let peer = IpAddr::V4(Ipv4Addr::from([192, 0, 2, last]));
        prop_assert_eq!(ours().caller_behind(peer, &forwarded(&[items.join(",")])), peer);
    }
}
