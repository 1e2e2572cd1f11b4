//! Several projects: who is asked, who wins, and what `project=` changes.

use std::time::{Duration, Instant};

use crate::support::{Nebulink, PATIENCE, key_of, settings_with, stand_in_with};
use http::StatusCode;
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use uuid::Uuid;

/// One test is one caller, and asks for more than a caller may.
const UNLIMITED: [(&str, &str); 2] =
    [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];

async fn nebulink(stand_in: &StandIn, projects: usize) -> Nebulink {
    Nebulink::start_with(&settings_with(stand_in, projects, &UNLIMITED)).await
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0191_b7c4_5e52_7b60_9d6a_0000_0000_0000 + number)
}

#[tokio::test]
async fn with_twenty_projects_and_one_that_owns_nearly_all_links_a_cold_link_costs_about_one_call() {
    let stand_in = stand_in_with(20).await;
    for number in 0..100 {
        stand_in.add_interaction(&key_of(if number % 25 == 7 { 3 } else { 13 }), uuid(number));
    }
    let nebulink = nebulink(&stand_in, 20).await;
    nebulink.get(&format!("/i/{}", uuid(0))).await;
    stand_in.forget_calls();
    for number in 1..100 {
        assert_eq!(nebulink.get(&format!("/i/{}", uuid(number))).await.status, 302);
    }
    // Four links of another project: each costs a round of all, and so does the first one after it.
    let calls = stand_in.call_count();
    assert!((99..=99 + 8 * 19).contains(&calls), "{calls}");
    let usual: Vec<_> = (30..32).map(uuid).collect();
    stand_in.forget_calls();
    for id in &usual {
        nebulink.clock.advance(Duration::from_secs(40 * 24 * 3600));
        assert_eq!(nebulink.get(&format!("/i/{id}")).await.status, 302);
    }
    assert_eq!(stand_in.call_count(), 2);
}

