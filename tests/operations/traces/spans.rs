//! Spans as they arrive at a collector.

use std::time::{Duration, Instant};

use nebulink::demo::{Fault, Interaction, Matching, StandIn};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::collector::{Collector, Span, resources, spans};
use super::program::serve;
use crate::support::{KEY, PATIENCE, exchange, stand_in};

const ID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Calls that resolved a link.
const OK_CALLS: &str = r#"nebulink_nebuly_requests_total{project="default",call="deeplink",result="ok"}"#;

/// The value of a tag.
const VALUE: &str = "canary-value";

/// Whatever these say is the caller's business.
const OF_CALLERS: [(&str, &str); 4] = [
    ("user-agent", "canary-agent"),
    ("x-request-id", "canary-request-id"),
    ("x-forwarded-for", "203.0.113.77"),
    ("baggage", "canary=1"),
];

async fn with_items() -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, ID.parse().unwrap());
    stand_in.add_conversation(KEY, "canary-conversation");
    stand_in
}

fn only<'a>(spans: &'a [Span], kind: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

/// Both runtimes: that of one worker is one thread.
#[tokio::test]
async fn a_request_and_the_call_that_it_cost_are_one_trace_in_which_nobody_is_named() {
    for workers in ["1", "2"] {
        let Some(collector) = Collector::start().await else { return };
        let stand_in = with_items().await;
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=te%2Cst,service.name=other".to_owned()),
            ("OTEL_SERVICE_NAME", "links".to_owned()),
            ("NEBULINK__SERVER__WORKERS", workers.to_owned()),
        ];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let program = serve(&stand_in, &variables).await;
        let target = format!("/go/interaction/{ID}?canary");
        assert_eq!(program.get(&target, &OF_CALLERS).await.status, 302);
        assert_eq!(program.get(&target, &OF_CALLERS).await.status, 302);
        let log = program.end().await;

        let received = collector.end();
        let all = spans(&received);
        let (servers, clients) = (only(&all, "SERVER"), only(&all, "CLIENT"));
        assert_eq!((servers.len(), clients.len(), all.len()), (2, 1, 3), "{received}");
        for (server, outcome) in servers.iter().zip(["resolved", "hit"]) {
            assert_eq!(server.text("name"), "GET /go/interaction/{id}");
            assert_eq!(server.text("parentSpanId"), "");
            assert_eq!(server.attribute("nebulink.outcome"), Some(outcome));
            assert_eq!(server.attribute("http.response.status_code"), Some("302"));
            assert_eq!(
                server.attribute_names(),
                [
                    "http.request.method",
                    "http.response.status_code",
                    "http.route",
                    "nebulink.kind",
                    "nebulink.outcome",
                    "url.scheme"
                ]
            );
        }
        assert_ne!(servers[0].text("traceId"), servers[1].text("traceId"));
        let call = clients[0];
        assert_eq!(call.text("name"), "GET /deeplinks/{kind}/{id}");
        assert_eq!(call.text("traceId"), servers[0].text("traceId"));
        assert_eq!(call.text("parentSpanId"), servers[0].text("spanId"));
        assert_eq!(call.attribute("nebulink.project"), Some("default"));
        assert_eq!(call.attribute("nebulink.result"), Some("ok"));
        assert_eq!(call.attribute("http.response.status_code"), Some("200"));
        assert_eq!(call.attribute("server.address"), Some("127.0.0.1"));
        assert_eq!(call.attribute("http.request.resend_count"), None);

        let resources = resources(&received);
        for resource in &resources {
            assert_eq!(resource.attribute("service.name"), Some("links"));
            assert_eq!(resource.attribute("service.version"), Some(env!("CARGO_PKG_VERSION")));
            assert_eq!(
                resource.attribute_names(),
                [
                    "deployment.environment.name",
                    "service.name",
                    "service.version",
                    "telemetry.sdk.language",
                    "telemetry.sdk.name",
                    "telemetry.sdk.version"
                ]
            );
            assert_eq!(resource.attribute("deployment.environment.name"), Some("te,st"));
        }
        for hidden in [KEY, ID, "canary", "203.0.113.77"] {
            assert!(!received.contains(hidden), "{hidden}: {received}");
        }
        // Lines of the log are found by the trace.
        assert!(log.contains(&format!(r#""trace_id":"{}""#, call.text("traceId"))), "{log}");
    }
}

#[tokio::test]
async fn a_call_for_details_is_a_span_of_the_request_for_the_link_page() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("NEBULINK__PREVIEW__DETAILS", "true".to_owned()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let program = serve(&stand_in, &variables).await;
    for target in [format!("/i/{ID}?noredirect"), "/c/canary-conversation?noredirect".to_owned()] {
        assert_eq!(program.get(&target, &[]).await.status, 200);
    }
    program.end().await;
    let received = collector.end();
    let all = spans(&received);
    for (name, call) in [
        ("GET /export/interactions/detail-v2/{id}", "interaction_detail"),
        ("POST /get-conversation-detail", "conversation_detail"),
    ] {
        let span = all.iter().find(|span| span.text("name") == name).unwrap();
        assert_eq!(span.attribute("nebulink.call"), Some(call));
        assert_eq!(span.attribute("nebulink.result"), Some("ok"));
        let parent = all.iter().find(|other| other.text("spanId") == span.text("parentSpanId")).unwrap();
        assert_eq!((parent.kind(), parent.text("traceId")), ("SERVER", span.text("traceId")));
    }
    assert!(!received.contains("canary") && !received.contains(ID), "{received}");
}

#[tokio::test]
async fn a_batch_is_one_span_with_its_calls_also_while_its_lines_are_sent() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    let program = serve(&stand_in, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]).await;
    for (accept, id) in [("application/json", ID), ("application/x-ndjson", "canary-conversation")] {
        let body = format!(r#"{{"links":[{{"id":"{id}"}}]}}"#);
        let request = format!(
            "POST /api/v1/links HTTP/1.0\r\naccept: {accept}\r\ncontent-type: application/json\r\ncontent-length: \
             {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(exchange(program.address, request.as_bytes()).await.status, 200);
    }
    program.end().await;
    let received = collector.end();
    let all = spans(&received);
    let (servers, clients) = (only(&all, "SERVER"), only(&all, "CLIENT"));
    assert_eq!((servers.len(), clients.len()), (2, 2), "{received}");
    for server in servers {
        assert_eq!(server.text("name"), "POST /api/v1/links");
        assert_eq!(server.attribute("http.response.status_code"), Some("200"));
        assert_eq!((server.attribute("nebulink.kind"), server.attribute("nebulink.outcome")), (None, None));
        let calls = clients.iter().filter(|call| call.text("parentSpanId") == server.text("spanId"));
        assert_eq!(calls.count(), 1, "{received}");
    }
    assert!(!received.contains("canary") && !received.contains(ID), "{received}");
}

#[tokio::test]
async fn a_request_whose_caller_leaves_has_the_status_of_its_line_in_the_log() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    stand_in.set_fault(Some(Fault::Hold));
    let program = serve(&stand_in, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]).await;
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    stream.write_all(b"GET /c/canary-conversation HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    let start = Instant::now();
    while program.metric("nebulink_connections").await > 0.0 {
        assert!(start.elapsed() < PATIENCE, "the connection is still open");
    }
    stand_in.release_held();
    let log = program.end().await;
    let received = collector.end();
    let all = spans(&received);
    let [server] = only(&all, "SERVER")[..] else { panic!("{received}") };
    assert_eq!(server.attribute("http.response.status_code"), Some("499"));
    assert!(!server.is_error());
    assert!(log.contains(&format!(r#""trace_id":"{}""#, server.text("traceId"))), "{log}");
}

#[tokio::test]
async fn a_call_that_is_tried_again_and_one_that_fails_are_told_from_one_that_is_absent() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    let endpoint = collector.endpoint();
    let program = serve(
        &stand_in,
        // The endpoint for traces alone is the whole address.
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{endpoint}/v1/traces"))],
    )
    .await;
    assert_eq!(program.get("/c/unknown", &[]).await.status, 404);
    let unavailable = Fault::status(http::StatusCode::SERVICE_UNAVAILABLE);
    stand_in.set_fault_for(Matching::any().times(2), unavailable);
    let failed = program.get("/c/canary-conversation", &[]).await;
    assert!(failed.status >= 500, "{failed:?}");
    assert_eq!(program.get("/nowhere/canary", &[]).await.status, 404);
    program.end().await;

    let received = collector.end();
    let all = spans(&received);
    let (servers, clients) = (only(&all, "SERVER"), only(&all, "CLIENT"));
    let seen = |span: &&Span| {
        (
            span.attribute("nebulink.result").unwrap().to_owned(),
            span.attribute("http.request.resend_count").map(str::to_owned),
            span.is_error(),
        )
    };
    assert_eq!(
        clients.iter().map(seen).collect::<Vec<_>>(),
        [
            ("absent".to_owned(), None, false),
            ("failed".to_owned(), None, true),
            ("failed".to_owned(), Some("1".to_owned()), true)
        ],
        "{received}"
    );
    let [absent, failed, nowhere] = servers[..] else { panic!("{received}") };
    assert_eq!((absent.attribute("nebulink.outcome"), absent.is_error()), (Some("absent"), false));
    assert_eq!((failed.attribute("nebulink.outcome"), failed.is_error()), (Some("failed"), true));
    assert_eq!((nowhere.text("name"), nowhere.attribute("http.route")), ("GET", None));
    assert!(!received.contains("canary"), "{received}");
}

#[tokio::test]
async fn each_call_for_the_same_is_counted_whether_the_key_or_nebuly_was_to_blame() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "nk-wrong").unwrap();
    let endpoint = collector.endpoint();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("NEBULY_API_KEY", ""),
        ("NEBULY_API_KEY_FILE", key_file.to_str().unwrap()),
    ];
    let program = serve(&stand_in, &variables).await;
    stand_in.set_fault_for(Matching::key("nk-wrong"), Fault::Hold);
    let unavailable = Fault::status(http::StatusCode::SERVICE_UNAVAILABLE);
    stand_in.set_fault_for(Matching::key(KEY).times(1), unavailable);
    let exchange = async {
        let start = Instant::now();
        while stand_in.call_count() == 0 {
            assert!(start.elapsed() < PATIENCE, "nothing is called");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let new = folder.path().join("new");
        std::fs::write(&new, KEY).unwrap();
        std::fs::rename(new, &key_file).unwrap();
        stand_in.release_held();
    };
    let (answer, ()) = tokio::join!(program.get("/c/canary-conversation", &[]), exchange);
    assert_eq!(answer.status, 302);
    program.end().await;

    let received = collector.end();
    let all = spans(&received);
    let resent: Vec<_> = only(&all, "CLIENT")
        .into_iter()
        .map(|call| (call.attribute("nebulink.result"), call.attribute("http.request.resend_count")))
        .collect();
    let expected = [(Some("rejected"), None), (Some("failed"), Some("1")), (Some("ok"), Some("2"))];
    assert_eq!(resent, expected, "{received}");
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_is_a_trace_of_its_own_linked_to_its_cause() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = with_items().await;
    let endpoint = collector.endpoint();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("NEBULINK__CACHE__TTL", "1ms")];
    let program = serve(&stand_in, &variables).await;
    assert_eq!(program.get("/c/canary-conversation", &[]).await.status, 302);
    // Until the refresh has ended, and not just begun.
    let start = Instant::now();
    while program.metric(OK_CALLS).await < 2.0 {
        assert!(start.elapsed() < PATIENCE, "nothing is refreshed");
        assert_eq!(program.get("/c/canary-conversation", &[]).await.status, 302);
    }
    program.end().await;

    let received = collector.end();
    let all = spans(&received);
    let (servers, clients) = (only(&all, "SERVER"), only(&all, "CLIENT"));
    let refresh = clients[1];
    assert_eq!(refresh.text("parentSpanId"), "");
    let stale: Vec<_> = servers
        .iter()
        .filter(|server| server.attribute("nebulink.outcome") == Some("stale"))
        .map(|server| server.text("spanId"))
        .collect();
    let [cause] = refresh.links()[..] else { panic!("{received}") };
    assert!(stale.contains(&cause), "{received}");
}

