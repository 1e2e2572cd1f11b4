//! Many links as one JSON document.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use nebulink::demo::{Fault, Matching};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{
    HOST, LINKS, SHORT_CODE, UNKNOWN, UUID, assert_problem, batch, conversations, each, known, post,
    with_body,
};
use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{
    Answer, KEY, Nebulink, PATIENCE, eventually, exchange, key_of, request, settings_with, stand_in,
    stand_in_with,
};

/// Limits that no test reaches.
const NO_LIMIT: [(&str, &str); 2] = [("limits.cold_per_second", "100000"), ("limits.cold_burst", "100000")];

#[tokio::test]
async fn each_link_has_its_own_state_and_problem_in_the_order_of_the_request() {
    let stand_in = known(&["abc", "a/b & c"]).await;
    stand_in.set_fault_for(Matching::id("broken"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    stand_in.set_fault_for(Matching::id("garbage"), Fault::Garbage);
    let settings = [("nebuly.retries", "0"), ("redirect.on_outage", "error")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let uuid: uuid::Uuid = UUID.parse().unwrap();
    let links = batch(
        &nebulink,
        &json!([
            {"kind": "interaction", "id": format!("{{{UUID}}}")},
            {"kind": "interaction", "id": "no uuid"},
            {"kind": "conversation", "id": "nothing"},
            {"kind": "conversation", "id": "broken"},
            {"kind": "conversation", "id": "abc", "project": "nobody"},
            {"kind": "conversation", "id": "a/b & c", "project": "default", "color": "red"},
            {"id": "garbage"},
            {"kind": "interaction", "id": UUID},
        ]),
    )
    .await;
    let interaction = json!({
        "kind": "interaction", "id": UUID, "state": "resolved", "url": stand_in.url_of(KEY, uuid),
        "project": "default", "resolved_at": "2027-01-15T08:00:00Z",
        "long_url": format!("{HOST}/go/interaction?id={UUID}"), "short_url": format!("{HOST}/i/{SHORT_CODE}"),
    });
    assert_eq!((&links[0], &links[7]), (&interaction, &interaction));
    assert_eq!(
        links[5],
        json!({
            "kind": "conversation", "id": "a/b & c", "state": "resolved", "url": stand_in.url_of(KEY, "a/b & c"),
            "project": "default", "resolved_at": "2027-01-15T08:00:00Z",
            "long_url": format!("{HOST}/go/conversation?id=a%2Fb%20%26%20c"),
            "short_url": format!("{HOST}/c?id=a%2Fb%20%26%20c"),
        })
    );
    for (position, kind, id, state, problem, status) in [
        (1, "interaction", "no uuid", "invalid", "invalid-request", 400),
        (2, "conversation", "nothing", "absent", "not-found", 404),
        (3, "conversation", "broken", "failed", "unavailable", 502),
        (4, "conversation", "abc", "invalid", "unknown-project", 404),
        (6, "conversation", "garbage", "failed", "bad-answer", 502),
    ] {
        let link = &links[position];
        assert_eq!((&link["kind"], &link["id"]), (&json!(kind), &json!(id)), "{link}");
        assert_eq!((&link["state"], link.get("url")), (&json!(state), None), "{link}");
        let error = &link["error"];
        assert_eq!(error["type"], format!("urn:nebulink:{problem}"), "{link}");
        assert_eq!(error["status"], status, "{link}");
        assert!(error["title"].is_string() && error["detail"].is_string(), "{link}");
        assert_eq!((error.get("request_id"), error.get("retry_after")), (None, None), "{link}");
    }
    assert_eq!(links.len(), 8);
    assert_eq!(stand_in.call_count(), 5);
    assert_eq!(batch(&nebulink, &json!([])).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_kind_that_is_left_out_is_found_out_as_on_go() {
    let stand_in = known(&["abc", UNKNOWN]).await;
    let settings = [("server.public_url", "https://go.example/links"), ("server.base_path", "/links")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let page = format!("{}/live-activity?projectId=x&conversationId=abc", stand_in.platform_url());
    let answer = post(
        &nebulink,
        "/links/api/v1/links",
        &json!({"links": [
            {"id": UUID}, {"id": UNKNOWN, "kind": null}, {"id": "abc"}, {"id": page},
            {"id": format!("https://go.example/links/i/{SHORT_CODE}")},
            {"id": "https://go.example/links/go/conversation?id=abc&project=default"},
            {"id": "https://go.example/links/c/abc?project=nobody"},
            {"id": "https://go.example/links/c/abc?project=nobody", "project": "default"},
            {"id": "https://evil.example/?interactionId=x"},
            // Named, it is what it says.
            {"id": "https://go.example/links/c/abc", "kind": "conversation"},
        ]})
        .to_string(),
        &[],
    )
    .await;
    let links = answer.json()["links"].as_array().unwrap().clone();
    let expected = [
        ("interaction", UUID, "resolved"),
        ("conversation", UNKNOWN, "resolved"),
        ("conversation", "abc", "resolved"),
        ("conversation", "abc", "resolved"),
        ("interaction", UUID, "resolved"),
        ("conversation", "abc", "resolved"),
        ("", "https://go.example/links/c/abc?project=nobody", "invalid"),
        ("conversation", "abc", "resolved"),
        ("", "https://evil.example/?interactionId=x", "invalid"),
        ("conversation", "https://go.example/links/c/abc", "absent"),
    ];
    for (position, (kind, id, state)) in expected.into_iter().enumerate() {
        assert_eq!(each(&links, "kind")[position], kind, "{}", links[position]);
        assert_eq!(each(&links, "id")[position], id, "{}", links[position]);
        assert_eq!(each(&links, "state")[position], state, "{}", links[position]);
    }
    assert_eq!(links[0]["short_url"], format!("https://go.example/links/i/{SHORT_CODE}"));
}

#[tokio::test]
async fn a_link_that_several_projects_have_is_failed_with_the_links_to_choose_from() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "both");
    }
    stand_in.add_conversation(&key_of(1), "one");
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    let links = batch(
        &nebulink,
        &json!([
            {"kind": "conversation", "id": "both"}, {"kind": "conversation", "id": "both", "project": "project-1"},
            {"kind": "conversation", "id": "one"},
        ]),
    )
    .await;
    assert_eq!(each(&links, "state"), ["failed", "resolved", "resolved"]);
    assert_eq!(links[0]["error"]["type"], "urn:nebulink:ambiguous");
    let choices = links[0]["error"]["links"].as_array().unwrap();
    assert_eq!(each(choices, "project"), ["project-0", "project-1"]);
    assert_eq!(choices[1], links[1]);
    assert_eq!(links[1]["url"], stand_in.url_of(&key_of(1), "both"));
    assert_eq!(links[2]["long_url"], format!("{HOST}/go/conversation?id=one&project=project-1"));
}

#[tokio::test]
async fn a_batch_is_refreshed_by_its_parameter_alone_and_each_of_its_links_once() {
    let stand_in = known(&["abc", "def"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let body = json!({ "links": conversations(["abc", "def", "abc", "abc"]) }).to_string();
    for (query, calls) in [("", 2), ("?wait=5s&project=nobody&x=y", 0), ("?refresh", 2), ("?refresh=true", 2)]
    {
        stand_in.forget_calls();
        let answer =
            post(&nebulink, &format!("{LINKS}{query}"), &body, &[("cache-control", "no-cache")]).await;
        let links = answer.json()["links"].as_array().unwrap().clone();
        assert_eq!(each(&links, "id"), ["abc", "def", "abc", "abc"]);
        assert_eq!((each(&links, "state"), stand_in.call_count()), (vec!["resolved"; 4], calls), "{query}");
    }
    let twice = post(&nebulink, &format!("{LINKS}?refresh&refresh"), &body, &[]).await;
    assert_problem(&twice, 400, "invalid-request");
}

#[tokio::test]
async fn a_link_that_finds_no_token_is_failed_and_says_when_to_come_back() {
    let stand_in = known(&["abc"]).await;
    let limits = [("limits.cold_per_second", "1"), ("limits.cold_burst", "5")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    assert_eq!(batch(&nebulink, &conversations(["abc"])).await[0]["state"], "resolved");
    let ids: Vec<_> = (0..10).map(|number| format!("unknown-{number}")).chain(["abc".to_owned()]).collect();
    let links = batch(&nebulink, &conversations(&ids)).await;
    let states = each(&links, "state");
    assert_eq!(states.iter().filter(|state| **state == "absent").count(), 4, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 6, "{states:?}");
    assert_eq!(states[10], "resolved", "a link in memory costs no token");
    for link in links.iter().filter(|link| link["state"] == "failed") {
        assert_eq!(link["error"]["type"], "urn:nebulink:rate-limited");
        assert_eq!(link["error"]["retry_after"], 1, "{link}");
    }
    assert_eq!(stand_in.call_count(), 5);
}

#[tokio::test]
async fn a_batch_asks_for_no_more_links_at_once_than_calls_may_be_in_flight() {
    let stand_in = stand_in().await;
    let settings = [("nebuly.max_in_flight", "8"), NO_LIMIT[0], NO_LIMIT[1]];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let ids: Vec<_> = (0..60).map(|number| format!("link-{number}")).collect();
    for id in &ids[..59] {
        stand_in.add_conversation(KEY, id);
    }
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(5))));
    let links = batch(&nebulink, &conversations(&ids)).await;
    assert_eq!(each(&links, "id"), ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(each(&links, "state"), [vec!["resolved"; 59], vec!["absent"]].concat());
    assert_eq!(stand_in.call_count(), 60);
    assert!(stand_in.most_in_flight() <= 8, "{}", stand_in.most_in_flight());
}

#[tokio::test]
async fn what_is_not_known_in_time_is_failed_and_the_rest_is_there() {
    let stand_in = known(&["abc"]).await;
    stand_in.set_fault_for(Matching::id("slow"), Fault::Hang);
    let settings =
        [("server.request_timeout", "3s"), ("nebuly.deadline", "2s"), ("nebuly.attempt_timeout", "2s")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let links = batch(&nebulink, &conversations(["slow", "abc"])).await;
    assert_eq!(each(&links, "state"), ["failed", "resolved"]);
    assert_eq!(links[0]["error"]["type"], "urn:nebulink:timeout");
}

#[tokio::test]
async fn what_is_in_memory_is_there_however_late_its_turn_comes() {
    let stand_in = known(&["abc", UNKNOWN]).await;
    // One for each batch: a flight that others began may end before the deadline of this one.
    let slow = ["slow-1", "slow-2"];
    for id in slow {
        stand_in.set_fault_for(Matching::id(id), Fault::Hang);
    }
    let settings = [
        ("server.request_timeout", "3s"),
        // The call for the slow one goes on beyond both batches: before its end, no other may begin.
        ("nebuly.deadline", "2900ms"),
        ("nebuly.attempt_timeout", "2800ms"),
        ("nebuly.max_in_flight", "1"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let cached = conversations(["abc", UNKNOWN, "gone"]);
    assert_eq!(each(&batch(&nebulink, &cached).await, "state"), ["resolved", "resolved", "absent"]);
    stand_in.forget_calls();
    for (slow, query) in slow.iter().zip(["", "?refresh"]) {
        let wanted = json!({"links": [
            {"id": slow}, {"id": "new"}, {"id": "abc"}, {"id": "gone"}, {"id": UNKNOWN}, {"id": UUID},
        ]});
        let answer = post(&nebulink, &format!("{LINKS}{query}"), &wanted.to_string(), &[]).await;
        let links = answer.json()["links"].as_array().unwrap().clone();
        let states = ["failed", "failed", "resolved", "absent", "resolved", "failed"];
        assert_eq!(each(&links, "state"), states, "{query}");
        for failed in [0, 1, 5] {
            assert_eq!(links[failed]["error"]["type"], "urn:nebulink:timeout", "{query}");
        }
        assert_eq!(links[4]["kind"], "conversation", "{query}");
    }
    assert_eq!(stand_in.call_count(), slow.iter().map(|id| stand_in.calls_for(id)).sum::<usize>());
}

#[tokio::test]
async fn eight_batches_run_at_once_and_two_of_one_caller() {
    let stand_in = known(&["abc"]).await;
    let settings = [("server.trusted_proxies", "127.0.0.1")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    stand_in.set_fault(Some(Fault::Hold));
    let body = json!({ "links": conversations(["abc"]) }).to_string();
    let of_caller =
        |number: usize| with_body(LINKS, &body, &[("x-forwarded-for", &format!("192.0.2.{number}"))]);
    let mut running = Vec::new();
    for number in [1, 1, 2, 2, 3, 3, 4, 4] {
        let (address, request) = (nebulink.address, of_caller(number));
        running.push(tokio::spawn(async move { until_there_is_a_place(address, &request).await }));
        if running.len() % 2 == 0 {
            // A batch without links takes a place for a moment only.
            let probe = with_body(LINKS, "{}", &[("x-forwarded-for", &format!("192.0.2.{number}"))]);
            eventually(async || exchange(address, probe.as_bytes()).await.status == 503).await;
        }
        if running.len() == 2 {
            let third = exchange(address, of_caller(1).as_bytes()).await;
            assert_problem(&third, 503, "overloaded");
            assert_eq!(third.header("retry-after"), Some("5"));
        }
    }
    let ninth = exchange(nebulink.address, of_caller(5).as_bytes()).await;
    assert_problem(&ninth, 503, "overloaded");
    assert_eq!(ninth.header("retry-after"), Some("5"));
    // A link by itself is no batch.
    stand_in.release_held();
    assert_eq!(nebulink.get(&format!("{LINKS}/conversation/abc")).await.status, 200);
    for task in running {
        assert_eq!(task.await.unwrap().status, 200);
    }
    assert_eq!(stand_in.call_count(), 1);
    assert_eq!(exchange(nebulink.address, of_caller(5).as_bytes()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_and_stops_nothing_that_others_wait_for() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    stand_in.set_fault(Some(Fault::Hold));
    let body = json!({ "links": conversations(["abc"]) }).to_string();
    let other = tokio::spawn(request_link(nebulink.address));
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    for left in [2, 4, 6] {
        let mut both = Vec::new();
        for number in [left - 1, left] {
            // A link of its own says that it has its place.
            let body = json!({ "links": conversations(["abc", &format!("held-{number}")]) }).to_string();
            let mut stream = TcpStream::connect(nebulink.address).await.unwrap();
            stream.write_all(with_body(LINKS, &body, &[]).as_bytes()).await.unwrap();
            stream.set_zero_linger().unwrap();
            both.push(stream);
            tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1 + number)).await.unwrap();
        }
        assert_problem(&post(&nebulink, LINKS, &body, &[]).await, 503, "overloaded");
        drop(both);
        let series = format!(
            "nebulink_http_requests_total{{route=\"/api/v1/links\",method=\"POST\",status=\"499\"}} {left}"
        );
        eventually(async || request_metrics(&nebulink).await.contains(&series)).await;
    }
    stand_in.release_held();
    assert_eq!(tokio::time::timeout(PATIENCE, other).await.unwrap().unwrap(), 302);
    assert_eq!(post(&nebulink, LINKS, &body, &[]).await.json()["links"][0]["state"], "resolved");
    assert_eq!(stand_in.calls_for("abc"), 1);
}

async fn request_link(address: SocketAddr) -> u16 {
    request(address, "GET", "/c/abc", &[]).await.status
}

async fn request_metrics(nebulink: &Nebulink) -> String {
    request(nebulink.management, "GET", "/metrics", &[]).await.body
}

/// Sends a batch until it has a place.
async fn until_there_is_a_place(address: SocketAddr, batch: &str) -> Answer {
    loop {
        let answer = exchange(address, batch.as_bytes()).await;
        if answer.status != 503 {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_batch_is_logged_with_identity_and_number_of_links_and_without_their_ids() {
    if !in_own_process(a_batch_is_logged_with_identity_and_number_of_links_and_without_their_ids) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known(&["abc"]).await;
    let settings = [
        ("access.identity_header", "x-auth-request-email"),
        ("server.trusted_proxies", "127.0.0.1"),
        ("log.access", "none"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let body = json!({"links": [
        {"id": "abc"}, {"id": "secret-unknown"}, {"kind": "interaction", "id": "secret-invalid"},
        {"id": "abc"},
    ]});
    let ada = [("x-auth-request-email", "ada@example.com")];
    assert_eq!(post(&nebulink, LINKS, &body.to_string(), &ada).await.status, 200);
    let line = log.line("link opened").await;
    for part in [
        "\"nebulink::audit\"",
        "\"route\":\"/api/v1/links\"",
        "\"identity\":\"ada@example.com\"",
        "\"links\":4",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("\"id\"") && !log.text().contains("secret-"), "{}", log.text());
    let metrics = request_metrics(&nebulink).await;
    for series in [
        "nebulink_http_requests_total{route=\"/api/v1/links\",method=\"POST\",status=\"200\"} 1",
        "nebulink_resolutions_total{kind=\"conversation\",outcome=\"resolved\"} 2",
        "nebulink_resolutions_total{kind=\"conversation\",outcome=\"absent\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} in {metrics}");
    }
}

/// A link of a batch: its kind, a number for its id, and how the id is written.
fn any_link() -> impl Strategy<Value = (Option<bool>, u8, u8)> {
    (any::<Option<bool>>(), 0..12_u8, 0..4_u8)
}

#[test]
fn any_batch_keeps_its_order_and_costs_one_call_for_each_link_that_it_names() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let strategy = prop::collection::vec(any_link(), 0..40);
    TestRunner::new(Config::with_cases(60)).run(&strategy, |links| runtime.block_on(is_kept(links))).unwrap();
}

async fn is_kept(links: Vec<(Option<bool>, u8, u8)>) -> Result<(), TestCaseError> {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &NO_LIMIT).await;
    let uuid = |number: u8| uuid::Uuid::from_u128(u128::from(number));
    // Even ones are known.
    for number in (0..12).step_by(2) {
        stand_in.add_interaction(KEY, uuid(number));
        stand_in.add_conversation(KEY, &format!("c-{number}"));
    }
    let mut asked = BTreeSet::new();
    let mut expected = Vec::new();
    let body: Vec<_> = links
        .iter()
        .map(|&(kind, number, spelling)| {
            let is_interaction = kind == Some(true);
            let (id, sent) = if is_interaction {
                let id = uuid(number).to_string();
                let sent = [id.clone(), id.to_uppercase(), format!("{{{id}}}"), format!("urn:uuid:{id}")];
                (id, sent[usize::from(spelling)].clone())
            } else {
                let id = format!("c-{number}");
                (id.clone(), id)
            };
            asked.insert(id.clone());
            expected.push((id, if number % 2 == 0 { "resolved" } else { "absent" }));
            let kind = kind.map(|_| if is_interaction { "interaction" } else { "conversation" });
            json!({ "kind": kind, "id": sent })
        })
        .collect();
    let links = batch(&nebulink, &json!(body)).await;
    let found: Vec<_> =
        each(&links, "id").into_iter().map(str::to_owned).zip(each(&links, "state")).collect();
    prop_assert_eq!(found, expected);
    prop_assert_eq!(stand_in.call_count(), asked.len());
    Ok(())
}