#[tokio::test]
async fn absent_is_what_no_project_has_and_that_is_remembered() {
    let stand_in = stand_in_with(3).await;
    let nebulink = nebulink(&stand_in, 3).await;
    let target = format!("/i/{}", uuid(1));
    assert_eq!(nebulink.get(&target).await.status, 404);
    assert_eq!(stand_in.call_count(), 3);
    assert_eq!(nebulink.get(&target).await.header("cache-status"), Some("nebulink; hit; detail=negative"));
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn if_one_project_cannot_be_asked_it_is_that_error_and_only_that_one_is_asked_again() {
    let stand_in = stand_in_with(3).await;
    let nebulink = nebulink(&stand_in, 3).await;
    stand_in.set_fault_for(Matching::key(key_of(1)), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    for target in [format!("/i/{}", uuid(1)), "/c/own-text".to_owned()] {
        stand_in.forget_calls();
        assert_eq!(nebulink.get(&target).await.status, 502, "{target}");
        assert_eq!(stand_in.call_count(), 3, "{target}");
        stand_in.forget_calls();
        assert_eq!(nebulink.get(&target).await.status, 502, "{target}");
        let keys: Vec<_> = stand_in.calls().into_iter().filter_map(|call| call.key).collect();
        assert_eq!(keys, [key_of(1)], "{target}");
    }
    stand_in.clear_faults();
    stand_in.add_conversation(&key_of(1), "own-text");
    assert_eq!(nebulink.get("/c/own-text").await.status, 302);
    assert_eq!(nebulink.get(&format!("/i/{}", uuid(1))).await.status, 404);
}

#[tokio::test]
async fn a_project_that_hangs_or_fails_neither_hides_nor_delays_the_answer_of_another() {
    let stand_in = stand_in_with(5).await;
    let nebulink = nebulink(&stand_in, 5).await;
    stand_in.add_interaction(&key_of(0), uuid(0));
    nebulink.get(&format!("/i/{}", uuid(0))).await;
    for (number, fault) in
        [Fault::Hang, Fault::Drop, Fault::status(StatusCode::UNAUTHORIZED)].into_iter().enumerate()
    {
        // The project that is asked first is the one that fails.
        stand_in.set_fault_for(Matching::key(key_of(0)), fault.clone());
        let text = format!("text-{number}");
        let id = uuid(100 + u128::try_from(number).unwrap());
        stand_in.add_interaction(&key_of(4), id);
        stand_in.add_conversation(&key_of(4), &text);
        for target in [format!("/i/{id}"), format!("/c/{text}")] {
            let began = Instant::now();
            assert_eq!(nebulink.get(&target).await.status, 302, "{fault:?} {target}");
            // Far below the five seconds of an attempt.
            assert!(began.elapsed() < Duration::from_secs(3), "{fault:?} {target}");
        }
        stand_in.clear_faults();
    }
}

#[tokio::test]
async fn with_twenty_projects_one_that_hangs_delays_cold_links_far_less_than_an_attempt_takes() {
    let stand_in = stand_in_with(20).await;
    let nebulink = nebulink(&stand_in, 20).await;
    stand_in.add_interaction(&key_of(7), uuid(0));
    assert_eq!(nebulink.get(&format!("/i/{}", uuid(0))).await.status, 302);
    // The worst one: it is asked first.
    stand_in.set_fault_for(Matching::key(key_of(7)), Fault::Hang);
    let mut times = Vec::new();
    for number in 1..=9 {
        stand_in.add_interaction(&key_of(13), uuid(number));
        let began = Instant::now();
        assert_eq!(nebulink.get(&format!("/i/{}", uuid(number))).await.status, 302);
        times.push(began.elapsed());
    }
    println!("with one of 20 projects hanging: {times:?}");
    // The five seconds of an attempt are waited for by nobody, and the project that answers is asked first from then on.
    assert!(times.iter().all(|time| *time < Duration::from_secs(2)), "{times:?}");
    times.sort_unstable();
    assert!(times[times.len() / 2] < Duration::from_millis(300), "{times:?}");
}

#[tokio::test]
async fn a_text_that_several_projects_know_is_ambiguous_and_nobody_guesses() {
    let stand_in = stand_in_with(3).await;
    let nebulink = nebulink(&stand_in, 3).await;
    for project in [0, 2] {
        stand_in.add_conversation(&key_of(project), "ticket/1");
    }
    for _ in 0..2 {
        let answer = nebulink.get("/c/ticket%2F1").await;
        assert_eq!(answer.status, 409, "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:nebulink:ambiguous");
        let mut links: Vec<_> = problem["links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| {
                assert_eq!(
                    (&link["kind"], &link["id"], &link["state"]),
                    (&"conversation".into(), &"ticket/1".into(), &"resolved".into())
                );
                (link["project"].as_str().unwrap().to_owned(), link["url"].as_str().unwrap().to_owned())
            })
            .collect();
        links.sort_unstable();
        let url = |project| stand_in.url_of(&key_of(project), StandInItem::from("ticket/1"));
        assert_eq!(links, [("project-0".to_owned(), url(0)), ("project-2".to_owned(), url(2))]);
    }
    let page = nebulink.request("GET", "/c/ticket%2F1", &[("accept", "text/html")]).await;
    assert!(
        page.body.contains(r#"href="/go/conversation?id=ticket%2F1&#38;project=project-2""#),
        "{}",
        page.body
    );
    let chosen = nebulink.get("/c/ticket%2F1?project=project-2").await;
    assert_eq!(
        chosen.header("location"),
        Some(stand_in.url_of(&key_of(2), StandInItem::from("ticket/1")).as_str())
    );
}

#[tokio::test]
async fn a_choice_between_projects_is_cached_like_a_link() {
    let stand_in = stand_in_with(2).await;
    let ttl = [("cache.ttl", "1h"), ("cache.stale", "24h")];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &ttl)).await;
    for project in [0, 1] {
        stand_in.add_conversation(&key_of(project), "ticket");
    }
    let first = nebulink.get("/c/ticket").await;
    assert_eq!(first.header("cache-status"), Some("nebulink; fwd=miss; fwd-status=200; stored"));
    for _ in 0..3 {
        let again = nebulink.get("/c/ticket").await;
        assert_eq!((again.status, again.header("cache-status")), (409, Some("nebulink; hit")));
        assert_eq!(again.json()["links"], first.json()["links"]);
    }
    assert_eq!(stand_in.call_count(), 2);
    // Past its time it is answered at once, and asked for again behind.
    nebulink.clock.advance(Duration::from_secs(3600));
    let stale = nebulink.get("/c/ticket").await;
    assert_eq!((stale.status, stale.header("cache-status")), (409, Some("nebulink; hit; detail=stale")));
    stand_in.wait_for_calls(4).await;
    let refreshed = async {
        while nebulink.get("/c/ticket").await.header("cache-status") != Some("nebulink; hit") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refreshed).await.unwrap();
    assert_eq!(stand_in.call_count(), 4);
}

#[tokio::test]
async fn a_choice_lasts_until_one_of_its_projects_has_said_twice_that_the_item_is_gone() {
    let stand_in = stand_in_with(2).await;
    let ttl = [("cache.ttl", "1h"), ("cache.stale", "24h")];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &ttl)).await;
    for project in [0, 1] {
        stand_in.add_conversation(&key_of(project), "ticket");
    }
    assert_eq!(nebulink.get("/c/ticket").await.status, 409);
    // One project cannot be asked: it may still have the item.
    stand_in.set_fault_for(Matching::key(key_of(1)), Fault::Drop);
    nebulink.clock.advance(Duration::from_secs(3600));
    assert_eq!(nebulink.get("/c/ticket?refresh").await.status, 409);
    assert_eq!(nebulink.get("/c/ticket").await.status, 409);
    // Nor is it gone because its project may not be asked for it, or says once that it is not there.
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        stand_in.set_fault_for(Matching::key(key_of(1)), Fault::status(status));
        assert_eq!(nebulink.get("/c/ticket?refresh").await.status, 409, "{status}");
        assert_eq!(nebulink.get("/c/ticket").await.status, 409, "{status}");
    }
    nebulink.clock.advance(Duration::from_secs(60));
    let refreshed = nebulink.get("/c/ticket?refresh").await;
    let url = stand_in.url_of(&key_of(0), StandInItem::from("ticket"));
    assert_eq!((refreshed.status, refreshed.header("location")), (302, Some(url.as_str())));
    assert_eq!(nebulink.get("/c/ticket").await.header("location"), Some(url.as_str()));
}

