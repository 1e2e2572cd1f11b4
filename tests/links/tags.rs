//! Look-ups by tag: where they lead, what they cost Nebuly, and what is remembered for an outage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{
    Answer, KEY, Nebulink, PATIENCE, key_of, request, settings_with, stand_in, stand_in_with,
};
use http::StatusCode;
use jiff::Timestamp;
use nebulink::demo::{CallKind, Fault, Interaction, Matching, StandIn};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The present of every test, in seconds: see `Nebulink::start_with`.
const NOW: i64 = 1_800_000_000;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const TAGS: (&str, &str) = ("lookup.tags", "ticket,Größe 1");

/// A browser, as far as `Accept` goes.
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

/// The time that a slow listing takes: longer than what a caller waits for an answer that is remembered.
const SLOW: Duration = Duration::from_millis(2300);

const ROBOT: (&str, &str) = ("user-agent", "Slackbot-LinkExpanding 1.0");

const HIT: Option<&str> = Some("nebulink; hit");
const STALE: Option<&str> = Some("nebulink; hit; detail=stale");
const STORED: Option<&str> = Some("nebulink; fwd=miss; fwd-status=200; stored");
const ASKED_FOR: Option<&str> = Some("nebulink; fwd=request; fwd-status=200; stored");
const ABSENT: Option<&str> = Some("nebulink; fwd=miss; fwd-status=404; stored");
const NEGATIVE: Option<&str> = Some("nebulink; hit; detail=negative");

/// The n-th interaction, in the n-th conversation.
fn tagged(n: u128, value: &str, age_in_seconds: i64) -> Interaction {
    Interaction {
        conversation_id: format!("chat {n}"),
        timestamp: Timestamp::from_second(NOW - age_in_seconds).unwrap(),
        tags: [("ticket".to_owned(), value.to_owned())].into(),
        ..Interaction::new(Uuid::from_u128(n))
    }
}

/// A stand-in in whose only project two interactions have the ticket 4711; the second is the newer.
async fn known() -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add(KEY, tagged(1, "4711", 2 * DAY));
    stand_in.add(KEY, tagged(2, "4711", DAY));
    stand_in.add(KEY, tagged(3, "4712", 0));
    stand_in
}

async fn nebulink(stand_in: &StandIn, further: &[(&str, &str)]) -> Nebulink {
    Nebulink::start(stand_in, &[&[TAGS, ("nebuly.retries", "0")], further].concat()).await
}

async fn nebulink_of(stand_in: &StandIn, projects: usize, further: &[(&str, &str)]) -> Nebulink {
    let further = [&[TAGS, ("nebuly.retries", "0")], further].concat();
    Nebulink::start_with(&settings_with(stand_in, projects, &further)).await
}

fn url_of(stand_in: &StandIn, n: u128) -> String {
    stand_in.url_of(KEY, Uuid::from_u128(n))
}

/// The URL of an item in one of several projects.
fn url_in(stand_in: &StandIn, project: usize, n: u128) -> String {
    stand_in.url_of(&key_of(project), Uuid::from_u128(n))
}

fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

fn listings() -> Matching {
    Matching::kind(CallKind::GetInteractions)
}

/// The questions to listings since calls were forgotten.
fn questions(stand_in: &StandIn) -> Vec<Value> {
    let calls = stand_in.calls();
    let listings = calls.iter().filter(|call| call.target.contains("/get-interaction"));
    listings.map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
}

