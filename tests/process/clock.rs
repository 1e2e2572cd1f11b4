//! A clock that jumps: known links go on, what is remembered for a while is remembered for that long, and the exit works.

use std::time::Duration;

use crate::support::{KEY, Nebulink, PATIENCE, request, stand_in};
use nebulink::app::Shutdown;
use nebulink::demo::{Fault, StandIn};

const HOUR: Duration = Duration::from_secs(3600);
const NEGATIVE_TTL: Duration = Duration::from_secs(15);
const HIT: Option<&str> = Some("nebulink; hit");
const STALE: Option<&str> = Some("nebulink; hit; detail=stale");
const NEGATIVE: Option<&str> = Some("nebulink; hit; detail=negative");

/// A running nebulink that knows the conversation `abc`.
async fn that_knows_a_link() -> (StandIn, Nebulink) {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
    stand_in.forget_calls();
    (stand_in, nebulink)
}

/// Asks until the answer comes fresh from the cache; every answer before is a redirect too.
async fn until_fresh(nebulink: &Nebulink, target: &str) {
    let asking = async {
        loop {
            let answer = nebulink.get(target).await;
            assert_eq!(answer.status, 302, "{answer:?}");
            if answer.header("cache-status") == HIT {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

#[tokio::test]
async fn known_links_probes_and_the_exit_go_on_whichever_way_the_clock_jumps() {
    let (stand_in, mut nebulink) = that_knows_a_link().await;
    let clock = nebulink.clock.clone();
    for jump in 0..6_usize {
        if jump % 3 == 1 {
            clock.set_back(2 * HOUR);
        } else {
            clock.set_forward(HOUR);
        }
        assert_eq!(nebulink.get("/c/abc").await.status, 302, "{jump}");
        let new = format!("new-{jump}");
        stand_in.add_conversation(KEY, &new);
        assert_eq!(nebulink.get(&format!("/c/{new}")).await.status, 302, "{jump}");
        assert_eq!(nebulink.get(&format!("/c/{new}")).await.header("cache-status"), HIT, "{jump}");
        for probe in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(request(nebulink.management, "GET", probe, &[]).await.status, 200, "{jump} {probe}");
        }
    }
    nebulink.stop(Shutdown::AtOnce);
    nebulink.stopped().await;
}

#[tokio::test]
async fn a_link_from_the_future_is_served_stale_and_refreshed_once() {
    let (stand_in, nebulink) = that_knows_a_link().await;
    nebulink.clock.set_back(HOUR);
    assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE);
    until_fresh(&nebulink, "/c/abc").await;
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_link_from_the_future_outlives_an_outage() {
    let (stand_in, nebulink) = that_knows_a_link().await;
    nebulink.clock.set_back(HOUR);
    stand_in.set_fault(Some(Fault::Drop));
    for _ in 0..10 {
        assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE);
    }
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn an_absence_lives_for_its_own_time_whichever_way_the_clock_jumps() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for back in [true, false] {
        stand_in.forget_calls();
        stand_in.remove(KEY, "late");
        nebulink.clock.advance(NEGATIVE_TTL);
        assert_eq!(nebulink.get("/c/late?refresh").await.status, 404);
        if back {
            nebulink.clock.set_back(HOUR);
        } else {
            nebulink.clock.set_forward(HOUR);
        }
        stand_in.add_conversation(KEY, "late");
        let calls = stand_in.call_count();
        nebulink.clock.advance(Duration::from_millis(14_999));
        assert_eq!(nebulink.get("/c/late").await.header("cache-status"), NEGATIVE, "{back}");
        assert_eq!(stand_in.call_count(), calls);
        nebulink.clock.advance(Duration::from_millis(1));
        assert_eq!(nebulink.get("/c/late").await.status, 302, "{back}");
        // For the next round: the link is neither fresh nor stale any more.
        nebulink.clock.advance(32 * 24 * HOUR);
    }
}

#[tokio::test]
async fn the_pause_after_a_failed_refresh_ends_in_its_time_although_the_clock_was_set_back() {
    let (stand_in, nebulink) = that_knows_a_link().await;
    nebulink.clock.advance(48 * HOUR);
    stand_in.set_fault(Some(Fault::Drop));
    // This caller waits until the refresh has failed.
    assert_eq!(nebulink.get("/c/abc?refresh").await.header("cache-status"), STALE);
    stand_in.set_fault(None);
    let calls = stand_in.call_count();
    nebulink.clock.set_back(HOUR);
    nebulink.clock.advance(Duration::from_millis(4_999));
    assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE);
    nebulink.clock.advance(Duration::from_millis(1));
    until_fresh(&nebulink, "/c/abc").await;
    assert_eq!(stand_in.call_count(), calls + 1);
}

#[tokio::test]
async fn a_snapshot_from_the_future_is_served_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.jsonl").display().to_string();
    let with_snapshot = [("cache.snapshot_file", path.as_str())];
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let mut nebulink = Nebulink::start(&stand_in, &with_snapshot).await;
    nebulink.clock.advance(HOUR);
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
    nebulink.stop(Shutdown::AtOnce);
    nebulink.stopped().await;
    stand_in.forget_calls();
    // Its clock shows what the other's did an hour before.
    let nebulink = Nebulink::start(&stand_in, &with_snapshot).await;
    assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE);
    until_fresh(&nebulink, "/c/abc").await;
    assert_eq!(stand_in.call_count(), 1);
}
