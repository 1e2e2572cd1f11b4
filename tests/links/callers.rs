//! Who may ask, through the running program over real sockets.

use std::io::Write as _;
use std::time::Duration;

use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{Answer, KEY, Nebulink, PATIENCE, settings, stand_in};
use nebulink::app::{App, Shutdown, StartError};
use nebulink::demo::{Fault, StandIn};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const EMAIL: &str = "x-auth-request-email";
const TOKEN: &str = "canary-0123456789-abcdef";
const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
const SLACK: (&str, &str) = ("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)");

/// Settings behind an authenticating proxy on this machine.
const BEHIND_PROXY: [(&str, &str); 2] =
    [("access.identity_header", EMAIL), ("server.trusted_proxies", "127.0.0.1")];

async fn known() -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    stand_in.add_interaction(KEY, INTERACTION.parse().unwrap());
    stand_in
}

fn tokens_file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["type"], format!("urn:nebulink:{kind}"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn every_public_path_but_two_needs_the_identity() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &BEHIND_PROXY).await;
    let long = "x".repeat(257);
    for target in [
        "/c/abc",
        "/go/interaction/nonsense",
        "/nowhere",
        "/",
        "/kit",
        "/openapi.json",
        "/opensearch.xml",
        "/api",
        "/api/v1/links",
        "/go/tag/a/b",
    ] {
        for headers in [
            vec![],
            vec![(EMAIL, "")],
            vec![(EMAIL, "ada@example.com"), (EMAIL, "eve@example.com")],
            vec![(EMAIL, "ada\u{fc}@example.com")],
            vec![(EMAIL, long.as_str())],
            vec![("authorization", "Bearer canary-0123456789-abcdef")],
        ] {
            let answer = nebulink.request("GET", target, &headers).await;
            assert_problem(&answer, 403, "unauthenticated");
            assert!(answer.header("www-authenticate").is_none());
        }
    }
    for target in ["/favicon.svg", "/robots.txt", "/robots.txt/"] {
        assert_eq!(nebulink.get(target).await.status, 200, "{target}");
    }
    assert_problem(&nebulink.request("POST", "/c/abc", &[]).await, 403, "unauthenticated");
    assert_eq!(stand_in.call_count(), 0);

    let ada = [(EMAIL, "Ada Lovelace <ada@example.com>")];
    assert_eq!(nebulink.request("GET", "/c/abc", &ada).await.status, 302);
    assert_problem(&nebulink.request("GET", "/nowhere", &ada).await, 404, "unknown-path");
    assert_problem(&nebulink.request("GET", "/api/v1/links", &ada).await, 405, "method-not-allowed");

    let page = nebulink.request("GET", "/c/abc", &[("accept", "text/html")]).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("server.trusted_proxies"), "{}", page.body);
}