#[tokio::test]
async fn a_trusted_proxy_decides_and_is_the_parent_and_nobody_else() {
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let not_sampled = format!("00-{TRACE}-{PARENT}-00");
    for (trusted, sampler, traceparent, expected) in [
        ("127.0.0.1/32", "parentbased_always_off", &*sampled, Some(TRACE)),
        ("127.0.0.1/32", "parentbased_always_on", &*not_sampled, None),
        ("127.0.0.1/32", "parentbased_always_off", "00-malformed-01", None),
        ("127.0.0.1/32", "always_off", &*sampled, None),
        ("127.0.0.1/32", "always_on", &*not_sampled, Some(TRACE)),
        ("192.0.2.1/32", "parentbased_always_off", &*sampled, None),
        ("192.0.2.1/32", "parentbased_always_on", &*not_sampled, Some("")),
    ] {
        let Some(collector) = Collector::start().await else { return };
        let stand_in = with_items().await;
        let endpoint = collector.endpoint();
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("NEBULINK__SERVER__TRUSTED_PROXIES", trusted),
        ];
        let program = serve(&stand_in, &variables).await;
        let headers = [("traceparent", traceparent), ("tracestate", "vendor=state"), ("baggage", "a=b")];
        assert_eq!(program.get("/c/canary-conversation", &headers).await.status, 302);
        program.end().await;

        let received = collector.end();
        let all = spans(&received);
        let case = format!("{trusted} {sampler} {traceparent}: {received}");
        let servers = only(&all, "SERVER");
        match (expected, &servers[..]) {
            (None, []) => assert!(all.is_empty(), "{case}"),
            (Some(""), [server]) => {
                assert_ne!(server.text("traceId"), TRACE, "{case}");
                assert_eq!((server.text("parentSpanId"), server.text("traceState")), ("", ""), "{case}");
            }
            (Some(trace), [server]) => {
                let seen = (server.text("traceId"), server.text("parentSpanId"), server.text("traceState"));
                assert_eq!(seen, (trace, PARENT, "vendor=state"), "{case}");
            }
            _ => panic!("{case}"),
        }
        // Nebuly learns of none of this.
        let calls = stand_in.calls();
        assert_eq!(calls.len(), 1);
        for name in ["traceparent", "tracestate", "baggage"] {
            assert!(!calls[0].headers.contains_key(name), "{case}");
        }
    }
}

