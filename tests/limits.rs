//! What one caller can cost Nebuly, however many ids it guesses and whatever it claims to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use support::connection::Connection;
use support::{Nebulink, settings_with, stand_in, stand_in_with};
use tokio::task::JoinSet;
use uuid::Uuid;

/// For how many seconds ids are guessed; a few of them show the same as many.
const SECONDS: &str = "NEBULINK_LIMITS_SECONDS";

/// What one resolution may cost.
const PROJECTS: usize = 20;

const RATE: usize = 20;
const BURST: usize = 100;

/// How many addresses a caller invents for each of its requests, and in how many requests.
const HOPS: usize = 10;
const FORGED_REQUESTS: usize = 2_000;

/// What a caller may cost within a time that began with a full balance.
fn allowed(began: Instant, resolution: usize) -> usize {
    BURST + usize::try_from(began.elapsed().as_secs()).unwrap() * RATE + RATE + resolution
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_ids_costs_no_more_calls_than_balance_rate_and_one_resolution() {
    let seconds = std::env::var(SECONDS).map_or(1.0, |seconds| seconds.parse().unwrap());
    for query in ["", "?refresh", "?noredirect"] {
        let stand_in = stand_in_with(PROJECTS).await;
        let limits = [("limits.cold_per_second", "20"), ("limits.cold_burst", "100")];
        let nebulink = Nebulink::start_with(&settings_with(&stand_in, PROJECTS, &limits)).await;
        let mut connection = Connection::to(nebulink.address);
        let mut statuses = BTreeMap::<u16, usize>::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs_f64(seconds) {
            let target = format!("/i/{}{query}", Uuid::from_u128(fastrand::u128(..)));
            *statuses.entry(connection.get(&target, &[]).await.status).or_default() += 1;
        }
        let (calls, allowed) = (stand_in.call_count(), allowed(began, PROJECTS));
        println!("{query:12} {seconds} s: {calls} calls of {allowed} allowed, answers {statuses:?}");
        assert!(calls <= allowed, "{query}: {calls} > {allowed}");
        assert!(calls >= BURST, "{query}: {calls}");
        assert!(statuses.keys().eq(&[404, 429]), "{query}: {statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_of_a_known_link_is_answered_without_a_call_once_the_balance_is_spent() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(support::KEY, "abc");
    let limits = [("limits.cold_per_second", "20"), ("limits.cold_burst", "100")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    let mut connection = Connection::to(nebulink.address);
    let began = Instant::now();
    for _ in 0..5 * BURST {
        assert_eq!(connection.get("/c/abc?refresh", &[]).await.status, 302);
    }
    let (calls, allowed) = (stand_in.call_count(), allowed(began, 1));
    assert!((BURST..=allowed).contains(&calls), "{calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_addresses_renew_no_balance() {
    // Whether the peer is believed or not: what stands left of the nearest untrusted hop is anybody's invention.
    for (trusted, nearest) in [("", None), ("127.0.0.1", Some("203.0.113.9"))] {
        let stand_in = stand_in().await;
        let limits = [
            ("limits.cold_per_second", "20"),
            ("limits.cold_burst", "100"),
            ("server.trusted_proxies", trusted),
        ];
        let nebulink = Nebulink::start(&stand_in, &limits).await;
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..4 {
            let mut connection = Connection::to(nebulink.address);
            callers.spawn(async move {
                for number in 0..FORGED_REQUESTS / 4 {
                    let forged =
                        std::iter::repeat_with(|| std::net::Ipv4Addr::from(fastrand::u32(..)).to_string());
                    let hops: Vec<_> = forged.take(HOPS).chain(nearest.map(str::to_owned)).collect();
                    let target = format!("/c/unknown-{caller}-{number}");
                    let answer = connection.get(&target, &[("x-forwarded-for", &hops.join(", "))]).await;
                    assert!([404, 429].contains(&answer.status), "{answer:?}");
                }
            });
        }
        callers.join_all().await;
        let (calls, allowed) = (stand_in.call_count(), allowed(began, 4));
        println!("{FORGED_REQUESTS} requests: {calls} calls of {allowed} allowed");
        assert!((BURST..=allowed).contains(&calls), "trusted {trusted:?}: {calls} > {allowed}");
    }
}
