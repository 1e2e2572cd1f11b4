//! The rate limit: one caller costs Nebuly no more calls, however many ids it guesses and whatever it claims to be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::connection::Connection;
use crate::support::{Nebulink, settings_with, stand_in, stand_in_with};
use nebulink::demo::Fault;
use tokio::task::JoinSet;
use uuid::Uuid;

/// For how many seconds ids are guessed; a few of them show the same as many.
const SECONDS: &str = "NEBULINK_LIMITS_SECONDS";

/// The number of projects: one resolution may cost a call to each.
const PROJECTS: usize = 20;

const RATE: usize = 20;
const BURST: usize = 100;

/// How many addresses a caller invents for each of its requests, and in how many requests.
const HOPS: usize = 10;
const FORGED_REQUESTS: usize = 2_000;

/// The most calls that a caller with a full bucket may cost within these seconds.
const fn allowed(seconds: usize, resolution: usize) -> usize {
    BURST + seconds * RATE + resolution
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
        let (began, mut passed) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs_f64(seconds) {
            for _ in 0..2 * BURST {
                let target = format!("/i/{}{query}", Uuid::from_u128(fastrand::u128(..)));
                *statuses.entry(connection.get(&target, &[]).await.status).or_default() += 1;
            }
            nebulink.clock.advance(Duration::from_secs(1));
            passed += 1;
        }
        let (calls, allowed) = (stand_in.call_count(), allowed(passed, PROJECTS));
        println!("{query:12} {seconds} s: {calls} calls of {allowed} allowed, answers {statuses:?}");
        assert!(calls <= allowed, "{query}: {calls} > {allowed}");
        assert!(calls >= BURST, "{query}: {calls}");
        assert!(statuses.keys().eq(&[404, 429]), "{query}: {statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cold_links_at_once_cost_no_more_calls_than_one_after_the_other() {
    // Texts are asked for in all projects at once, UUIDs in one project after the other.
    let uuid: fn(usize) -> String = |link| Uuid::from_u128(link as u128).to_string();
    let text: fn(usize) -> String = |link| format!("unknown-{link}");
    for (projects, id) in [(1, text), (2, text), (2, uuid)] {
        let stand_in = stand_in_with(projects).await;
        // Slow, so that all of them are under way before the first is answered.
        stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(300))));
        let limits = [("limits.cold_per_second", "20"), ("limits.cold_burst", "100")];
        let nebulink = Nebulink::start_with(&settings_with(&stand_in, projects, &limits)).await;
        let mut callers = JoinSet::new();
        let began = Instant::now();
        for link in 0..5 * BURST {
            let (mut connection, id) = (Connection::to(nebulink.address), id(link));
            callers.spawn(async move { connection.get(&format!("/c/{id}"), &[]).await.status });
        }
        let mut statuses = BTreeMap::<u16, usize>::new();
        for status in callers.join_all().await {
            *statuses.entry(status).or_default() += 1;
        }
        // A resolution that has begun waits for the tokens of its further calls, in real time.
        let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
        let (calls, allowed) = (stand_in.call_count(), allowed(seconds, projects));
        println!("{projects} projects: {calls} calls of {allowed} allowed, answers {statuses:?}");
        assert!((BURST..=allowed).contains(&calls), "{projects}: {calls} > {allowed}");
        assert!(statuses.keys().all(|status| [404, 429].contains(status)), "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_are_asked_for_many_times_at_once_cost_one_token_each() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(100))));
    let limits = [("limits.cold_per_second", "1"), ("limits.cold_burst", "5")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    let mut callers = JoinSet::new();
    for request in 0..100 {
        let id = format!("link-{}", request % 5);
        stand_in.add_conversation(crate::support::KEY, &id);
        let mut connection = Connection::to(nebulink.address);
        callers.spawn(async move { connection.get(&format!("/c/{id}"), &[]).await.status });
    }
    assert!(callers.join_all().await.into_iter().all(|status| status == 302));
    assert_eq!(stand_in.call_count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_of_a_known_link_is_answered_without_a_call_once_the_balance_is_spent() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(crate::support::KEY, "abc");
    let limits = [("limits.cold_per_second", "20"), ("limits.cold_burst", "100")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    let mut connection = Connection::to(nebulink.address);
    for _ in 0..5 * BURST {
        assert_eq!(connection.get("/c/abc?refresh", &[]).await.status, 302);
    }
    let (calls, allowed) = (stand_in.call_count(), allowed(0, 1));
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
        let (calls, allowed) = (stand_in.call_count(), allowed(0, 4));
        println!("{FORGED_REQUESTS} requests: {calls} calls of {allowed} allowed");
        assert!((BURST..=allowed).contains(&calls), "trusted {trusted:?}: {calls} > {allowed}");
    }
}
