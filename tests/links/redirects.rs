//! Which path leads where, over a real socket, so that no client tidies a path up before it is sent.

use std::time::Duration;

use crate::support::{KEY, Nebulink, stand_in};
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use uuid::Uuid;

const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
/// The same in base 58.
const SHORT_CODE: &str = "1CErPtAw6EcadyYG9EXG7w";
const UNKNOWN: &str = "0191b7c4-0000-7b60-9d6a-000000000000";
/// A conversation whose id is a UUID, as many applications choose them.
const TWIN: &str = "0191b7c4-1111-7b60-9d6a-111111111111";

const MISS: &str = "nebulink; fwd=miss; fwd-status=200; stored";
const ABSENT: &str = "nebulink; fwd=miss; fwd-status=404; stored";

/// The conversations that the stand-in knows.
const CONVERSATIONS: [&str; 14] = [
    "abc",
    "a/b",
    "..hidden",
    "a..b",
    "100%",
    "a b",
    "users/admin",
    "a+c",
    "orders/2026#4711",
    "ünï",
    TWIN,
    "50%zz",
    "x;y=1",
    "https://chat.example/c/1",
];

async fn known() -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, INTERACTION.parse().unwrap());
    for id in CONVERSATIONS {
        stand_in.add_conversation(KEY, id);
    }
    stand_in
}

fn interaction(stand_in: &StandIn) -> String {
    stand_in.url_of(KEY, StandInItem::from(INTERACTION.parse::<Uuid>().unwrap()))
}

fn conversation(stand_in: &StandIn, id: &str) -> String {
    stand_in.url_of(KEY, StandInItem::from(id))
}