#[track_caller]
fn assert_leads(answer: &Answer, url: &str, cache_status: Option<&str>) {
    assert_eq!((answer.status, answer.header("location")), (302, Some(url)), "{answer:?}");
    assert_eq!(answer.header("cache-status"), cache_status, "{answer:?}");
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["type"], format!("urn:nebulink:{kind}"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_tag_leads_to_the_newest_item_that_has_it() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let answer = nebulink.get("/go/tag/ticket/4711").await;
    assert_leads(&answer, &url_of(&stand_in, 2), STORED);
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
    assert!(answer.header("server-timing").is_some() && answer.body.is_empty());
    let conversation = stand_in.url_of(KEY, "chat 2");
    assert_leads(&nebulink.get("/go/tag/ticket/4711?kind=conversation").await, &conversation, STORED);
    assert_eq!(stand_in.call_count(), 4);
    let [interactions, conversations] = questions(&stand_in).try_into().unwrap();
    let day = |time: i64| Timestamp::from_second(time).unwrap();
    assert_eq!(interactions["filters"], json!([{"kind": "tag", "tag": "ticket", "values": ["4711"]}]));
    assert_eq!(interactions["filters"], conversations["filters"]);
    let times = ["start", "end"]
        .map(|end| interactions["time_range"][end].as_str().unwrap().parse::<Timestamp>().unwrap());
    assert_eq!(times, [day(NOW - 90 * DAY), day(NOW)]);
}

#[tokio::test]
async fn a_value_is_read_as_an_id_is_read() {
    let stand_in = stand_in().await;
    for (n, value) in (1..).zip(["a/b", "a b", "a+b", "a%2Fb", "ü", "tag", "a/"]) {
        stand_in.add(KEY, tagged(n, value, 0));
    }
    stand_in.add(
        KEY,
        Interaction { tags: [("Größe 1".to_owned(), "L".to_owned())].into(), ..tagged(9, "", HOUR) },
    );
    let nebulink = nebulink(&stand_in, &[("server.base_path", "/links")]).await;
    for (target, n) in [
        ("/go/tag/ticket/a/b", 1),
        ("/go/tag/ticket/a%2Fb", 1),
        ("/go/tag/ticket/a%2fb/", 1),
        ("/go/tag/ticket?value=a/b", 1),
        ("/go/tag/ticket/?value=a%2Fb", 1),
        ("/go/tag/tick%65t?other=1&value=a%2Fb&id=x", 1),
        ("/go/tag/ticket/a%20b", 2),
        ("/go/tag/ticket?value=a+b", 2),
        ("/go/tag/ticket/a+b", 3),
        ("/go/tag/ticket?value=a%2Bb", 3),
        ("/go/tag/ticket/a%252Fb", 4),
        ("/go/tag/ticket/%C3%BC", 5),
        ("/go/tag/ticket/tag", 6),
        ("/go/tag/ticket/a%2F", 7),
        ("/go/tag/ticket/a//", 7),
        ("/go/tag/Gr%C3%B6%C3%9Fe%201/L", 9),
        ("/go/tag/Gr%C3%B6%C3%9Fe%201?value=L", 9),
    ] {
        let answer = nebulink.get(&format!("/links{target}")).await;
        assert_eq!(answer.header("location"), Some(&*url_of(&stand_in, n)), "{target} {answer:?}");
    }
    let head = nebulink.request("HEAD", "/links/go/tag/ticket/%C3%BC", &[]).await;
    assert_leads(&head, &url_of(&stand_in, 5), HIT);
}

#[tokio::test]
async fn only_the_tags_of_the_settings_are_looked_up_and_only_by_get() {
    let stand_in = known().await;
    let with_tags = nebulink(&stand_in, &[]).await;
    let without = Nebulink::start(&stand_in, &[]).await;
    for target in [
        "/go/tag",
        "/go/tag/",
        "/go/tag?value=4711",
        "/go/tag?id=4711",
        "/go/tag/quote/4711",
        "/go/tag/Ticket/4711",
        "/go/tag/%ff/4711",
        "/go/tag//4711",
        "/go/tag/ticket%2F4711",
    ] {
        assert_problem(&with_tags.get(target).await, 404, "unknown-path");
        assert_problem(&with_tags.request("POST", target, &[]).await, 404, "unknown-path");
    }
    let unknown = without.get("/go/tag/ticket/4711").await;
    assert_problem(&unknown, 404, "unknown-path");
    assert_eq!(unknown.json()["title"], "There is no such tag");
    for target in ["/go/tag/ticket/4711", "/go/tag/ticket?value=4711", "/go/tag/ticket"] {
        let answer = with_tags.request("POST", target, &[]).await;
        assert_problem(&answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn what_nebuly_cannot_be_asked_for_costs_no_call() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let long = "x".repeat(513);
    for rest in [
        "",
        "?value=",
        "//",
        "/..",
        "/a/%2e%2e/b",
        "/a/%252e",
        "/a%0Ab",
        "/%ff",
        &format!("/{long}"),
        "?value=a&value=b",
        "/4711?kind=interactions",
        "/4711?kind=",
        "/4711?kind=interaction&kind=interaction",
        "/4711?at=",
        "/4711?at=now",
        "/4711?at=2026-11-20T10:00:00",
        "/4711?at=2026-11-20+10:00:00Z",
        "/4711?at=%ff",
        "/4711?at=1&at=1",
        "/4711?refresh=maybe",
    ] {
        assert_problem(&nebulink.get(&format!("/go/tag/ticket{rest}")).await, 400, "invalid-request");
    }
    assert_problem(&nebulink.get("/go/tag/ticket/4711?project=none").await, 404, "unknown-project");
    // Elsewhere they do nothing, but stand there once.
    stand_in.add_conversation(KEY, "abc");
    assert_eq!(nebulink.get("/c/abc?value=&kind=nonsense&at=nonsense").await.status, 302);
    for twice in ["value=a&value=a", "kind=a&kind=a", "at=a&at=a"] {
        assert_problem(&nebulink.get(&format!("/c/abc?{twice}")).await, 400, "invalid-request");
    }
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_pair_is_fresh_for_a_minute_and_then_asked_for_again() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/4711";
    nebulink.get(target).await;
    stand_in.add(KEY, tagged(5, "4711", HOUR));
    nebulink.clock.advance(Duration::from_millis(59_999));
    // Setting the clock changes nothing.
    nebulink.clock.set_forward(Duration::from_secs(3600));
    let hit = nebulink.get(target).await;
    assert_leads(&hit, &url_of(&stand_in, 2), HIT);
    assert!(hit.header("server-timing").is_none());
    assert_eq!(stand_in.call_count(), 2);
    nebulink.clock.advance(Duration::from_millis(1));
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 5), STORED);
    assert_eq!(stand_in.call_count(), 4);
    nebulink.clock.advance(Duration::from_secs(60));
    // The link of the item is fresh still: a look-up is no plain hit all the same.
    let answer = nebulink.get(target).await;
    assert_leads(&answer, &url_of(&stand_in, 5), STORED);
    assert!(answer.header("server-timing").is_some());
    assert_eq!((stand_in.call_count(), questions(&stand_in).len()), (5, 3));
}

#[tokio::test]
async fn the_item_shares_its_link_with_callers_who_name_its_id() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    nebulink.get("/go/tag/ticket/4711").await;
    let id = Uuid::from_u128(2);
    assert_leads(&nebulink.get(&format!("/i/{id}")).await, &url_of(&stand_in, 2), HIT);
    nebulink.get("/c/chat%202").await;
    assert_eq!(stand_in.call_count(), 3);
    nebulink.get("/go/tag/ticket/4711?kind=conversation").await;
    assert_eq!(stand_in.call_count(), 4);
}

