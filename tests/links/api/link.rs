//! One link as JSON.

use std::time::Duration;

use http::StatusCode;
use nebulink::demo::{Fault, Matching};
use serde_json::json;

use super::{HOST, LINKS, SHORT_CODE, UNKNOWN, UUID, assert_problem, known};
use crate::error_pages::BROWSER;
use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{KEY, Nebulink, key_of, request, settings_with, stand_in, stand_in_with};

#[tokio::test]
async fn a_link_is_json_and_says_how_it_came_about() {
    let stand_in = known(&["a/b"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let uuid: uuid::Uuid = UUID.parse().unwrap();
    let upper = UUID.to_uppercase();
    let target = format!("{LINKS}/interaction/{upper}");
    let answer = nebulink.request("GET", &target, &[("accept", BROWSER)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("cache-status"), Some("nebulink; fwd=miss; fwd-status=200; stored"));
    assert!(answer.header("server-timing").unwrap().starts_with("nebuly;dur="), "{answer:?}");
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let link = json!({
        "kind": "interaction", "id": UUID, "state": "resolved", "url": stand_in.url_of(KEY, uuid),
        "project": "default", "resolved_at": "2027-01-15T08:00:00Z",
        "long_url": format!("{HOST}/go/interaction?id={UUID}"), "short_url": format!("{HOST}/i/{SHORT_CODE}"),
    });
    assert_eq!(answer.json(), link);
    let hit = nebulink.get(&format!("{target}/")).await;
    assert_eq!((hit.header("cache-status"), hit.header("server-timing")), (Some("nebulink; hit"), None));
    assert_eq!(hit.json(), link);
    let head = nebulink.request("HEAD", &target, &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(hit.body.len().to_string().as_str()));
    // Slashes that a proxy decoded belong to the id, and there are no details and no page.
    for id in ["a/b", "a%2Fb", "a%252Fb?noredirect"] {
        let answer = nebulink.get(&format!("{LINKS}/conversation/{id}")).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("a/b")), "{id}");
    }
    // The redirect of the same link costs nothing more.
    assert_eq!(nebulink.get(&format!("/i/{UUID}")).await.status, 302);
    assert_eq!(stand_in.call_count(), 3, "two, and one for a spelling that is not known");
}

#[tokio::test]
async fn a_link_without_a_url_is_the_problem_that_its_redirect_would_be() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "both");
    }
    stand_in.set_fault_for(Matching::id("broken"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[("nebuly.retries", "0")])).await;
    for (path, status, kind) in [
        (format!("interaction/{UNKNOWN}"), 404, "not-found"),
        ("conversation/both".to_owned(), 409, "ambiguous"),
        ("conversation/broken".to_owned(), 502, "unavailable"),
        ("conversation/a%00b".to_owned(), 400, "invalid-request"),
        (format!("interaction/{SHORT_CODE}"), 400, "invalid-request"),
        ("interaction/a/b".to_owned(), 400, "invalid-request"),
        ("conversation/x?project=nobody".to_owned(), 404, "unknown-project"),
        ("conversation/x?refresh=1&refresh=1".to_owned(), 400, "invalid-request"),
        ("conversation/x?wait=soon".to_owned(), 400, "invalid-request"),
        ("conversation/".to_owned(), 404, "unknown-path"),
        ("tag/x".to_owned(), 404, "unknown-path"),
    ] {
        let answer = nebulink.request("GET", &format!("{LINKS}/{path}"), &[("accept", BROWSER)]).await;
        assert_problem(&answer, status, kind);
    }
    for path in ["/api/v1/links/tag/x", "/api/v1/links/conversation/", "/api/v2/links", "/api"] {
        let detail = nebulink.get(path).await.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("the kind is interaction or conversation"), "{path}: {detail}");
    }
    let ambiguous = nebulink.get(&format!("{LINKS}/conversation/both")).await;
    assert_eq!(ambiguous.header("cache-status"), Some("nebulink; hit"));
    let links = ambiguous.json()["links"].as_array().unwrap().clone();
    assert_eq!(super::each(&links, "project"), ["project-0", "project-1"]);
    assert_eq!(links[1]["long_url"], format!("{HOST}/go/conversation?id=both&project=project-1"));
    let chosen = nebulink.get(&format!("{LINKS}/conversation/both?project=project-1")).await;
    assert_eq!(chosen.json()["url"], stand_in.url_of(&key_of(1), "both"));
    let other_method = nebulink.request("PUT", &format!("{LINKS}/conversation/both"), &[]).await;
    assert_problem(&other_method, 405, "method-not-allowed");
    assert_eq!(other_method.header("allow"), Some("GET,HEAD,OPTIONS"));
}