#[tokio::test]
async fn a_look_up_by_tag_is_one_trace_without_the_value() {
    let Some(collector) = Collector::start().await else { return };
    let stand_in = stand_in().await;
    let tags = [("ticket".to_owned(), VALUE.to_owned())].into();
    stand_in.add(KEY, Interaction { tags, ..Interaction::new(ID.parse().unwrap()) });
    let endpoint = collector.endpoint();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("NEBULINK__LOOKUP__TAGS", "ticket")];
    let program = serve(&stand_in, &variables).await;
    assert_eq!(program.get(&format!("/go/tag/ticket?value={VALUE}"), &[]).await.status, 302);
    program.end().await;

    let received = collector.end();
    let all = spans(&received);
    let (servers, clients) = (only(&all, "SERVER"), only(&all, "CLIENT"));
    let server = servers[0];
    assert_eq!(server.text("name"), "GET /go/tag/{name}");
    assert_eq!(server.attribute("nebulink.kind"), Some("interaction"));
    assert_eq!(server.attribute("nebulink.outcome"), Some("resolved"));
    let calls: Vec<_> = clients.iter().map(|call| call.text("name")).collect();
    assert_eq!(calls, ["POST /get-interactions", "GET /deeplinks/{kind}/{id}"]);
    assert!(clients.iter().all(|call| call.text("parentSpanId") == server.text("spanId")), "{received}");
    for hidden in [KEY, ID, "canary"] {
        assert!(!received.contains(hidden), "{hidden}: {received}");
    }
}
