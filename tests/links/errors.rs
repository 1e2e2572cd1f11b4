//! Every row of the table of errors, each from its real cause, as JSON and as a page.

use std::time::Duration;

use crate::support::{KEY, ManualClock, Nebulink, settings, stand_in};
use axum_test::TestServer;
use http::header::{ACCEPT, ALLOW};
use http::{HeaderValue, Method, StatusCode};
use nebulink::app::App;
use nebulink::demo::{Fault, StandIn};
use proptest::prelude::*;
use serde_json::Value;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Timeouts short enough to be waited for, and one call for each failure: what is tried again is tested elsewhere.
pub(crate) const SHORT: [(&str, &str); 4] = [
    ("nebuly.retries", "0"),
    ("nebuly.connect_timeout", "200ms"),
    ("nebuly.attempt_timeout", "300ms"),
    ("nebuly.deadline", "600ms"),
];

pub(crate) fn server(stand_in: &StandIn) -> TestServer {
    TestServer::new(App::build(&settings(stand_in, &SHORT)).unwrap().public())
}

pub(crate) fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

/// The faults of Nebuly, and what the caller gets: status, type, `cache-status`.
#[rustfmt::skip]
fn causes() -> Vec<(Fault, u16, &'static str, &'static str)> {
    let url = |url: &str| Fault::Url(url.to_owned());
    let body = |body: &str| Fault::Body(body.to_owned());
    vec![
        (status(404), 404, "not-found", "nebulink; fwd=miss; fwd-status=404; stored"),
        (status(410), 404, "not-found", "nebulink; fwd=miss; fwd-status=410; stored"),
        (status(400), 404, "not-found", "nebulink; fwd=miss; fwd-status=400; stored"),
        (status(422), 404, "not-found", "nebulink; fwd=miss; fwd-status=422; stored"),
        (status(403), 404, "not-found", "nebulink; fwd=miss; fwd-status=403; stored"),
        (status(401), 502, "key-rejected", "nebulink; fwd=miss; fwd-status=401"),
        (status(429), 503, "overloaded", "nebulink; fwd=miss; fwd-status=429"),
        (Fault::throttled(HeaderValue::from_static("17")), 503, "overloaded", "nebulink; fwd=miss; fwd-status=429"),
        (status(500), 502, "unavailable", "nebulink; fwd=miss; fwd-status=500"),
        (status(502), 502, "unavailable", "nebulink; fwd=miss; fwd-status=502"),
        (status(503), 502, "unavailable", "nebulink; fwd=miss; fwd-status=503"),
        (status(504), 502, "unavailable", "nebulink; fwd=miss; fwd-status=504"),
        (status(599), 502, "unavailable", "nebulink; fwd=miss; fwd-status=599"),
        (Fault::Drop, 502, "unavailable", "nebulink; fwd=miss"),
        (Fault::Reset, 502, "unavailable", "nebulink; fwd=miss"),
        (Fault::Half, 502, "unavailable", "nebulink; fwd=miss; fwd-status=200"),
        (Fault::Hang, 504, "timeout", "nebulink; fwd=miss"),
        (Fault::Drip { pause: Duration::from_millis(20) }, 504, "timeout", "nebulink; fwd=miss; fwd-status=200"),
        (Fault::Delay(Duration::from_secs(5)), 504, "timeout", "nebulink; fwd=miss"),
        (Fault::Garbage, 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (Fault::Huge { bytes: 70_000 }, 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (Fault::Compressed, 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (Fault::RedirectTo("https://v2.platform.eu.nebuly.com/x".into()), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=302"),
        (status(201), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=201"),
        (status(204), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=204"),
        (status(304), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=304"),
        (status(418), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=418"),
        (body("{}"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (body(r#"{"url": null}"#), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (body(r#"{"url": ["https://v2.platform.eu.nebuly.com/"]}"#), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (body(""), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url(""), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url("https://evil.example/"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url("http://v2.platform.eu.nebuly.com/"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url("javascript://localhost/%0aalert(1)"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url("//v2.platform.eu.nebuly.com/"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url("https://v2.platform.eu.nebuly.com/a\r\nset-cookie: x"), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
        (url(&format!("https://v2.platform.eu.nebuly.com/?k={KEY}")), 502, "bad-answer", "nebulink; fwd=miss; fwd-status=200"),
    ]
}

#[tokio::test]
async fn each_cause_has_its_row_of_the_table() {
    let stand_in = stand_in().await;
    for (fault, code, kind, cache_status) in causes() {
        let nebulink = Nebulink::start(&stand_in, &SHORT).await;
        stand_in.forget_calls();
        stand_in.set_fault(Some(fault.clone()));
        let answer = nebulink.get("/go/conversation/abc").await;
        assert_eq!(answer.status, code, "{fault:?}: {answer:?}");
        assert_eq!(answer.header("cache-status"), Some(cache_status), "{fault:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{fault:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{fault:?}");
        assert!(answer.header("server-timing").unwrap().starts_with("nebuly;dur="), "{fault:?}");
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:nebulink:{kind}"), "{fault:?}");
        assert_eq!(problem["status"], code, "{fault:?}");
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "{fault:?}");
        let mut members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["detail", "request_id", "status", "title", "type"], "{fault:?}");
        assert_eq!(stand_in.call_count(), 1, "{fault:?}");
        // Errors are not cached: as soon as Nebuly recovers, so does the link. But Nebuly is not called at once again while
        // it rate-limits us, or rejects our key.
        stand_in.set_fault(None);
        let again = nebulink.get("/go/conversation/abc").await;
        let expected = match kind {
            "not-found" => Some("nebulink; hit; detail=negative"),
            "overloaded" => None,
            "key-rejected" => Some("nebulink; fwd=miss; fwd-status=401"),
            _ => Some("nebulink; fwd=miss; fwd-status=404; stored"),
        };
        assert_eq!(again.header("cache-status"), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_at_nebulys_address_is_unavailable() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &SHORT).await;
    stand_in.stop().await;
    let answer = nebulink.get("/go/conversation/abc").await;
    assert_eq!((answer.status, answer.header("cache-status")), (502, Some("nebulink; fwd=miss")));
    assert_eq!(answer.json()["type"], "urn:nebulink:unavailable");
}

#[tokio::test]
async fn a_defect_of_ours_is_a_500_that_says_nothing_of_itself() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let clock = ManualClock::default();
    let server =
        TestServer::new(App::build_with_clock(&settings(&stand_in, &SHORT), clock.clone()).unwrap().public());
    server.get("/c/abc").await.assert_status(StatusCode::FOUND);
    clock.set_broken(true);
    // In the handler, and in the task of a call.
    for path in ["/c/abc", "/c/new"] {
        let answer = server.get(path).await;
        answer.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = answer.json::<Value>();
        assert_eq!(problem["type"], "urn:nebulink:internal");
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id").to_str().ok());
        assert!(!answer.text().contains("clock"), "{}", answer.text());
    }
    clock.set_broken(false);
    server.get("/c/abc").await.assert_status(StatusCode::FOUND);
    server.get("/c/new").await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_retry_after_of_nebulys_is_passed_on() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    stand_in.set_fault(Some(Fault::throttled(HeaderValue::from_static("17"))));
    server.get("/c/abc").await.assert_header("retry-after", "17");
    stand_in.set_fault(Some(status(429)));
    let seconds = server.get("/c/abc").await.header("retry-after");
    assert!(seconds.to_str().unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn while_nebuly_wants_a_pause_nobody_waits_and_nothing_is_said_of_a_call() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &SHORT).await;
    stand_in.set_fault(Some(Fault::throttled(HeaderValue::from_static("60"))));
    nebulink.get("/c/abc").await;
    let answer = nebulink.get("/c/other").await;
    assert_eq!((answer.status, stand_in.call_count()), (503, 1));
    assert_eq!((answer.header("cache-status"), answer.header("server-timing")), (None, None));
    let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_path_that_is_none_of_ours_is_unknown_whatever_its_method() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for target in [
        "/nowhere",
        "/goo",
        "/go/tag",
        "/go/tag/",
        "/go/tag/ticket",
        "/go/tag/ticket/4711",
        "/go/tag/ticket/4711?kind=interaction",
        "//evil.example/x",
        "/g%6F/abc",
        "/GO/abc",
        "/livez",
        "/readyz",
        "/metrics",
        "/version",
        "*",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = nebulink.request(method, target, &[]).await;
            assert_eq!(answer.status, 404, "{method} {target}: {answer:?}");
            assert_eq!(answer.json()["type"], "urn:nebulink:unknown-path", "{method} {target}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(stand_in.call_count(), 0);
}

/// Paths of ours and their neighbours.
fn path() -> impl Strategy<Value = String> {
    const SEGMENTS: [&str; 20] = [
        "go",
        "i",
        "c",
        "interaction",
        "conversation",
        "tag",
        "ticket",
        "api",
        "v1",
        "links",
        "kit",
        "robots.txt",
        "openapi.json",
        "",
        "x",
        "%2f",
        "..",
        "%2e%2e",
        "{id}",
        "0198f3a2-2222-4abc-8def-000000000001",
    ];
    prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 1..6)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

/// Redirects are found before the router that knows all other methods and paths.
#[test]
fn a_path_is_known_for_one_method_exactly_if_it_is_for_another() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    let stand_in = runtime.block_on(stand_in());
    for base_path in ["", "/links"] {
        let tags = [("lookup.tags", "ticket"), ("server.base_path", base_path)];
        let server = TestServer::new(App::build(&settings(&stand_in, &tags)).unwrap().public());
        let is_known = |method: Method, path: &str| {
            let answer =
                runtime.block_on(async { server.method(method, &format!("{base_path}{path}")).await });
            answer.status_code() != StatusCode::NOT_FOUND
                || !answer.text().contains("urn:nebulink:unknown-path")
        };
        proptest!(|(path in path())| {
            let known = is_known(Method::DELETE, &path);
            prop_assert_eq!(is_known(Method::GET, &path), known);
            prop_assert_eq!(is_known(Method::POST, &path), known);
        });
    }
}

#[tokio::test]
async fn another_method_is_not_allowed_and_says_which_are() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::from_bytes(b"BREW").unwrap(),
    ] {
        for path in ["/go/conversation/abc", "/go/interaction", "/go", "/i/abc", "/c/abc/"] {
            let answer = server.method(method.clone(), path).await;
            answer.assert_status(StatusCode::METHOD_NOT_ALLOWED);
            let mut allowed: Vec<_> = answer
                .header(ALLOW)
                .to_str()
                .unwrap()
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method} {path}");
            assert_eq!(answer.json::<Value>()["type"], "urn:nebulink:method-not-allowed");
        }
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn every_error_has_the_headers_that_every_answer_has() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    for accept in ["*/*", BROWSER] {
        for (path, code) in [("/c/..%2f", 400), ("/c/unknown", 404), ("/nowhere", 404)] {
            let answer = server.get(path).add_header(ACCEPT, accept).await;
            answer.assert_status(StatusCode::from_u16(code).unwrap());
            answer.assert_header("x-content-type-options", "nosniff");
            answer.assert_header("referrer-policy", "no-referrer");
            answer.assert_header("cache-control", "no-store");
            assert!(answer.maybe_header("x-request-id").is_some());
        }
    }
}

#[tokio::test]
async fn the_words_are_the_same_for_every_cause_of_one_kind() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    let mut words = Vec::new();
    for fault in [status(500), status(503), Fault::Drop, Fault::Half] {
        stand_in.set_fault(Some(fault));
        let mut problem = server.get("/c/abc").await.json::<Value>();
        problem.as_object_mut().unwrap().remove("request_id");
        words.push(problem);
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
}
