//! Links that outlive their freshness, and Nebuly's outages.

use std::time::Duration;

use crate::support::{KEY, Nebulink, PATIENCE, key_of, settings_with, stand_in, stand_in_with};
use http::{HeaderValue, StatusCode};
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};

const DAY: Duration = Duration::from_secs(24 * 3600);
const STALE: Option<&str> = Some("nebulink; hit; detail=stale");
const HIT: Option<&str> = Some("nebulink; hit");

/// A running nebulink that knows the conversation `abc`, a day later.
async fn a_day_later() -> (StandIn, Nebulink) {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
    nebulink.clock.advance(DAY);
    stand_in.forget_calls();
    (stand_in, nebulink)
}

/// Asks until the answer comes about in this way.
async fn until(nebulink: &Nebulink, target: &str, status: Option<&str>) {
    let asking = async {
        while nebulink.get(target).await.header("cache-status") != status {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

#[tokio::test]
async fn a_stale_link_is_served_at_once_while_one_refresh_runs_behind_it() {
    let (stand_in, nebulink) = a_day_later().await;
    stand_in.set_fault(Some(Fault::Hold));
    for _ in 0..20 {
        let answer = nebulink.get("/c/abc").await;
        assert_eq!((answer.status, answer.header("cache-status")), (302, STALE));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    stand_in.release_held();
    until(&nebulink, "/c/abc", HIT).await;
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_is_not_tried_again_for_a_growing_pause() {
    for fault in [
        Fault::Drop,
        Fault::throttled(HeaderValue::from_static("1")),
        Fault::status(StatusCode::FORBIDDEN),
        Fault::status(StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (stand_in, nebulink) = a_day_later().await;
        stand_in.set_fault(Some(fault.clone()));
        assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE, "{fault:?}");
        tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
        for _ in 0..50 {
            assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE, "{fault:?}");
        }
        // Not one call for each request.
        assert_eq!(stand_in.call_count(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_text_that_one_project_has_and_another_cannot_be_asked_for_is_no_call_per_request() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(0), "ticket");
    stand_in.set_fault_for(Matching::key(key_of(1)), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    assert_eq!(nebulink.get("/c/ticket").await.status, 302);
    // The other one may have it, too: at the next use both are asked again.
    assert_eq!(nebulink.get("/c/ticket").await.header("cache-status"), STALE);
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(4)).await.unwrap();
    for _ in 0..50 {
        assert_eq!(nebulink.get("/c/ticket").await.header("cache-status"), STALE);
    }
    assert_eq!(stand_in.call_count(), 4);
    // After the pause of a refresh that failed once more, and once the other can be asked it is well.
    stand_in.clear_faults();
    nebulink.clock.advance(Duration::from_secs(5));
    until(&nebulink, "/c/ticket", HIT).await;
    assert_eq!(stand_in.call_count(), 6);
}

#[tokio::test]
async fn an_item_that_is_gone_twice_a_minute_apart_makes_a_stale_link_absent() {
    let (stand_in, nebulink) = a_day_later().await;
    stand_in.remove(KEY, "abc");
    assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), STALE);
    let gone = async {
        while nebulink.get("/c/abc").await.status == 302 {
            nebulink.clock.advance(Duration::from_secs(1));
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert_eq!(nebulink.get("/c/abc").await.status, 404);
    assert!(stand_in.call_count() >= 2);
}

#[tokio::test]
async fn a_link_that_is_older_than_both_times_is_asked_for_again() {
    let (stand_in, nebulink) = a_day_later().await;
    nebulink.clock.advance(30 * DAY);
    stand_in.set_fault(Some(Fault::Garbage));
    assert_eq!(nebulink.get("/c/abc").await.status, 502);
    stand_in.set_fault(None);
    assert_eq!(
        nebulink.get("/c/abc").await.header("cache-status"),
        Some("nebulink; fwd=miss; fwd-status=200; stored")
    );
}

#[tokio::test]
async fn an_item_that_is_not_there_yet_is_waited_for() {
    let stand_in = stand_in().await;
    stand_in.ingest_later(KEY, "late", Duration::from_millis(600));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.get("/c/late?wait=15s").await;
    assert_eq!(answer.status, 302, "{answer:?}");
    assert!(stand_in.calls_for("late") >= 2);
    assert_eq!(nebulink.get("/c/never?wait=400ms").await.status, 404);
    assert!(stand_in.calls_for("never") >= 2);
    let nebulink = Nebulink::start(&stand_in, &[("redirect.max_wait", "0s")]).await;
    stand_in.forget_calls();
    assert_eq!(nebulink.get("/c/never?wait=15s").await.status, 404);
    assert_eq!(stand_in.calls_for("never"), 1);
}

#[tokio::test]
async fn it_is_asked_for_a_last_time_when_the_time_is_up() {
    let stand_in = stand_in().await;
    // Between the pauses of 250 ms and 500 ms, after which it is not there yet, and the end of the wait, which cuts the
    // next pause of one second short.
    stand_in.ingest_later(KEY, "late", Duration::from_secs(1));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.get("/c/late?wait=1500ms").await;
    assert_eq!(answer.status, 302, "{answer:?}");
}

const SHORT: [(&str, &str); 3] =
    [("nebuly.connect_timeout", "200ms"), ("nebuly.attempt_timeout", "300ms"), ("nebuly.deadline", "900ms")];

#[tokio::test]
async fn in_an_outage_the_url_that_nebuly_would_give_is_built_from_learned_ids() {
    let stand_in = stand_in().await;
    for id in ["abc", "new/1"] {
        stand_in.add_conversation(KEY, id);
    }
    let uuid: uuid::Uuid = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e".parse().unwrap();
    stand_in.add_interaction(KEY, uuid);
    for fault in [
        Fault::Drop,
        Fault::Hang,
        Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::throttled(HeaderValue::from_static("9")),
    ] {
        stand_in.set_fault(None);
        let nebulink = Nebulink::start(&stand_in, &SHORT).await;
        assert_eq!(nebulink.get("/c/abc").await.status, 302);
        stand_in.set_fault(Some(fault.clone()));
        stand_in.forget_calls();
        for (target, item) in [
            ("/c/new%2F1".to_owned(), StandInItem::from("new/1")),
            (format!("/i/{uuid}"), StandInItem::from(uuid)),
        ] {
            let answer = nebulink.get(&target).await;
            assert_eq!(answer.status, 302, "{fault:?}: {answer:?}");
            assert_eq!(answer.header("location"), Some(stand_in.url_of(KEY, item).as_str()), "{fault:?}");
            assert_eq!(answer.header("cache-status"), Some("nebulink; detail=constructed"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert!(stand_in.call_count() <= 2, "built after the first failed attempt: {fault:?}");
        // The kind was not named: nothing is guessed.
        assert!(nebulink.get("/go/new%2F1").await.status >= 502, "{fault:?}");
    }
}

#[tokio::test]
async fn as_long_as_nothing_is_learned_nothing_is_built() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Drop));
    let nebulink = Nebulink::start(&stand_in, &SHORT).await;
    assert_eq!(nebulink.get("/c/abc").await.status, 502);
}

#[tokio::test]
async fn nothing_is_built_for_a_refused_key_or_a_bad_answer_or_if_it_is_switched_off() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    for (fault, further) in [
        (Fault::status(StatusCode::UNAUTHORIZED), [("redirect.on_outage", "construct")]),
        (Fault::Garbage, [("redirect.on_outage", "construct")]),
        (Fault::Drop, [("redirect.on_outage", "error")]),
    ] {
        let nebulink = Nebulink::start(&stand_in, &further).await;
        nebulink.get("/c/abc").await;
        stand_in.set_fault(Some(fault.clone()));
        assert_eq!(nebulink.get("/c/new").await.status, 502, "{fault:?}");
        stand_in.set_fault(None);
    }
}

#[tokio::test]
async fn nothing_is_learned_from_urls_of_another_form() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    stand_in.set_fault(Some(Fault::Url(format!(
        "{}/live?projectId=a&organizationId=b",
        stand_in.platform_url()
    ))));
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
    stand_in.set_fault(Some(Fault::Drop));
    assert_eq!(nebulink.get("/c/new").await.status, 502);
}

#[tokio::test]
async fn with_several_projects_a_url_is_built_only_where_the_project_is_named() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), &format!("own-{project}"));
        stand_in.add_conversation(&key_of(project), "new");
    }
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    for project in 0..2 {
        assert_eq!(nebulink.get(&format!("/c/own-{project}")).await.status, 302);
    }
    stand_in.set_fault(Some(Fault::Drop));
    assert_eq!(nebulink.get("/c/new").await.status, 502);
    let answer = nebulink.get("/c/new?project=project-1").await;
    assert_eq!(
        answer.header("location"),
        Some(stand_in.url_of(&key_of(1), StandInItem::from("new")).as_str())
    );
}