#[tokio::test]
async fn a_link_is_not_exchanged_for_that_of_another_project_while_its_own_cannot_be_asked() {
    let stand_in = stand_in_with(2).await;
    let nebulink = nebulink(&stand_in, 2).await;
    stand_in.add_conversation(&key_of(0), "ticket");
    assert_eq!(nebulink.get("/c/ticket").await.status, 302);
    stand_in.add_conversation(&key_of(1), "ticket");
    stand_in.set_fault_for(Matching::key(key_of(0)), Fault::Drop);
    // Both are known to have it.
    assert_eq!(nebulink.get("/c/ticket?refresh").await.status, 409);
    assert_eq!(nebulink.get("/c/ticket").await.status, 409);
}

#[tokio::test]
async fn a_uuid_that_is_gone_from_its_project_is_asked_for_in_the_others() {
    let stand_in = stand_in_with(2).await;
    let nebulink = nebulink(&stand_in, 2).await;
    stand_in.add_interaction(&key_of(0), uuid(1));
    let target = format!("/i/{}", uuid(1));
    assert_eq!(nebulink.get(&target).await.status, 302);
    stand_in.add_interaction(&key_of(1), uuid(1));
    stand_in.set_fault_for(Matching::key(key_of(0)), Fault::status(StatusCode::NOT_FOUND));
    assert_eq!(nebulink.get(&format!("{target}?refresh")).await.status, 302);
    nebulink.clock.advance(Duration::from_secs(60));
    let moved = nebulink.get(&format!("{target}?refresh")).await;
    let url = stand_in.url_of(&key_of(1), StandInItem::from(uuid(1)));
    assert_eq!(moved.header("location"), Some(url.as_str()));
}

#[tokio::test]
async fn a_known_text_that_a_second_project_gets_becomes_ambiguous_with_its_refresh() {
    let stand_in = stand_in_with(2).await;
    let nebulink = nebulink(&stand_in, 2).await;
    stand_in.add_conversation(&key_of(0), "ticket");
    assert_eq!(nebulink.get("/c/ticket").await.status, 302);
    stand_in.add_conversation(&key_of(1), "ticket");
    assert_eq!(nebulink.get("/c/ticket").await.status, 302);
    assert_eq!(nebulink.get("/c/ticket?refresh").await.status, 409);
    assert_eq!(nebulink.get("/c/ticket").await.status, 409);
}

#[tokio::test]
async fn project_restricts_and_changes_nothing_for_callers_without_it() {
    let stand_in = stand_in_with(3).await;
    let nebulink = nebulink(&stand_in, 3).await;
    stand_in.add_conversation(&key_of(1), "ticket");
    // What it does not find, …
    assert_eq!(nebulink.get("/c/ticket?project=project-0").await.status, 404);
    assert_eq!(stand_in.calls().into_iter().filter_map(|call| call.key).collect::<Vec<_>>(), [key_of(0)]);
    stand_in.add_conversation(&key_of(0), "ticket");
    stand_in.add_conversation(&key_of(2), "ticket");
    nebulink.clock.advance(Duration::from_secs(15));
    // … and what it does.
    let found = nebulink.get("/c/ticket?project=project-2").await;
    assert_eq!(
        found.header("location"),
        Some(stand_in.url_of(&key_of(2), StandInItem::from("ticket")).as_str())
    );
    assert_eq!(nebulink.get("/c/ticket").await.status, 409);
    assert_eq!(
        nebulink.get("/c/ticket?project=project-2").await.header("cache-status"),
        Some("nebulink; hit")
    );
    for unknown in ["nobody", "", "%ff", "project-3", "PROJECT-1"] {
        let answer = nebulink.get(&format!("/c/ticket?project={unknown}")).await;
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (404, Some("urn:nebulink:unknown-project")),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn a_key_that_may_not_see_an_item_passes_the_question_on() {
    let stand_in = stand_in_with(2).await;
    let nebulink = nebulink(&stand_in, 2).await;
    stand_in.add_interaction(&key_of(1), uuid(1));
    stand_in.set_fault_for(Matching::key(key_of(0)), Fault::status(StatusCode::FORBIDDEN));
    assert_eq!(nebulink.get(&format!("/i/{}", uuid(1))).await.status, 302);
    assert_eq!(nebulink.get(&format!("/i/{}", uuid(2))).await.status, 404);
}