/// A path, and the conversation or interaction that it leads to, with the calls that this takes.
#[tokio::test]
async fn every_form_of_a_link_leads_to_the_url_that_nebuly_gives() {
    let stand_in = known().await;
    let upper = INTERACTION.to_uppercase();
    let simple = INTERACTION.replace('-', "");
    let page = format!(
        "/go?id=http%3A%2F%2F{}%2Flive-activity%3FprojectId%3Dother%26interactionId%3D{INTERACTION}%26x%3Dy",
        stand_in.address()
    );
    let rows: Vec<(String, &str, usize)> = [
        // Each kind in each form.
        (format!("/go/interaction/{INTERACTION}"), INTERACTION, 1),
        (format!("/go/interaction?id={INTERACTION}"), INTERACTION, 1),
        (format!("/go/interaction/?id={INTERACTION}"), INTERACTION, 1),
        (format!("/i/{INTERACTION}"), INTERACTION, 1),
        (format!("/i/{SHORT_CODE}"), INTERACTION, 1),
        (format!("/i/{SHORT_CODE}/"), INTERACTION, 1),
        (format!("/i/%22{SHORT_CODE}%22."), INTERACTION, 1),
        (format!("/i?id={SHORT_CODE}"), INTERACTION, 1),
        (format!("/go/{INTERACTION}"), INTERACTION, 1),
        (format!("/go?id={INTERACTION}"), INTERACTION, 1),
        (format!("/go/?id={INTERACTION}"), INTERACTION, 1),
        ("/go/conversation/abc".into(), "abc", 1),
        ("/go/conversation?id=abc".into(), "abc", 1),
        ("/go/conversation?external_id=abc".into(), "abc", 1),
        ("/c/abc".into(), "abc", 1),
        ("/go/abc".into(), "abc", 1),
        ("/go?id=abc".into(), "abc", 1),
        // A trailing slash changes nothing; parameters that are not listed are ignored.
        (format!("/go/interaction/{INTERACTION}/"), INTERACTION, 1),
        ("/go/conversation/abc/".into(), "abc", 1),
        ("/c/abc/".into(), "abc", 1),
        ("/go/abc/?utm=1&utm=2&at=5".into(), "abc", 1),
        ("/go/conversation?utm=%ff&id=abc&x".into(), "abc", 1),
        // An interaction in its usual spellings and surroundings.
        (format!("/go/interaction/{upper}"), INTERACTION, 1),
        (format!("/go/interaction/{simple}"), INTERACTION, 1),
        (format!("/go/interaction/%7B{INTERACTION}%7D"), INTERACTION, 1),
        (format!("/go/interaction/urn:uuid:{INTERACTION}"), INTERACTION, 1),
        (format!("/go/interaction/%22{INTERACTION}%22,"), INTERACTION, 1),
        (format!("/go/interaction/{INTERACTION}."), INTERACTION, 1),
        (format!("/go/interaction/%20{INTERACTION}%0A"), INTERACTION, 1),
        (format!("/go/interaction/%E2%80%8B{INTERACTION}"), INTERACTION, 1),
        (format!("/go/interaction?id=interaction_id:+{INTERACTION}"), INTERACTION, 1),
        (format!("/go?id=@interaction.id:{upper};"), INTERACTION, 1),
        (page, INTERACTION, 1),
        // A conversation's id is taken as it is, after one decoding.
        ("/go/conversation/a/b".into(), "a/b", 1),
        ("/go/conversation/a%2Fb".into(), "a/b", 1),
        ("/go/conversation/a%2fb/".into(), "a/b", 1),
        ("/go/conversation?id=a/b".into(), "a/b", 1),
        ("/go/conversation?id=a%2Fb".into(), "a/b", 1),
        ("/c/a/b".into(), "a/b", 1),
        ("/go/a/b".into(), "a/b", 1),
        ("/go/conversation/..hidden".into(), "..hidden", 1),
        ("/go/conversation/a..b".into(), "a..b", 1),
        ("/go/conversation/100%".into(), "100%", 1),
        ("/go/conversation/100%25".into(), "100%", 1),
        ("/go/conversation?id=100%".into(), "100%", 1),
        ("/go/conversation/50%zz".into(), "50%zz", 1),
        ("/go/conversation/a%20b".into(), "a b", 1),
        ("/go/conversation?id=a+b".into(), "a b", 1),
        ("/go/conversation?id=a%20b".into(), "a b", 1),
        ("/go/conversation/a+c".into(), "a+c", 1),
        ("/go/conversation?id=a%2Bc".into(), "a+c", 1),
        ("/go/conversation/orders%2F2026%234711".into(), "orders/2026#4711", 1),
        ("/go/conversation/%C3%BCn%C3%AF".into(), "ünï", 1),
        ("/go/conversation/ünï".into(), "ünï", 1),
        ("/go/conversation/x;y=1".into(), "x;y=1", 1),
        ("/go/conversation?id=https://chat.example/c/1".into(), "https://chat.example/c/1", 1),
        ("/go?id=https://chat.example/c/1".into(), "https://chat.example/c/1", 1),
        // Only then the one cleaned spelling.
        ("/go/conversation/a%252Fb".into(), "a/b", 2),
        ("/go/conversation?id=users%252Fadmin".into(), "users/admin", 2),
        ("/go/conversation?id=%22abc%22".into(), "abc", 2),
        ("/go/conversation?id=+abc+".into(), "abc", 2),
        ("/go/conversation?id=conversation.id:abc".into(), "abc", 2),
        ("/go/conversation?id=@conversation_id:abc".into(), "abc", 2),
        ("/go/conversation?id=a+c".into(), "a+c", 2),
        ("/go?id=conversation_id:abc".into(), "abc", 2),
        // The kind is found out.
        (format!("/go/{TWIN}"), TWIN, 2),
        (format!("/go?id={TWIN}"), TWIN, 2),
        (format!("/go/conversation/{TWIN}"), TWIN, 1),
        // Other forms of a request's target.
        ("http://elsewhere.example/go/conversation/abc".into(), "abc", 1),
    ]
    .into();
    assert!(rows.len() >= 60);
    for (target, id, calls) in rows {
        let nebulink = Nebulink::start(&stand_in, &[]).await;
        stand_in.forget_calls();
        let answer = nebulink.get(&target).await;
        let expected = if id == INTERACTION { interaction(&stand_in) } else { conversation(&stand_in, id) };
        assert_eq!(answer.status, 302, "{target}: {answer:?}");
        assert_eq!(answer.header("location"), Some(expected.as_str()), "{target}");
        assert_eq!(answer.header("cache-status"), Some(MISS), "{target}");
        assert_eq!(answer.body, "", "{target}");
        assert_eq!(stand_in.call_count(), calls, "{target}");
        // What it found is kept.
        assert_eq!(nebulink.get(&target).await.header("location"), Some(expected.as_str()), "{target}");
        assert_eq!(stand_in.call_count(), calls, "{target}");
    }
}