#[tokio::test]
async fn a_link_is_refreshed_and_waited_for_as_its_redirect_is() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let target = format!("{LINKS}/conversation/abc");
    nebulink.get(&target).await;
    let no_cache = [("cache-control", "no-cache")];
    for (query, headers) in [("?refresh", &[][..]), ("", &no_cache)] {
        let answer = nebulink.request("GET", &format!("{target}{query}"), headers).await;
        assert_eq!(answer.header("cache-status"), Some("nebulink; fwd=request; fwd-status=200; stored"));
    }
    assert_eq!(stand_in.call_count(), 3);
    stand_in.ingest_later(KEY, "new", Duration::from_millis(300));
    assert_eq!(nebulink.get(&format!("{LINKS}/conversation/new?wait=20s")).await.status, 200);
}

#[tokio::test]
async fn a_caller_over_its_limit_is_told_when_to_come_back_and_a_token_gives_it_ten_times_as_much() {
    const TOKEN: &str = "0123456789-abcdef";
    let stand_in = stand_in().await;
    let limits = [("limits.cold_per_second", "1"), ("limits.cold_burst", "2")];
    let statuses = async |nebulink: &Nebulink, headers: &[(&str, &str)]| {
        let mut found = 0;
        loop {
            let target = format!("{LINKS}/conversation/unknown-{found}");
            let answer = nebulink.request("GET", &target, headers).await;
            if answer.status == 429 {
                assert_problem(&answer, 429, "rate-limited");
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.json().get("retry_after"), None, "the header says it");
                return found;
            }
            assert_problem(&answer, 404, "not-found");
            found += 1;
        }
    };
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    assert_eq!(statuses(&nebulink, &[]).await, 2);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("robot = {TOKEN}")).unwrap();
    let path = file.path().to_str().unwrap();
    let nebulink =
        Nebulink::start(&stand_in, &[limits[0], limits[1], ("access.api_tokens_file", path)]).await;
    let authorization = format!("Bearer {TOKEN}");
    assert_eq!(statuses(&nebulink, &[("authorization", &authorization)]).await, 20);
}

#[tokio::test]
async fn a_robot_that_makes_previews_gets_the_link_too() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let robot = [("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")];
    let answer = nebulink.request("GET", &format!("{LINKS}/conversation/abc"), &robot).await;
    assert_eq!(answer.json()["state"], "resolved", "{answer:?}");
}

#[tokio::test]
async fn a_link_of_the_api_is_logged_and_counted_as_an_opened_link() {
    if !in_own_process(a_link_of_the_api_is_logged_and_counted_as_an_opened_link) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known(&["abc"]).await;
    let settings = [
        ("log.access", "none"),
        ("access.identity_header", "x-auth-request-email"),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let ada = [("x-auth-request-email", "ada@example.com")];
    nebulink.request("GET", &format!("{LINKS}/conversation/abc"), &ada).await;
    let line = log.line("link opened").await;
    for part in [
        "\"nebulink::audit\"",
        "\"route\":\"/api/v1/links/{kind}/{id}\"",
        "\"identity\":\"ada@example.com\"",
        "\"kind\":\"conversation\"",
        "\"id\":\"abc\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let metrics = request(nebulink.management, "GET", "/metrics", &[]).await.body;
    for series in [
        "nebulink_http_requests_total{route=\"/api/v1/links/{kind}/{id}\",method=\"GET\",status=\"200\"} 1",
        "nebulink_resolutions_total{kind=\"conversation\",outcome=\"resolved\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} in {metrics}");
    }
}