#[tokio::test]
async fn an_absence_is_remembered_for_a_short_time() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/0815";
    let answer = nebulink.get(target).await;
    assert_problem(&answer, 404, "not-found");
    assert_eq!(answer.header("cache-status"), ABSENT);
    stand_in.add(KEY, tagged(8, "0815", 0));
    nebulink.clock.advance(Duration::from_millis(14_999));
    let answer = nebulink.get(target).await;
    assert_problem(&answer, 404, "not-found");
    assert_eq!(answer.header("cache-status"), NEGATIVE);
    assert_eq!(stand_in.call_count(), 1);
    nebulink.clock.advance(Duration::from_millis(1));
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 8), STORED);
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn an_item_that_is_listed_but_has_no_link_yet_is_not_found() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    stand_in.set_fault_for(Matching::kind(CallKind::Interaction).times(2), status(404));
    let answer = nebulink.get("/go/tag/ticket/4711").await;
    assert_problem(&answer, 404, "not-found");
    assert_eq!(answer.header("cache-status"), ABSENT);
    let answer = nebulink.get("/go/tag/ticket/4711").await;
    assert_eq!((answer.status, answer.header("cache-status")), (404, NEGATIVE));
    assert_leads(&nebulink.get("/go/tag/ticket/4711?wait=10s").await, &url_of(&stand_in, 2), ASKED_FOR);
}

#[tokio::test]
async fn in_an_outage_the_remembered_pair_is_used_for_a_day() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[("cache.ttl", "100d")]).await;
    let target = "/go/tag/ticket/4711";
    nebulink.get(target).await;
    let url = url_of(&stand_in, 2);
    nebulink.clock.advance(Duration::from_secs(60));
    for fault in [status(500), status(503), status(404), status(422), Fault::Drop, Fault::Garbage] {
        stand_in.forget_calls();
        stand_in.set_fault_for(listings(), fault.clone());
        let answer = nebulink.get(target).await;
        assert_leads(&answer, &url, STALE);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{fault:?}");
        assert_eq!(stand_in.call_count(), 1, "{fault:?}");
        let other = nebulink.get("/go/tag/ticket/0815").await;
        assert!([404, 502].contains(&other.status), "{fault:?} {other:?}");
        stand_in.clear_faults();
        nebulink.clock.advance(Duration::from_secs(60));
    }
    stand_in.set_fault_for(listings(), status(401));
    assert_leads(&nebulink.get(target).await, &url, STALE);
    // Not one failed look-up has made it any younger.
    nebulink.clock.advance(Duration::from_secs(24 * 3600 - 7 * 60));
    assert_problem(&nebulink.get(target).await, 502, "key-rejected");
}