#[tokio::test]
async fn what_cannot_be_an_id_is_refused_without_a_call() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let too_long = "x".repeat(513);
    let rows = [
        "/go/interaction/abc".to_owned(),
        "/go/interaction/a/b".into(),
        format!("/go/interaction/{INTERACTION}/x"),
        format!("/go/interaction/x/{INTERACTION}"),
        format!("/go/interaction/..%2f{INTERACTION}"),
        "/go/interaction/".into(),
        "/go/interaction".into(),
        "/go/interaction?id=".into(),
        "/go/conversation/".into(),
        "/go/conversation//".into(),
        "/go/conversation".into(),
        "/go/conversation?id".into(),
        "/go".into(),
        "/go/".into(),
        "/i/".into(),
        "/c/".into(),
        // A short code of over 128 bits, of another length, and where no code is taken.
        "/i/YcVfxkQb6JRzqk5kF2tNLw".into(),
        "/i?id=zzzzzzzzzzzzzzzzzzzzzz".into(),
        format!("/i/{SHORT_CODE}1"),
        format!("/go/interaction/{SHORT_CODE}"),
        "/go/conversation/.%09.".into(),
        "/go/conversation/..%2f..%2fexport".into(),
        "/go/conversation/../../export".into(),
        "/go/conversation/%2e".into(),
        "/go/conversation/%2E%2e".into(),
        "/go/conversation/%252e%252e".into(),
        "/go/conversation/%25252e%25252e".into(),
        "/go/conversation/a/..;/b".into(),
        "/go/conversation/a%2F..%3Bx%2Fb".into(),
        "/go/conversation/a%5c..%5cb".into(),
        "/go/conversation/..%3Fx".into(),
        "/go/conversation/a%2F..%23x%2Fb".into(),
        "/go/conversation?id=..%253Fx".into(),
        "/go/conversation/.".into(),
        "/go/conversation/..".into(),
        "/go/conversation?id=..".into(),
        "/go/conversation?id=a/../b".into(),
        "/go/conversation/a%00b".into(),
        "/go/conversation/a%0Ab".into(),
        "/go/conversation/a%7Fb".into(),
        "/go/conversation/a%C2%85b".into(),
        "/go/conversation/%ff".into(),
        "/go/conversation/%C3%28".into(),
        "/go/conversation?id=%ff".into(),
        format!("/go/conversation/{too_long}"),
        format!("/go/conversation?id={too_long}"),
        format!("/go/interaction?id={too_long}"),
        "/go?id=..".into(),
        format!("/go?id=https://evil.example/live-activity%3FinteractionId={INTERACTION}"),
        format!("/go?id=http://{}@evil.example/%3FinteractionId={INTERACTION}", stand_in.address()),
        "/go/conversation?id=abc&id=abc".into(),
        "/go/conversation?id=abc&external_id=abc".into(),
        "/go/conversation/abc?refresh&refresh".into(),
        "/go/conversation/abc?refresh=perhaps".into(),
    ];
    for target in rows {
        let answer = nebulink.get(&target).await;
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        assert_eq!(answer.json()["type"], "urn:nebulink:invalid-request", "{target}");
        assert_eq!(answer.header("cache-status"), None, "{target}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn what_nebuly_does_not_know_is_not_found() {
    let stand_in = known().await;
    for (target, calls) in [
        (format!("/go/interaction/{UNKNOWN}"), 1),
        (format!("/i/{UNKNOWN}"), 1),
        (format!("/go/{UNKNOWN}"), 2),
        (format!("/go/interaction/{TWIN}"), 1),
        ("/go/conversation/unknown".to_owned(), 1),
        ("/go/conversation/%22unknown%22".to_owned(), 2),
        ("/go/conversation/%22..%22".to_owned(), 1),
        ("/go/unknown".to_owned(), 1),
        ("/go/interactions".to_owned(), 1),
        ("/go/tagged".to_owned(), 1),
        ("/go?id=tag".to_owned(), 1),
        ("/go?id=interaction".to_owned(), 1),
    ] {
        let nebulink = Nebulink::start(&stand_in, &[]).await;
        stand_in.forget_calls();
        let answer = nebulink.get(&target).await;
        assert_eq!(answer.status, 404, "{target}: {answer:?}");
        assert_eq!(answer.json()["type"], "urn:nebulink:not-found", "{target}");
        assert_eq!(answer.header("cache-status"), Some(ABSENT), "{target}");
        assert_eq!(stand_in.call_count(), calls, "{target}");
        let again = nebulink.get(&target).await;
        assert_eq!(again.header("cache-status"), Some("nebulink; hit; detail=negative"), "{target}");
        assert_eq!((again.status, stand_in.call_count()), (404, calls), "{target}");
    }
}

#[tokio::test]
async fn a_redirect_has_exactly_the_headers_of_the_contract() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[("redirect.max_age", "90s")]).await;
    let id = "nebulink-test.1_a";
    for (hit, cache_status) in [(false, MISS), (true, "nebulink; hit")] {
        let answer = nebulink.request("GET", "/go/conversation/abc", &[("x-request-id", id)]).await;
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut expected = vec![
            "cache-control",
            "cache-status",
            "connection",
            "content-length",
            "date",
            "location",
            "referrer-policy",
            "x-content-type-options",
            "x-request-id",
            "x-robots-tag",
        ];
        if !hit {
            expected.insert(7, "server-timing");
        }
        assert_eq!(names, expected);
        assert_eq!(answer.header("cache-control"), Some("private, max-age=90"));
        assert_eq!(answer.header("cache-status"), Some(cache_status));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.header("content-length"), Some("0"));
    }
}