#[tokio::test]
async fn an_identity_from_a_peer_that_is_not_trusted_is_not_believed() {
    let stand_in = known().await;
    for trusted in ["", "10.0.0.0/16"] {
        let settings = [("access.identity_header", EMAIL), ("server.trusted_proxies", trusted)];
        let nebulink = Nebulink::start(&stand_in, &settings).await;
        let headers = [(EMAIL, "ada@example.com"), ("x-forwarded-for", "10.0.0.1")];
        let answer = nebulink.request("GET", "/c/abc", &headers).await;
        assert_problem(&answer, 403, "unauthenticated");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn the_paths_without_identity_lie_below_the_base_path_too() {
    let stand_in = known().await;
    let settings = [BEHIND_PROXY[0], BEHIND_PROXY[1], ("server.base_path", "/tools")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    assert_eq!(nebulink.get("/tools/robots.txt").await.status, 200);
    assert_problem(&nebulink.get("/robots.txt").await, 403, "unauthenticated");
    assert_problem(&nebulink.get("/tools/c/abc").await, 403, "unauthenticated");
    assert_problem(&nebulink.get("/c/abc").await, 403, "unauthenticated");
}

#[tokio::test]
async fn each_opened_link_is_logged_with_its_identity_in_one_line_whatever_the_access_log() {
    if !in_own_process(each_opened_link_is_logged_with_its_identity_in_one_line_whatever_the_access_log) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    for (access, target) in
        [("none", "nebulink::audit"), ("errors", "nebulink::audit"), ("all", "nebulink::access")]
    {
        let settings = [BEHIND_PROXY[0], BEHIND_PROXY[1], ("log.access", access), ("log.format", "text")];
        let nebulink = Nebulink::start(&stand_in, &settings).await;
        // Cold, from the cache, and its page.
        for (round, (path, status)) in
            [("/c/abc", 302), ("/c/abc", 302), ("/c/abc?noredirect", 200)].into_iter().enumerate()
        {
            let request_id = format!("audit-{access}-{round}");
            let headers = [(EMAIL, "ada\\@example.com"), ("x-request-id", request_id.as_str())];
            assert_eq!(nebulink.request("GET", path, &headers).await.status, status);
            let line: serde_json::Value = serde_json::from_str(&log.line(&request_id).await).unwrap();
            assert_eq!(log.lines(&request_id).len(), 1, "{access}");
            assert_eq!(line["target"], target, "{line}");
            assert_eq!(line["level"], "INFO", "{line}");
            // Escaped as a text log needs it.
            assert_eq!(line["identity"], r"ada\\@example.com", "{line}");
            assert_eq!((&line["kind"], &line["id"]), (&"conversation".into(), &"abc".into()), "{line}");
        }
        // What was not opened is the access log's business alone.
        let request_id = format!("audit-{access}-not-opened");
        let headers = [(EMAIL, "ada@example.com"), ("x-request-id", request_id.as_str())];
        assert_eq!(nebulink.request("GET", "/c/unknown", &headers).await.status, 404);
        assert_eq!(nebulink.request("GET", "/robots.txt", &headers).await.status, 200);
        let robot = [headers[0], headers[1], ("user-agent", "Slackbot 1.0")];
        assert_eq!(nebulink.request("GET", "/c/abc", &robot).await.status, 200);
        assert!(log.lines(&request_id).iter().all(|line| !line.contains("nebulink::audit")), "{access}");
    }
}

#[tokio::test]
async fn a_page_whose_details_cost_a_call_is_logged_as_cold_and_one_that_costs_none_is_not() {
    if !in_own_process(a_page_whose_details_cost_a_call_is_logged_as_cold_and_one_that_costs_none_is_not) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[("log.access", "cold"), ("preview.details", "true")]).await;
    let page = async |path: &str, request_id: &str| {
        let answer = nebulink.request("GET", path, &[("x-request-id", request_id)]).await;
        assert!(matches!(answer.status, 200 | 302), "{answer:?}");
    };
    page("/c/abc", "the-link").await;
    page("/c/abc?noredirect", "asked-for-details").await;
    page("/c/abc?noredirect", "cached-details").await;
    let line: serde_json::Value = serde_json::from_str(&log.line("asked-for-details").await).unwrap();
    assert_eq!((&line["target"], &line["outcome"]), (&"nebulink::access".into(), &"hit".into()), "{line}");
    assert_eq!(log.lines("cached-details"), [""; 0]);
}

#[tokio::test]
async fn api_paths_need_a_token_where_a_file_of_them_is_set() {
    let stand_in = known().await;
    let file = tokens_file(&format!("# robots\n\nrobot = {TOKEN}\n"));
    let path = file.path().to_str().unwrap();
    let with_identity = [("access.api_tokens_file", path), BEHIND_PROXY[0], BEHIND_PROXY[1]];
    for settings in [&with_identity[..1], &with_identity] {
        let nebulink = Nebulink::start(&stand_in, settings).await;
        let good = format!("Bearer {TOKEN}");
        let (short, long) = (good.trim_end_matches('f'), format!("{good}0"));
        for target in ["/api", "/api/", "/api/v1/links", "/api/v1/links/conversation/abc", "/api//"] {
            for headers in [
                vec![],
                vec![("authorization", "Bearer")],
                vec![("authorization", TOKEN)],
                vec![("authorization", short)],
                vec![("authorization", long.as_str())],
                vec![("authorization", good.as_str()), ("authorization", good.as_str())],
                // A file that is set always closes these paths, to people too.
                vec![(EMAIL, "ada@example.com")],
            ] {
                for method in ["GET", "POST"] {
                    let answer = nebulink.request(method, target, &headers).await;
                    assert_problem(&answer, 401, "unauthenticated");
                    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                }
            }
            for authorization in [good.clone(), good.replace("Bearer", "bearer")] {
                let answer = nebulink.request("GET", target, &[("authorization", &authorization)]).await;
                match target {
                    "/api/v1/links" => assert_problem(&answer, 405, "method-not-allowed"),
                    "/api/v1/links/conversation/abc" => assert_eq!(answer.status, 200),
                    _ => assert_problem(&answer, 404, "unknown-path"),
                }
            }
            // The browser's preflight brings neither.
            assert_eq!(nebulink.request("OPTIONS", target, &[]).await.status, 204);
        }
    }
}

#[tokio::test]
async fn a_token_opens_api_paths_alone() {
    let stand_in = known().await;
    let file = tokens_file(&format!("robot = {TOKEN}"));
    let path = file.path().to_str().unwrap();
    let settings = [("access.api_tokens_file", path), BEHIND_PROXY[0], BEHIND_PROXY[1]];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let authorization = format!("Bearer {TOKEN}");
    for target in ["/c/abc", "/apis", "/v1/api", "/api%2Fv1"] {
        let answer = nebulink.request("GET", target, &[("authorization", &authorization)]).await;
        assert_problem(&answer, 403, "unauthenticated");
    }
}

#[tokio::test]
async fn a_file_without_tokens_admits_nobody() {
    let stand_in = known().await;
    let file = tokens_file("# later\n");
    let nebulink =
        Nebulink::start(&stand_in, &[("access.api_tokens_file", file.path().to_str().unwrap())]).await;
    for authorization in ["", "Bearer", "Bearer ", "Bearer later"] {
        let answer = nebulink.request("GET", "/api", &[("authorization", authorization)]).await;
        assert_problem(&answer, 401, "unauthenticated");
    }
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_the_start_and_says_where_it_is_wrong() {
    let stand_in = known().await;
    for (content, line) in [
        (format!("robot = {TOKEN}\n\nrobot = {TOKEN}"), 3),
        (format!("robot: {TOKEN}"), 1),
        ("robot = canary-short".replace("-short", ""), 1),
        (format!("a robot = {TOKEN}"), 1),
    ] {
        let file = tokens_file(&content);
        let settings = settings(&stand_in, &[("access.api_tokens_file", file.path().to_str().unwrap())]);
        let error = App::build(&settings).err().unwrap();
        assert!(matches!(error, StartError::ApiTokens { .. }), "{error:?}");
        let debug = format!("{error:?}");
        let chain = format!("{:#} {debug}", anyhow::Error::new(error));
        assert!(
            chain.contains("access.api_tokens_file") && chain.contains(&format!("line {line}")),
            "{chain}"
        );
        assert!(!chain.contains("canary"), "{chain}");
    }
}

#[tokio::test]
async fn tokens_are_read_again_when_the_file_changes_and_appear_in_no_log() {
    if !in_own_process(tokens_are_read_again_when_the_file_changes_and_appear_in_no_log) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let other = format!("{TOKEN}-other");
    let file = tokens_file(&format!("robot = {TOKEN}"));
    let path = file.path().to_str().unwrap();
    let nebulink = Nebulink::start(&stand_in, &[("access.api_tokens_file", path)]).await;
    let status = async |token: &str| {
        let authorization = format!("Bearer {token}");
        nebulink.request("GET", "/api", &[("authorization", &authorization)]).await.status
    };
    assert_eq!((status(TOKEN).await, status(&other).await), (404, 401));
    std::fs::write(path, format!("robot = {other}")).unwrap();
    let changed = async {
        while status(&other).await != 404 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("the file is not read again");
    assert_eq!(status(TOKEN).await, 401);
    assert!(log.text().contains("reloaded access.api_tokens_file"));
    assert!(!log.text().contains("canary-0123"), "a token is in the log");
}

#[tokio::test]
async fn browsers_on_listed_origins_alone_may_read_api_paths() {
    let stand_in = known().await;
    let file = tokens_file(&format!("robot = {TOKEN}"));
    let settings = [
        ("access.cors_origins", "https://tools.example,http://localhost:3000"),
        ("access.api_tokens_file", file.path().to_str().unwrap()),
        BEHIND_PROXY[0],
        BEHIND_PROXY[1],
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let told = |answer: &Answer| answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
    for origin in ["https://tools.example", "http://localhost:3000"] {
        let answer = nebulink.request("GET", "/api/v1/links", &[("origin", origin)]).await;
        assert_problem(&answer, 401, "unauthenticated");
        assert_eq!(allowed(&answer).as_deref(), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), Some("origin"));
        let exposed = "cache-status,retry-after,server-timing,x-request-id";
        assert_eq!(answer.header("access-control-expose-headers"), Some(exposed));

        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let preflight = nebulink.request("OPTIONS", "/api/v1/links", &asks).await;
        assert_eq!((preflight.status, preflight.body.as_str()), (204, ""), "{preflight:?}");
        assert_eq!(allowed(&preflight).as_deref(), Some(origin));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(
            preflight.header("access-control-allow-headers"),
            Some("authorization,cache-control,content-type,x-request-id")
        );
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
        assert_eq!(preflight.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(preflight.header("referrer-policy"), Some("no-referrer"));
        assert!(preflight.header("x-request-id").is_some());
    }
    for origin in [
        "https://tools.example.evil.example",
        "https://tools.example:8443",
        "http://tools.example",
        "null",
        "*",
    ] {
        for method in ["GET", "OPTIONS"] {
            let answer = nebulink.request(method, "/api/v1/links", &[("origin", origin)]).await;
            assert!(!told(&answer), "{method} {origin}: {answer:?}");
        }
    }
    let answer = nebulink.request("GET", "/c/abc", &[("origin", "https://tools.example")]).await;
    assert!(!told(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_link_preview_robot_gets_a_card_without_a_call() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for (target, title) in [
        (format!("/go/interaction/{INTERACTION}"), "Interaction 0191b7c4…"),
        (format!("/i/{}?refresh", INTERACTION.to_uppercase()), "Interaction 0191b7c4…"),
        (format!("/go/{INTERACTION}"), "Interaction or conversation 0191b7c4…"),
        ("/c/abc".into(), "Conversation abc"),
        ("/go?id=%3Cscript%3E%22%27".into(), "Conversation &#60;script&#62;&#34;&#39;"),
        (format!("/c/{}", "x".repeat(25)), "Conversation xxxxxxxxxxxxxxxxxxxxxxxx…"),
    ] {
        let answer = nebulink.request("GET", &target, &[SLACK]).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert!(
            answer.body.contains(&format!("<meta property=\"og:title\" content=\"{title}\">")),
            "{}",
            answer.body
        );
        for property in ["og:type", "og:site_name", "og:description"] {
            assert!(answer.body.contains(&format!("<meta property=\"{property}\" content=\"")), "{property}");
        }
        assert!(answer.body.contains("<meta name=\"robots\" content=\"noindex, nofollow\">"));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
        assert_eq!((answer.header("location"), answer.header("cache-status")), (None, None));
        let head = nebulink.request("HEAD", &target, &[SLACK]).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    assert_problem(&nebulink.request("GET", "/c/..", &[SLACK]).await, 400, "invalid-request");
    assert_problem(&nebulink.request("GET", "/nowhere", &[SLACK]).await, 404, "unknown-path");
    assert_eq!(stand_in.call_count(), 0);
    // The cache was not touched either: whoever comes next is the first.
    for agent in
        ["curl/8.5.0", "python-requests/2.32.3", "Go-http-client/1.1", "Mozilla/5.0 HeadlessChrome/126.0"]
    {
        assert_eq!(nebulink.request("GET", "/c/abc", &[("user-agent", agent)]).await.status, 302, "{agent}");
    }
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn cards_need_the_identity_too_and_can_be_switched_off() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &BEHIND_PROXY).await;
    assert_problem(&nebulink.request("GET", "/c/abc", &[SLACK]).await, 403, "unauthenticated");
    let nebulink = Nebulink::start(&stand_in, &[("preview.unfurl", "false")]).await;
    assert_eq!(nebulink.request("GET", "/c/abc", &[SLACK]).await.status, 302);
}

#[tokio::test]
async fn a_forwarding_peer_that_is_not_trusted_is_warned_of() {
    if !in_own_process(a_forwarding_peer_that_is_not_trusted_is_warned_of) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[("server.trusted_proxies", "172.20.0.0/16")]).await;
    let warnings = || log.lines("x-forwarded-for ignored: the peer is not in server.trusted_proxies").len();
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
    assert_eq!(warnings(), 0);
    for _ in 0..3 {
        let answer = nebulink.request("GET", "/c/new", &[("x-forwarded-for", "203.0.113.9")]).await;
        assert_eq!(answer.status, 404);
    }
    assert_eq!(warnings(), 1);
}

/// A request for a link that Nebuly is asked for, and that nothing answers yet.
async fn wait_for(id: &str, stand_in: &StandIn, nebulink: &Nebulink) -> TcpStream {
    stand_in.set_fault(Some(Fault::Hold));
    let calls = stand_in.call_count();
    let mut stream = TcpStream::connect(nebulink.address).await.unwrap();
    let head = format!("GET /c/{id} HTTP/1.1\r\nhost: test\r\n{EMAIL}: ada@example.com\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(calls + 1)).await.unwrap();
    stream
}

async fn closed_before_the_answer(nebulink: &Nebulink) -> bool {
    let scrape = crate::support::request(nebulink.management, "GET", "/metrics", &[]).await.body;
    let series = r#"nebulink_http_requests_total{route="/c/{id}",method="GET",status="499"} "#;
    scrape.lines().any(|line| line == format!("{series}1"))
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_is_logged_and_counted_with_status_499() {
    if !in_own_process(a_caller_that_leaves_before_the_answer_is_logged_and_counted_with_status_499) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[&BEHIND_PROXY[..], &[("log.access", "cold")]].concat()).await;
    let stream = wait_for("gone-early", &stand_in, &nebulink).await;
    assert!(!closed_before_the_answer(&nebulink).await);
    stream.set_zero_linger().unwrap();
    drop(stream);
    let line: serde_json::Value = serde_json::from_str(&log.line("gone-early").await).unwrap();
    assert_eq!(line["message"], "connection closed before the answer");
    assert_eq!((&line["level"], &line["target"]), (&"INFO".into(), &"nebulink::access".into()));
    assert_eq!((&line["status"], &line["route"]), (&499.into(), &"/c/{id}".into()));
    assert_eq!((&line["kind"], &line["id"]), (&"conversation".into(), &"gone-early".into()));
    assert_eq!(line["identity"], "ada@example.com");
    assert!(line["request_id"].is_string() && line["duration_ms"].is_number(), "{line}");
    assert!(closed_before_the_answer(&nebulink).await);
    assert_eq!(log.lines("gone-early").len(), 1);
}

#[tokio::test]
async fn a_caller_that_closes_its_connection_is_found_gone_when_it_is_answered() {
    if !in_own_process(a_caller_that_closes_its_connection_is_found_gone_when_it_is_answered) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    stand_in.add_conversation(KEY, "closed-early");
    let nebulink = Nebulink::start(&stand_in, &BEHIND_PROXY).await;
    drop(wait_for("closed-early", &stand_in, &nebulink).await);
    // A later event on the same runtime: the server has noticed the close when it answers this.
    assert!(!closed_before_the_answer(&nebulink).await);
    stand_in.release_held();
    let line: serde_json::Value = serde_json::from_str(&log.line("closed-early").await).unwrap();
    assert_eq!((&line["status"], &line["outcome"]), (&499.into(), &serde_json::Value::Null));
    assert_eq!((&line["id"], &line["identity"]), (&"closed-early".into(), &"ada@example.com".into()));
    assert!(closed_before_the_answer(&nebulink).await);
    assert_eq!(log.lines("closed-early").len(), 1);
    // What nobody waited for any more is known all the same.
    let trusted = [(EMAIL, "ada@example.com")];
    let answer = nebulink.request("GET", "/c/closed-early", &trusted).await;
    assert_eq!(answer.header("cache-status"), Some("nebulink; hit"));
}

#[tokio::test]
async fn a_caller_that_reads_the_answer_and_resets_the_connection_is_audited() {
    if !in_own_process(a_caller_that_reads_the_answer_and_resets_the_connection_is_audited) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    stand_in.add_conversation(KEY, "read-and-reset");
    let settings = [&BEHIND_PROXY[..], &[("log.access", "none")]].concat();
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let mut stream = wait_for("read-and-reset", &stand_in, &nebulink).await;
    stream.shutdown().await.unwrap();
    stand_in.release_held();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    stream.set_zero_linger().unwrap();
    drop(stream);
    let line: serde_json::Value = serde_json::from_str(&log.line("read-and-reset").await).unwrap();
    assert_eq!((&line["message"], &line["identity"]), (&"link opened".into(), &"ada@example.com".into()));
}

#[tokio::test]
async fn a_request_that_the_end_of_the_drain_cuts_is_logged_with_status_499() {
    if !in_own_process(a_request_that_the_end_of_the_drain_cuts_is_logged_with_status_499) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    let settings = [&BEHIND_PROXY[..], &[("server.drain_timeout", "1s")]].concat();
    let mut nebulink = Nebulink::start(&stand_in, &settings).await;
    let mut stream = wait_for("too-slow", &stand_in, &nebulink).await;
    nebulink.stop(Shutdown::AtOnce);
    assert!(stream.read_u8().await.is_err());
    let line: serde_json::Value = serde_json::from_str(&log.line("too-slow").await).unwrap();
    assert_eq!((&line["status"], &line["outcome"]), (&499.into(), &serde_json::Value::Null));
    assert_eq!(line["message"], "connection closed before the answer");
    nebulink.stopped().await;
}

#[tokio::test]
async fn a_caller_that_has_only_finished_sending_gets_its_answer() {
    if !in_own_process(a_caller_that_has_only_finished_sending_gets_its_answer) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known().await;
    stand_in.add_conversation(KEY, "half-closed");
    let nebulink = Nebulink::start(&stand_in, &BEHIND_PROXY).await;
    let mut stream = wait_for("half-closed", &stand_in, &nebulink).await;
    stream.shutdown().await.unwrap();
    stand_in.release_held();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    let line: serde_json::Value = serde_json::from_str(&log.line("half-closed").await).unwrap();
    assert_eq!((&line["status"], &line["outcome"]), (&302.into(), &"resolved".into()));
    assert!(!closed_before_the_answer(&nebulink).await);
}