#[tokio::test]
async fn a_list_without_rows_ends_what_is_remembered() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/4712";
    nebulink.get(target).await;
    nebulink.clock.advance(Duration::from_secs(60));
    stand_in.remove(KEY, Uuid::from_u128(3));
    assert_problem(&nebulink.get(target).await, 404, "not-found");
    nebulink.clock.advance(Duration::from_secs(60));
    stand_in.set_fault_for(listings(), status(500));
    assert_problem(&nebulink.get(target).await, 502, "unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_long_for_a_listing_if_an_answer_is_remembered() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/4711";
    nebulink.get(target).await;
    nebulink.clock.advance(Duration::from_secs(60));
    stand_in.add(KEY, tagged(5, "4711", HOUR));
    stand_in.set_fault_for(listings(), Fault::Hold);
    let began = Instant::now();
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 2), STALE);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // The look-up has gone on, for whoever comes next.
    let calls = stand_in.call_count();
    stand_in.release_held();
    let found = async {
        while nebulink.get(target).await.header("location") != Some(&*url_of(&stand_in, 5)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
    assert_eq!(stand_in.call_count(), calls + 1, "for the link of the new item alone");
}

#[tokio::test]
async fn an_outage_after_the_look_up_constructs_the_url() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    // The ids of the project are learned from another link.
    stand_in.add_conversation(KEY, "abc");
    nebulink.get("/c/abc").await;
    stand_in.set_fault_for(Matching::kind(CallKind::Interaction), status(500));
    let answer = nebulink.get("/go/tag/ticket/4711").await;
    assert_leads(&answer, &url_of(&stand_in, 2), Some("nebulink; detail=constructed"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("server-timing").is_some(), "the look-up cost a call: {answer:?}");
}

#[tokio::test]
async fn refresh_asks_for_tag_and_link_again_and_falls_back_to_what_is_known() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/4711?refresh";
    let answer = nebulink.get(target).await;
    assert_leads(&answer, &url_of(&stand_in, 2), ASKED_FOR);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    stand_in.add(KEY, tagged(5, "4711", HOUR));
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 5), ASKED_FOR);
    let no_cache = [("cache-control", "no-cache")];
    let answer = nebulink.request("GET", "/go/tag/ticket/4711", &no_cache).await;
    assert_leads(&answer, &url_of(&stand_in, 5), ASKED_FOR);
    assert_eq!(stand_in.call_count(), 6);
    stand_in.set_fault(Some(Fault::Drop));
    // As it is cached: fresh, then stale.
    for cache_status in [HIT, STALE] {
        let answer = nebulink.get(target).await;
        assert_leads(&answer, &url_of(&stand_in, 5), cache_status);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        nebulink.clock.advance(Duration::from_secs(60));
    }
    stand_in.clear_faults();
    stand_in.remove(KEY, Uuid::from_u128(2));
    stand_in.remove(KEY, Uuid::from_u128(5));
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 1), ASKED_FOR);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_what_is_cached_as_it_was() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let [known, absent] = ["/go/tag/ticket/4711", "/go/tag/ticket/0815"];
    nebulink.get(known).await;
    nebulink.get(absent).await;
    stand_in.forget_calls();
    stand_in.set_fault_for(listings(), status(422));
    assert_leads(&nebulink.get(&format!("{known}?refresh")).await, &url_of(&stand_in, 2), ASKED_FOR);
    stand_in.set_fault_for(listings(), status(500));
    assert_leads(&nebulink.get(&format!("{known}?refresh")).await, &url_of(&stand_in, 2), ASKED_FOR);
    for target in [&format!("{absent}?refresh"), absent] {
        let answer = nebulink.get(target).await;
        assert_problem(&answer, 404, "not-found");
        assert_eq!(answer.header("cache-status"), NEGATIVE);
    }
    assert_leads(&nebulink.get(known).await, &url_of(&stand_in, 2), HIT);
    assert_eq!(stand_in.call_count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_waits_for_a_slow_listing_though_an_answer_is_remembered() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    nebulink.get("/go/tag/ticket/4711").await;
    stand_in.add(KEY, tagged(5, "4711", HOUR));
    stand_in.set_fault_for(listings(), Fault::Delay(SLOW));
    let answer = nebulink.get("/go/tag/ticket/4711?refresh").await;
    assert_leads(&answer, &url_of(&stand_in, 5), ASKED_FOR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_look_up_takes_no_time_from_the_link() {
    let stand_in = known().await;
    // Less time is left of the deadline than a call has to have.
    let short = [("nebuly.attempt_timeout", "3s"), ("nebuly.deadline", "3s")];
    let nebulink = nebulink(&stand_in, &short).await;
    stand_in.set_fault_for(listings(), Fault::Delay(SLOW));
    assert_leads(&nebulink.get("/go/tag/ticket/4711").await, &url_of(&stand_in, 2), STORED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_waits_for_an_item_that_is_not_there_yet() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let address = nebulink.address;
    let waiting =
        tokio::spawn(async move { request(address, "GET", "/go/tag/ticket/0815?wait=20s", &[]).await });
    stand_in.wait_for_calls(2).await;
    stand_in.add(KEY, tagged(8, "0815", 0));
    let answer = waiting.await.unwrap();
    assert_leads(&answer, &url_of(&stand_in, 8), ASKED_FOR);
    assert_eq!(stand_in.calls_for(&Uuid::from_u128(8).to_string()), 1);
    assert_problem(&nebulink.get("/go/tag/ticket/0816?wait=300ms").await, 404, "not-found");
}

#[tokio::test]
async fn the_project_that_has_it_is_found_and_its_link_is_kept_for_it() {
    let stand_in = stand_in_with(3).await;
    stand_in.add(&key_of(1), tagged(1, "4711", DAY));
    let nebulink = nebulink_of(&stand_in, 3, &[]).await;
    assert_leads(&nebulink.get("/go/tag/ticket/4711").await, &url_in(&stand_in, 1, 1), STORED);
    assert_eq!((questions(&stand_in).len(), stand_in.call_count()), (3, 4));
    assert_leads(&nebulink.get("/go/tag/ticket/4711").await, &url_in(&stand_in, 1, 1), HIT);
    // With `project=` only that one is asked, and remembered for those who name it.
    assert_problem(&nebulink.get("/go/tag/ticket/4711?project=project-0").await, 404, "not-found");
    let answer = nebulink.get("/go/tag/ticket/4711?project=project-1").await;
    assert_leads(&answer, &url_in(&stand_in, 1, 1), STORED);
    assert_eq!(stand_in.call_count(), 6);
    assert_leads(&nebulink.get("/go/tag/ticket/4711").await, &url_in(&stand_in, 1, 1), HIT);
    assert_eq!(stand_in.call_count(), 6);
}

#[tokio::test]
async fn two_projects_that_know_the_tag_are_a_choice_which_costs_nothing_the_next_time() {
    let stand_in = stand_in_with(3).await;
    stand_in.add(&key_of(0), tagged(1, "4711/ü", DAY));
    stand_in.add(&key_of(2), tagged(2, "4711/ü", 2 * DAY));
    let nebulink = nebulink_of(&stand_in, 3, &[]).await;
    let target = "/go/tag/ticket/4711%2F%C3%BC?kind=interaction&noredirect";
    let answer = nebulink.get(target).await;
    assert_problem(&answer, 409, "ambiguous");
    assert_eq!(answer.header("cache-status"), STORED);
    let links = answer.json()["links"].clone();
    let of = |link: &Value, name: &str| link[name].as_str().unwrap().to_owned();
    let found: Vec<_> =
        links.as_array().unwrap().iter().map(|link| (of(link, "project"), of(link, "url"))).collect();
    let expected = |project: usize, n| (format!("project-{project}"), url_in(&stand_in, project, n));
    assert_eq!(found, [expected(0, 1), expected(2, 2)]);
    assert_eq!(stand_in.call_count(), 5);

    let page = nebulink.request("GET", target, &[BROWSER]).await;
    assert_eq!((page.status, page.header("cache-status")), (409, HIT));
    assert!(page.body.contains("<h1>Which project?</h1>"), "{}", page.body);
    for project in [0, 2] {
        let path = format!("/go/tag/ticket?value=4711%2F%C3%BC&project=project-{project}");
        let href = format!("href=\"{}&#38;noredirect\"", path.replace('&', "&#38;"));
        assert!(page.body.contains(&href), "{href} {}", page.body);
        let answer = nebulink.get(&path).await;
        assert_leads(&answer, &url_in(&stand_in, project, if project == 0 { 1 } else { 2 }), HIT);
    }
    assert_eq!(stand_in.call_count(), 5);
}

#[tokio::test]
async fn a_project_that_cannot_be_asked_hides_no_answer_of_another() {
    let stand_in = stand_in_with(3).await;
    stand_in.add(&key_of(1), tagged(1, "4711", DAY));
    stand_in.add(&key_of(2), tagged(2, "4712", DAY));
    let nebulink = nebulink_of(&stand_in, 3, &[]).await;
    stand_in.set_fault_for(Matching::key(key_of(2)), status(500));
    let target = "/go/tag/ticket/4711";
    // It is not certain, so it is asked for again the next time; what was said not to be there is not.
    for (calls, of) in [(4, [0, 1, 2].as_slice()), (2, &[1, 2])] {
        stand_in.forget_calls();
        let answer = nebulink.get(target).await;
        assert_leads(&answer, &url_in(&stand_in, 1, 1), STORED);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(stand_in.call_count(), calls);
        for project in of {
            assert!(stand_in.calls().iter().any(|call| call.key == Some(key_of(*project))), "{project}");
        }
    }
    // If nobody has it, the answer is the error, and only the project that failed is asked again.
    assert_problem(&nebulink.get("/go/tag/ticket/4712").await, 502, "unavailable");
    stand_in.forget_calls();
    assert_problem(&nebulink.get("/go/tag/ticket/4712").await, 502, "unavailable");
    assert_eq!(stand_in.call_count(), 1);
    stand_in.clear_faults();
    assert_leads(&nebulink.get("/go/tag/ticket/4712").await, &url_in(&stand_in, 2, 2), STORED);
}

#[tokio::test]
async fn a_project_that_cannot_be_asked_stands_as_it_last_answered() {
    let stand_in = stand_in_with(2).await;
    stand_in.add(&key_of(0), tagged(1, "4711", DAY));
    stand_in.add(&key_of(1), tagged(2, "4711", DAY));
    stand_in.add(&key_of(1), tagged(3, "4712", DAY));
    let nebulink = nebulink_of(&stand_in, 2, &[]).await;
    assert_problem(&nebulink.get("/go/tag/ticket/4711").await, 409, "ambiguous");
    assert_leads(&nebulink.get("/go/tag/ticket/4712").await, &url_in(&stand_in, 1, 3), STORED);
    nebulink.clock.advance(Duration::from_secs(60));
    stand_in.set_fault_for(listings().and_key(key_of(1)), status(500));
    assert_problem(&nebulink.get("/go/tag/ticket/4711").await, 409, "ambiguous");
    assert_leads(&nebulink.get("/go/tag/ticket/4712").await, &url_in(&stand_in, 1, 3), STALE);
    // It ends where its own project says so, and stays where the other does.
    stand_in.remove(&key_of(0), Uuid::from_u128(1));
    let answer = nebulink.get("/go/tag/ticket/4711?refresh").await;
    assert_leads(&answer, &url_in(&stand_in, 1, 2), STALE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_project_is_waited_for_since_it_may_have_an_item_too() {
    let stand_in = stand_in_with(2).await;
    stand_in.add(&key_of(0), tagged(1, "4711", DAY));
    stand_in.add(&key_of(1), tagged(2, "4711", DAY));
    let nebulink = nebulink_of(&stand_in, 2, &[]).await;
    stand_in.set_fault_for(listings().and_key(key_of(1)), Fault::Delay(SLOW));
    let target = "/go/tag/ticket/4711";
    let answer = nebulink.get(target).await;
    assert_problem(&answer, 409, "ambiguous");
    let calls = stand_in.call_count();
    let answer = nebulink.get(target).await;
    assert_problem(&answer, 409, "ambiguous");
    assert_eq!((answer.header("cache-status"), stand_in.call_count()), (HIT, calls));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_hangs_is_left_out_at_last_and_the_answer_without_it_is_not_kept() {
    let stand_in = stand_in_with(2).await;
    stand_in.add(&key_of(0), tagged(1, "4711", DAY));
    let short = [("nebuly.attempt_timeout", "1s"), ("nebuly.deadline", "2s")];
    let nebulink = nebulink_of(&stand_in, 2, &short).await;
    stand_in.set_fault_for(listings().and_key(key_of(1)), Fault::Hang);
    let target = "/go/tag/ticket/4711";
    let url = url_in(&stand_in, 0, 1);
    let began = Instant::now();
    let answer = nebulink.get(target).await;
    assert_leads(&answer, &url, STORED);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    stand_in.clear_faults();
    let answer = nebulink.get(target).await;
    assert_leads(&answer, &url, STORED);
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(questions(&stand_in).len(), 4);
    assert_leads(&nebulink.get(target).await, &url, HIT);
}

#[tokio::test]
async fn each_call_costs_a_token_and_a_look_up_that_has_begun_is_finished() {
    let stand_in = known().await;
    let poor = [("limits.cold_burst", "1"), ("limits.cold_per_second", "1")];
    let nebulink = nebulink(&stand_in, &poor).await;
    let target = "/go/tag/ticket/4711";
    // One token, two calls.
    assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 2), STORED);
    for _ in 0..3 {
        assert_leads(&nebulink.get(target).await, &url_of(&stand_in, 2), HIT);
    }
    let refused = nebulink.get("/go/tag/ticket/4712").await;
    assert_problem(&refused, 429, "rate-limited");
    assert_eq!(refused.header("retry-after"), Some("2"));
    // Without a token, a refresh is answered from the cache.
    assert_leads(&nebulink.get("/go/tag/ticket/4711?refresh").await, &url_of(&stand_in, 2), HIT);
    assert_eq!(stand_in.call_count(), 2);
    nebulink.clock.advance(Duration::from_secs(2));
    assert_leads(&nebulink.get("/go/tag/ticket/4712").await, &url_of(&stand_in, 3), STORED);
    assert_eq!(stand_in.call_count(), 4);
    nebulink.clock.advance(Duration::from_secs(2));
    for (target, cache_status) in [("/go/tag/ticket/0815", ABSENT), ("/go/tag/ticket/0815?refresh", NEGATIVE)]
    {
        let answer = nebulink.get(target).await;
        assert_problem(&answer, 404, "not-found");
        assert_eq!((answer.header("cache-status"), stand_in.call_count()), (cache_status, 5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_look_a_tag_up_at_once_it_is_searched_for_once() {
    const CALLERS: usize = 100;
    let stand_in = known().await;
    stand_in.set_fault_for(listings(), Fault::Hold);
    let nebulink = nebulink(&stand_in, &[]).await;
    let address = nebulink.address;
    // The one who leads leaves.
    let mut leader = TcpStream::connect(address).await.unwrap();
    leader.write_all(b"GET /go/tag/ticket/4711 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stand_in.wait_for_calls(1).await;
    drop(leader);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(async move { request(address, "GET", "/go/tag/ticket/4711", &[]).await });
    }
    // Another kind and another window are other look-ups.
    for other in ["?kind=conversation", "?at=1800000000"] {
        let target = format!("/go/tag/ticket/4711{other}");
        callers.spawn(async move { request(address, "GET", &target, &[]).await });
    }
    stand_in.wait_for_calls(3).await;
    stand_in.release_held();
    let url = url_of(&stand_in, 2);
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 302), "{answers:?}");
    let to_newest = answers.iter().filter(|answer| answer.header("location") == Some(&url)).count();
    assert_eq!(to_newest, CALLERS + 1);
    let searched = questions(&stand_in).iter().filter(|question| question.get("group_by").is_none()).count();
    assert_eq!((searched, stand_in.call_count()), (2, 5));
}

#[tokio::test]
async fn a_time_narrows_the_search_to_a_day_on_both_sides() {
    let stand_in = stand_in().await;
    for n in 1..=20 {
        stand_in.add(KEY, tagged(n, "4711", i64::try_from(n).unwrap() * DAY));
    }
    let nebulink = nebulink(&stand_in, &[]).await;
    let at = Timestamp::from_second(NOW - 10 * DAY).unwrap();
    let url = url_of(&stand_in, 9);
    let spaced = at.to_string().replace('Z', "+00:00");
    let targets = [
        at.to_string(),
        spaced.replace('+', "%2B"),
        // Its `+` is lost.
        spaced,
        at.as_second().to_string(),
        at.as_millisecond().to_string(),
        // Within the same hour.
        (at.as_second() + 1).to_string(),
    ]
    .map(|at| format!("/go/tag/ticket/4711?at={at}"));
    assert_leads(&nebulink.get(&targets[0]).await, &url, STORED);
    for target in &targets {
        // 1,800,000,000 is a full hour, so the last one has a window of its own.
        let answer = nebulink.get(target).await;
        assert_eq!(answer.header("location"), Some(&*url), "{target}");
    }
    let times: Vec<_> = questions(&stand_in).iter().map(|question| question["time_range"].clone()).collect();
    let expected = |end: &str| json!({"start": "2027-01-04T08:00:00.000Z", "end": end});
    assert_eq!(times, [expected("2027-01-06T08:00:00.000Z"), expected("2027-01-06T09:00:00.000Z")]);
    let outside = format!("/go/tag/ticket/4711?at={}", NOW - 40 * DAY);
    assert_problem(&nebulink.get(&outside).await, 404, "not-found");
}

#[tokio::test]
async fn ten_thousand_items_in_ninety_days_are_searched_within_few_calls() {
    let stand_in = stand_in().await;
    for n in 1..=10_000 {
        let age = i64::try_from(n).unwrap() * 777;
        // One in a hundred is of the ticket.
        stand_in.add(KEY, tagged(n, if n % 100 == 42 { "4711" } else { "other" }, age));
    }
    let nebulink = nebulink(&stand_in, &[]).await;
    assert_leads(&nebulink.get("/go/tag/ticket/4711").await, &url_of(&stand_in, 42), STORED);
    assert_eq!(stand_in.call_count(), 3, "two pages of fifty, and the link");
    stand_in.forget_calls();
    // Halved three times, and the newest of what was read: Nebuly lists the newest first.
    assert_leads(&nebulink.get("/go/tag/ticket/other").await, &url_of(&stand_in, 1), STORED);
    assert!((4..=6).contains(&stand_in.call_count()), "{}", stand_in.call_count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_listings_stop_no_redirect() {
    let stand_in = known().await;
    for n in 0..50 {
        stand_in.add_conversation(KEY, &format!("c{n}"));
    }
    stand_in.set_fault_for(listings(), Fault::Hold);
    let unlimited = [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];
    let nebulink = nebulink(&stand_in, &[&unlimited[..], &[("nebuly.max_in_flight", "16")]].concat()).await;
    let address = nebulink.address;
    let mut look_ups = JoinSet::new();
    for n in 0..20 {
        let target = format!("/go/tag/ticket/{n}");
        look_ups.spawn(async move { request(address, "GET", &target, &[]).await.status });
    }
    stand_in.wait_for_calls(3).await;
    for n in 0..50 {
        let began = Instant::now();
        assert_eq!(nebulink.get(&format!("/c/c{n}")).await.status, 302);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    // Of the 16, and within their quarter one caller leaves room for another.
    assert_eq!(stand_in.in_flight(), 3);
    stand_in.release_held();
    assert!(look_ups.join_all().await.iter().all(|status| [404, 503].contains(status)));
}

#[tokio::test]
async fn the_page_of_the_link_is_that_of_the_item_and_its_links_keep_the_look_up() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[("preview.details", "true")]).await;
    let target = "/go/tag/ticket/4711?noredirect&at=1799900000";
    let answer = nebulink.get(target).await;
    let id = Uuid::from_u128(2).to_string();
    assert_eq!(
        (answer.json()["state"].as_str(), answer.json()["id"].as_str()),
        (Some("resolved"), Some(&*id))
    );
    assert_eq!(answer.json()["long_url"], format!("http://go.example.com/go/interaction?id={id}"));
    stand_in.set_fault_for(Matching::kind(CallKind::InteractionDetail), status(500));
    nebulink.clock.advance(Duration::from_secs(60));
    let page = nebulink.request("GET", target, &[BROWSER]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(&id) && !page.body.contains("ticket/4711"), "{}", page.body);
    let reload = "href=\"/go/tag/ticket?value=4711&#38;at=2027-01-14T04:13:20Z&#38;noredirect\">Reload</a>";
    assert!(page.body.contains(reload), "{}", page.body);
}

#[tokio::test]
async fn pages_of_errors_ask_for_the_same_again() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let target = "/go/tag/ticket/a%26b%2Fc?kind=conversation&at=1799996400&noredirect&project=default";
    let again = "/go/tag/ticket?value=a%26b%2Fc&kind=conversation&at=2027-01-15T07:00:00Z&noredirect";
    let page = nebulink.request("GET", target, &[BROWSER]).await;
    assert_eq!(page.header("refresh"), Some(&*format!("5; url={again}&looks=1")), "{page:?}");
    assert!(page.body.contains("<dt>ticket</dt>") && page.body.contains("a&#38;b/c"), "{}", page.body);
    let searched = "no conversation with this tag between 2027-01-14 07:00 and 2027-01-16 07:00 (UTC)";
    assert!(page.body.contains(searched), "{}", page.body);
    stand_in.set_fault(Some(Fault::Drop));
    nebulink.clock.advance(Duration::from_secs(60));
    let page = nebulink.request("GET", again, &[BROWSER]).await;
    assert_eq!(page.status, 502);
    let button = format!("href=\"{}\">Try again</a>", again.replace('&', "&#38;"));
    assert!(page.body.contains(&button), "{}", page.body);
    let unfilled = nebulink.request("GET", "/go/tag/ticket?value=%7B%7Bticket.id%7D%7D", &[BROWSER]).await;
    assert_eq!(unfilled.status, 502);
    stand_in.clear_faults();
    let unfilled = nebulink.request("GET", "/go/tag/ticket?value=%7B%7Bticket.id%7D%7D", &[BROWSER]).await;
    assert!(unfilled.body.contains("The tool did not fill in the id"), "{}", unfilled.body);
    let invalid = nebulink.request("GET", "/go/tag/ticket?value=a%0Ab", &[BROWSER]).await;
    assert!(invalid.status == 400 && invalid.body.contains("This is not the value of a tag"), "{invalid:?}");
}

#[tokio::test]
async fn what_is_not_found_says_what_was_searched_and_is_looked_for_again_only_if_it_may_still_come() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let last = "Nebuly has no interaction with this tag between 2026-10-17 08:00 and 2027-01-15 08:00 (UTC). It may not have \
                been ingested yet.";
    let answer = nebulink.get("/go/tag/ticket?value=unknown").await;
    assert_eq!(
        (&answer.json()["title"], &answer.json()["detail"]),
        (&"Not in Nebuly yet".into(), &last.into())
    );
    let past = "/go/tag/ticket?value=unknown&at=2026-11-20T10:30:00Z";
    let answer = nebulink.get(past).await;
    let detail =
        "Nebuly has no interaction with this tag between 2026-11-19 10:00 and 2026-11-21 11:00 (UTC).";
    assert_eq!(
        (&answer.json()["title"], &answer.json()["detail"]),
        (&"Not in Nebuly".into(), &detail.into())
    );
    let page = nebulink.request("GET", past, &[BROWSER]).await;
    assert_eq!(page.header("refresh"), None);
    assert!(page.body.contains("Look again") && !page.body.contains("topped looking"), "{}", page.body);
}

#[tokio::test]
async fn a_link_preview_robot_gets_a_card_that_names_the_tag_and_not_the_value() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    for target in ["/go/tag/ticket/4711", "/go/tag/ticket?value=4711&noredirect"] {
        let card = nebulink.request("GET", target, &[ROBOT]).await;
        assert!(card.status == 200 && card.body.contains("og:title\" content=\"Tag ticket\""), "{card:?}");
        assert!(!card.body.contains("4711"), "{card:?}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn a_pasted_link_that_looks_a_tag_up_is_no_id() {
    let stand_in = known().await;
    let nebulink = nebulink(&stand_in, &[("server.public_url", "https://go.example.com")]).await;
    let pasted = "https://go.example.com/go/tag/ticket/4711";
    let encoded = utf8_percent_encode(pasted, NON_ALPHANUMERIC).to_string();
    let answer = nebulink.get(&format!("/go?id={encoded}")).await;
    assert_problem(&answer, 400, "invalid-request");
    assert_eq!(answer.json()["detail"], "This link looks a tag up and has no id. Open it as it is.");
    let page = nebulink.request("GET", &format!("/go?id={encoded}"), &[BROWSER]).await;
    assert!(page.body.contains("This is a link, not an id"), "{}", page.body);
    for text in [pasted, "/go/tag/ticket?value=4711", "/go/tag/quote/1"] {
        let page = nebulink.post("/", &[("ids", text)], &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("A link that looks a tag up."), "{text} {}", page.body);
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn the_test_of_an_address_follows_a_look_up() {
    let stand_in = known().await;
    stand_in.add(KEY, tagged(5, "a b", DAY));
    let nebulink = nebulink(&stand_in, &[("server.public_url", "https://go.example.com")]).await;
    let test = async |address: &str| {
        let fields = [("address", address)];
        let page = nebulink.post("/kit", &fields, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(page.status, 200, "{page:?}");
        page.body
    };
    let own = "https://go.example.com/go/tag";
    let page = test(&format!("{own}/ticket/4711")).await;
    let id = Uuid::from_u128(2).to_string();
    for expected in ["<b>Right.</b>", "ticket <code", "interaction <code", &id, "Leads to:"] {
        assert!(page.contains(expected), "{expected} {page}");
    }
    assert_eq!(stand_in.call_count(), 2);
    for (address, expected) in [
        ("/ticket?value=a+b", "<b>Right.</b>"),
        ("/ticket?value=4711&b", "<b>Perhaps cut at <code>&#38;</code>.</b>"),
        ("/ticket/4711?b", "<b>Perhaps cut at <code>?</code>.</b>"),
        ("/ticket/4711#b", "<b>Cut at <code>#</code>.</b>"),
        ("/ticket?value=", "<b>Empty.</b>"),
        ("/ticket?value={{ticket.id}}", "<b>Placeholder not filled in.</b>"),
        ("/ticket?value=0815", "<b>Not in Nebuly yet.</b>"),
        ("/ticket?value=4711&at=soon", "<b>This request is not valid.</b>"),
        ("/quote/4711", "<b>No such tag.</b>"),
        ("", "<b>No such tag.</b>"),
    ] {
        let page = test(&format!("{own}{address}")).await;
        assert!(page.contains(expected), "{address} {page}");
    }
}

#[tokio::test]
async fn a_value_appears_in_no_log_and_no_metric_and_the_log_has_the_tag_and_the_id() {
    const CANARY: &str = "canary-my-card-number-is-4711";
    if !in_own_process(a_value_appears_in_no_log_and_no_metric_and_the_log_has_the_tag_and_the_id) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = stand_in_with(2).await;
    stand_in.add(&key_of(0), tagged(1, CANARY, DAY));
    let email = "x-auth-request-email";
    let behind_proxy = [("access.identity_header", email), ("server.trusted_proxies", "127.0.0.1")];
    let nebulink = nebulink_of(&stand_in, 2, &behind_proxy).await;
    let ada = [(email, "ada@example.com")];
    let target = format!("/go/tag/ticket/{CANARY}");
    let get =
        async |further: &str| nebulink.request("GET", &format!("{target}?{further}"), &ada).await.status;
    let id = Uuid::from_u128(1).to_string();
    assert_eq!(get("").await, 302);
    // The line of a cold look-up is written only when it is known that its client has stayed.
    let line = log.line("\"outcome\":\"resolved\"").await;
    assert!(line.contains("\"tag\":\"ticket\"") && line.contains(&id), "{line}");
    assert_eq!((get("").await, get("refresh&noredirect").await), (302, 200));
    let line: Value = serde_json::from_str(&log.line(&id).await).unwrap();
    let line = line.get("fields").unwrap_or(&line);
    assert_eq!((line["tag"].as_str(), line["id"].as_str()), (Some("ticket"), Some(&*id)), "{line}");
    assert_eq!(
        (line["kind"].as_str(), line["identity"].as_str()),
        (Some("interaction"), Some("ada@example.com"))
    );
    assert_eq!(line["route"], "/go/tag/{name}/{value}");
    stand_in.add(&key_of(1), tagged(2, CANARY, DAY));
    assert_eq!((get("refresh").await, get("kind=no").await, get("at=9").await), (409, 400, 404));
    for fault in [
        status(500),
        status(401),
        Fault::Garbage,
        Fault::Body(format!(r#"{{"total": 1, "data": ["{CANARY}"]}}"#)),
        Fault::Drop,
    ] {
        stand_in.set_fault(Some(fault));
        for n in 0..11 {
            get(&format!("at={n}00000000")).await;
        }
    }
    // A client that leaves.
    stand_in.set_fault(Some(Fault::Hold));
    let mut leaving = TcpStream::connect(nebulink.address).await.unwrap();
    let head = format!("GET {target}?at=5 HTTP/1.1\r\nhost: x\r\n{email}: eve@example.com\r\n\r\n");
    leaving.write_all(head.as_bytes()).await.unwrap();
    drop(leaving);
    log.line("eve@example.com").await;
    let metrics = request(nebulink.management, "GET", "/metrics", &[]).await.body;
    assert!(metrics.contains("route=\"/go/tag/{name}/{value}\""), "{metrics}");
    assert!(
        metrics.contains("nebulink_resolutions_total{kind=\"interaction\",outcome=\"hit\"} 1"),
        "{metrics}"
    );
    let everything = log.text() + &metrics;
    assert!(!everything.contains("canary"), "{everything}");
}

#[tokio::test]
async fn who_opened_what_a_tag_led_to_is_logged_without_an_access_log() {
    if !in_own_process(who_opened_what_a_tag_led_to_is_logged_without_an_access_log) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let email = "x-auth-request-email";
    let behind_proxy =
        [("access.identity_header", email), ("server.trusted_proxies", "127.0.0.1"), ("log.access", "none")];
    let nebulink = nebulink(&stand_in, &behind_proxy).await;
    nebulink.request("GET", "/go/tag/ticket?value=4711", &[(email, "ada@example.com")]).await;
    let line = log.line("link opened").await;
    let id = Uuid::from_u128(2).to_string();
    for expected in ["\"tag\":\"ticket\"", &id, "ada@example.com"] {
        assert!(line.contains(expected), "{expected} {line}");
    }
    assert!(!line.contains("4711"), "{line}");
}

/// Any text for a time, a kind and a value is answered, and costs no call if it is a bad request.
#[test]
fn no_text_costs_a_call_unless_it_is_looked_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let unlimited = [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];
    let (stand_in, nebulink) = runtime.block_on(async {
        let stand_in = known().await;
        let nebulink = nebulink(&stand_in, &unlimited).await;
        (stand_in, nebulink)
    });
    let looked_up = AtomicU64::new(0);
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let time = "[0-9]{0,20}|[-+:.TZ 0-9]{0,25}|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00(Z|[-+ ]0[0-9]:00)|.*";
    let value = "4711|[./%]{0,4}|.{0,20}";
    let kind = "(interaction|conversation|.{0,3})?";
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let run =
        proptest::test_runner::TestRunner::new(config).run(&(time, value, kind), |(at, value, kind)| {
            stand_in.forget_calls();
            let kind = if kind.is_empty() { String::new() } else { format!("&kind={}", encode(&kind)) };
            let target = format!("/go/tag/ticket?value={}&at={}{kind}", encode(&value), encode(&at));
            let answer = runtime.block_on(nebulink.get(&target));
            match answer.status {
                302 | 404 => {
                    looked_up.fetch_add(1, Ordering::Relaxed);
                }
                400 => prop_assert_eq!(stand_in.call_count(), 0, "{}", target),
                status => prop_assert!(false, "{} {}", status, target),
            }
            Ok(())
        });
    run.unwrap();
    assert!(looked_up.load(Ordering::Relaxed) > 20, "hardly any text is a time");
}