#[tokio::test]
async fn a_request_id_that_could_do_harm_is_replaced() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let too_long = "x".repeat(65);
    let mut new = Vec::new();
    for headers in [
        vec![],
        vec![("x-request-id", "")],
        vec![("x-request-id", "a b")],
        vec![("x-request-id", "<script>")],
        vec![("x-request-id", too_long.as_str())],
        vec![("x-request-id", "a"), ("x-request-id", "b")],
    ] {
        let answer = nebulink.request("GET", "/go/conversation/abc", &headers).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{headers:?}: {id}");
        new.push(id);
    }
    new.sort_unstable();
    new.dedup();
    assert_eq!(new.len(), 6);
    let longest = "x".repeat(64);
    let answer = nebulink.request("GET", "/nowhere", &[("x-request-id", &longest)]).await;
    assert_eq!(answer.header("x-request-id"), Some(longest.as_str()));
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.request("HEAD", "/go/conversation/abc", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some(conversation(&stand_in, "abc").as_str()))
    );
    let answer = nebulink.request("HEAD", "/go/conversation/unknown", &[("accept", "text/html")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
}

#[tokio::test]
async fn a_link_is_fresh_for_its_ttl_and_absent_for_the_negative_one() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[("cache.ttl", "1h"), ("cache.negative_ttl", "10s")]).await;
    let status = async |target: &str| nebulink.get(target).await.header("cache-status").unwrap().to_owned();
    assert_eq!(status("/c/abc").await, MISS);
    assert_eq!(status("/c/new").await, ABSENT);
    stand_in.add_conversation(KEY, "new");
    nebulink.clock.advance(Duration::from_millis(9_999));
    assert_eq!(status("/c/new").await, "nebulink; hit; detail=negative");
    nebulink.clock.advance(Duration::from_millis(1));
    assert_eq!(status("/c/new").await, MISS);
    assert_eq!(status("/c/abc").await, "nebulink; hit");
    nebulink.clock.advance(Duration::from_secs(3600 - 11));
    assert_eq!(status("/c/abc").await, "nebulink; hit");
    assert_eq!(stand_in.calls_for("abc"), 1);
}

#[tokio::test]
async fn what_a_cleaned_spelling_finds_is_kept_under_the_cleaned_id_alone() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    assert_eq!(nebulink.get("/c/%22abc%22").await.status, 302);
    assert_eq!(nebulink.get("/c/abc").await.header("cache-status"), Some("nebulink; hit"));
    nebulink.clock.advance(Duration::from_secs(15));
    stand_in.forget_calls();
    assert_eq!(nebulink.get("/c/%22abc%22").await.status, 302);
    assert_eq!((stand_in.calls_for("\"abc\""), stand_in.calls_for("abc")), (1, 0));
}

