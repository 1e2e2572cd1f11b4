//! A flood of ids that Nebuly answers late and with 500: it slows down the caller that sends it, and no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::LOAD;
use crate::support::connection::Connection;
use crate::support::{KEY, Nebulink, PATIENCE, request, stand_in};
use http::StatusCode;
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use tokio::task::JoinSet;

/// How late a bad id is answered: within an attempt, so that it is no timeout.
const LATE: Duration = Duration::from_millis(1500);

/// The longest that a link of another caller may take: less than waiting for one of the late answers would.
const AT_ONCE: Duration = Duration::from_secs(1);

/// More requests at once than may be in flight and than one caller's share of those who wait.
const FLOOD: usize = 200;

/// The calls in flight, of the default 64, that one caller may hold.
const HELD: usize = 48;

/// Far more failed links than open a circuit.
const FAILED: usize = 60;

/// A caller who asks for bad ids alone, on many connections, until it is dropped.
struct Flood {
    answered: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Flood {
    fn on(address: SocketAddr) -> Self {
        let answered = Arc::new(AtomicUsize::new(0));
        let mut connections = JoinSet::new();
        for number in 0..FLOOD {
            let (mut connection, answered) = (Connection::to(address), Arc::clone(&answered));
            connections.spawn(async move {
                for round in 0.. {
                    let target = format!("/c/bad-{number}-{round}");
                    connection.get(&target, &[("x-forwarded-for", "203.0.113.9")]).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { answered, _connections: connections }
    }
}

/// Other callers who each open a few links that nobody has asked for; the longest that one took.
async fn others(nebulink: &Nebulink, stand_in: &StandIn, round: usize) -> Duration {
    let mut callers = JoinSet::new();
    for caller in 0..20 {
        let (mut connection, stand_in) = (Connection::to(nebulink.address), stand_in.clone());
        let from = format!("198.51.100.{caller}");
        callers.spawn(async move {
            let mut slowest = Duration::ZERO;
            for number in 0..5 {
                let id = format!("good-{round}-{caller}-{number}");
                stand_in.add_conversation(KEY, &id);
                let began = Instant::now();
                let answer = connection.get(&format!("/c/{id}"), &[("x-forwarded-for", &from)]).await;
                slowest = slowest.max(began.elapsed());
                let location = stand_in.url_of(KEY, StandInItem::from(id.as_str()));
                assert_eq!((answer.status, answer.header("location")), (302, Some(location.as_str())));
                // From Nebuly itself: not constructed, as while its circuit is open.
                let status = answer.header("cache-status");
                assert_eq!(status, Some("nebulink; fwd=miss; fwd-status=200; stored"));
            }
            slowest
        });
    }
    callers.join_all().await.into_iter().max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_others_are_resolved_at_once_during_a_flood_of_bad_ids() {
    let _turn = LOAD.write().await;
    let stand_in = stand_in().await;
    let fault = Box::new(Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    stand_in.set_fault_for(Matching::id_prefix("bad"), Fault::Late { by: LATE, fault });
    let settings = [
        ("server.trusted_proxies", "127.0.0.1"),
        ("limits.cold_per_second", "1000000"),
        ("limits.cold_burst", "1000000"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let flood = Flood::on(nebulink.address);
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(HELD)).await.unwrap();
    let while_all_are_held = others(&nebulink, &stand_in, 0).await;
    let enough_failed = async {
        while flood.answered.load(Ordering::Relaxed) < FAILED {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, enough_failed).await.unwrap();
    let after_many_failed = others(&nebulink, &stand_in, 1).await;
    println!(
        "slowest link of others: {while_all_are_held:?}, and {after_many_failed:?} once many had failed"
    );
    assert!(while_all_are_held.max(after_many_failed) < AT_ONCE);
    let metrics = request(nebulink.management, "GET", "/metrics", &[]).await.body;
    assert!(metrics.contains("nebulink_nebuly_circuit_open{project=\"default\"} 0\n"), "{metrics}");
}

/// The time that each link takes to be resolved while a flooder's links wait behind it.
const SLOW: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_a_link_that_waits_in_a_flooders_queue_does_not_wait_with_it() {
    const LINKS: usize = 200;
    let _turn = LOAD.write().await;
    let stand_in = stand_in().await;
    for link in 0..LINKS {
        stand_in.add_conversation(KEY, &format!("link-{link}"));
    }
    stand_in.set_fault(Some(Fault::Delay(SLOW)));
    let settings = [
        ("server.trusted_proxies", "127.0.0.1"),
        ("limits.cold_per_second", "1000000"),
        ("limits.cold_burst", "1000000"),
        ("nebuly.max_in_flight", "4"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let mut flood = JoinSet::new();
    for link in 0..LINKS {
        let mut connection = Connection::to(nebulink.address);
        let target = format!("/c/link-{link}");
        flood.spawn(async move { connection.get(&target, &[("x-forwarded-for", "203.0.113.9")]).await });
    }
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(4)).await.unwrap();
    // In the flooder's turn, most of these would be asked for after many times as long, or never.
    let mut connection = Connection::to(nebulink.address);
    for link in (0..LINKS).rev().take(3) {
        let began = Instant::now();
        let target = format!("/c/link-{link}");
        let answer = connection.get(&target, &[("x-forwarded-for", "198.51.100.7")]).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        assert!(began.elapsed() < 10 * SLOW, "{:?}", began.elapsed());
    }
    drop(flood);
}