#[tokio::test]
async fn refresh_and_no_cache_ask_nebuly_although_the_answer_is_fresh() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    nebulink.get("/c/abc").await;
    for (calls, target, headers) in [
        (2, "/c/abc?refresh", vec![]),
        (3, "/go/conversation?id=abc&refresh=1", vec![]),
        (4, "/c/abc", vec![("cache-control", "max-age=0, no-cache")]),
    ] {
        let answer = nebulink.request("GET", target, &headers).await;
        assert_eq!((answer.status, stand_in.call_count()), (302, calls));
        assert_eq!(answer.header("cache-status"), Some("nebulink; fwd=request; fwd-status=200; stored"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let answer = nebulink.request("GET", "/c/abc?refresh=0", &[("cache-control", "max-age=0")]).await;
    assert_eq!((answer.header("cache-status"), stand_in.call_count()), (Some("nebulink; hit"), 4));
}

#[tokio::test]
async fn a_refresh_that_fails_is_answered_from_the_cache() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    nebulink.get("/c/abc").await;
    for fault in [Fault::Drop, Fault::Garbage, Fault::status(http::StatusCode::FORBIDDEN)] {
        stand_in.set_fault(Some(fault.clone()));
        let answer = nebulink.get("/c/abc?refresh").await;
        assert_eq!((answer.status, answer.header("cache-status")), (302, Some("nebulink; hit")), "{fault:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_known_link_ends_only_when_its_item_is_gone_twice_a_minute_apart() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    nebulink.get("/c/abc").await;
    stand_in.remove(KEY, "abc");
    assert_eq!(nebulink.get("/c/abc?refresh").await.status, 302);
    nebulink.clock.advance(Duration::from_secs(59));
    assert_eq!(nebulink.get("/c/abc?refresh").await.status, 302);
    nebulink.clock.advance(Duration::from_secs(1));
    assert_eq!(nebulink.get("/c/abc?refresh").await.status, 404);
    assert_eq!(nebulink.get("/c/abc").await.status, 404);
}

#[tokio::test]
async fn a_conversation_whose_id_is_a_uuid_is_not_asked_for_as_an_interaction_again() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    nebulink.get(&format!("/go/{TWIN}")).await;
    nebulink.clock.advance(Duration::from_secs(3600));
    stand_in.set_fault_for(Matching::any(), Fault::Drop);
    let answer = nebulink.get(&format!("/go/{TWIN}")).await;
    assert_eq!((answer.status, answer.header("cache-status")), (302, Some("nebulink; hit")));
    assert_eq!(stand_in.call_count(), 2);
}

#[tokio::test]
async fn everything_lies_below_the_base_path() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[("server.base_path", "/tools/go-links")]).await;
    assert_eq!(nebulink.get("/tools/go-links/go/conversation/a%2Fb").await.status, 302);
    assert_eq!(nebulink.get("/tools/go-links/c/abc/").await.status, 302);
    assert_eq!(nebulink.get("/tools/go-links/go?id=abc").await.status, 302);
    assert_eq!(nebulink.get("/go/conversation/abc").await.json()["type"], "urn:nebulink:unknown-path");
    let page = nebulink.request("GET", "/tools/go-links/c/unknown", &[("accept", "text/html")]).await;
    assert!(page.body.contains("href=\"/tools/go-links/go/conversation?id=unknown\""), "{}", page.body);
}

#[tokio::test]
async fn the_call_to_nebuly_carries_the_key_and_nothing_of_the_caller() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let headers = [("cookie", "session=1"), ("referer", "https://ticket.example/1"), ("x-request-id", "r1")];
    nebulink.request("GET", "/go/conversation/a%2Fb?utm=1", &headers).await;
    let [call] = &stand_in.calls()[..] else { panic!("one call is made") };
    assert_eq!(call.target, "/api/external/deeplinks/conversation/a%2Fb");
    let mut names: Vec<_> = call.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "host", "user-agent"]);
}
