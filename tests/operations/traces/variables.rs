//! The standard variables of OpenTelemetry.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use nebulink::demo::StandIn;

use super::answering::{answer, read_one};
use super::program::{command, serve};
use crate::support::process::run;
use crate::support::{KEY, PATIENCE, stand_in};

async fn one_request(stand_in: &StandIn, variables: &[(&str, &str)]) -> String {
    stand_in.add_conversation(KEY, "abc");
    let program = serve(stand_in, variables).await;
    assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    program.end().await
}

#[tokio::test]
async fn what_is_wrong_with_them_ends_the_start_with_2_and_shows_no_value() {
    let stand_in = stand_in().await;
    let good = "http://collector.example:4318";
    let no_certificate = tempfile::NamedTempFile::new().unwrap();
    let no_certificate = no_certificate.path().to_str().unwrap();
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:canary@collector.example"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:can/ary@collector.example"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector.canary:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a name=canary"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/canary"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", no_certificate),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", no_certificate),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_RESOURCE_ATTRIBUTES", "canary"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ] {
        for name in ["serve", "check"] {
            let mut command = command(&stand_in, &[("OTEL_EXPORTER_OTLP_ENDPOINT", good), (variable, value)]);
            command.arg(name);
            let (code, out, complaint) = run(command).await;
            assert_eq!(code, 2, "{variable}={value}: {out}{complaint}");
            assert!(complaint.contains(variable), "{variable}={value}: {complaint}");
            assert!(!complaint.contains("canary") && !out.contains("canary"), "{complaint}{out}");
        }
    }
    // A share of requests is only asked for by samplers that have one.
    let ratio = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", good),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ];
    let (code, _, complaint) = run(command(&stand_in, &ratio)).await;
    assert!(code == 2 && complaint.contains("OTEL_TRACES_SAMPLER_ARG"), "{complaint}");
}

#[tokio::test]
async fn what_does_not_count_is_not_complained_of() {
    let stand_in = stand_in().await;
    let (wrong, good) = ("nonsense", "http://collector.example:4318/v1/traces");
    for (variable, value, is_on) in [
        ("OTEL_SDK_DISABLED", "true", false),
        ("OTEL_TRACES_EXPORTER", "none", false),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", good, true),
    ] {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", wrong), (variable, value)];
        let mut command = command(&stand_in, &variables);
        command.arg("check");
        let (code, out, complaint) = run(command).await;
        assert_eq!((code, complaint.as_str()), (0, ""), "{variable}: {out}");
        assert_eq!(out.contains("Traces: sent to"), is_on, "{variable}: {out}");
    }
}

#[tokio::test]
async fn without_an_endpoint_or_switched_off_nothing_is_sent() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    collector.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    for (variable, value) in [
        ("OTEL_SDK_DISABLED", "TRUE"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
    ] {
        let stand_in = stand_in().await;
        let log =
            one_request(&stand_in, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), (variable, value)]).await;
        assert!(!log.contains("trace_id") && !log.contains("spans"), "{log}");
        assert_eq!(collector.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{variable}");
    }
}

#[tokio::test]
async fn headers_and_user_go_to_the_collector_and_nowhere_else_and_a_busy_one_is_asked_again() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = serve(
        &stand_in,
        &[
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("http://canary-user:canary%2Fpassword@localhost:{port}/otlp/"),
            ),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=canary%2Ctenant, x-more = canary"),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("NEBULINK__LOG__LEVEL", "trace"),
        ],
    )
    .await;
    assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    let heads = async {
        let (stream, refused) = read_one(&listener).await;
        let refusing = Instant::now();
        answer(stream, "503 Service Unavailable\r\nretry-after: 1").await;
        let (stream, head) = read_one(&listener).await;
        let patience = refusing.elapsed();
        answer(stream, "200 OK").await;
        (refused, head, patience)
    };
    let (refused, head, patience) = tokio::time::timeout(PATIENCE, heads).await.unwrap();
    assert!(patience >= Duration::from_secs(1), "{patience:?}");
    for head in [refused, head] {
        assert!(head.starts_with("post /otlp/v1/traces http/1.1\r\n"), "{head}");
        for line in [
            // canary-user:canary/password
            "authorization: basic y2fuyxj5lxvzzxi6y2fuyxj5l3bhc3n3b3jk",
            "x-tenant: canary,tenant",
            "x-more: canary",
            "content-type: application/x-protobuf",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        assert!(!head.contains("traceparent"), "{head}");
    }
    let log = program.end().await;
    assert!(!log.contains("canary") && !log.contains("y2fuyxj5"), "{log}");
}

#[tokio::test]
async fn check_shows_where_traces_go_without_user_path_and_headers() {
    let stand_in = stand_in().await;
    let endpoint = "http://user:canary@collector.example:4318/canary";
    let mut command = command(
        &stand_in,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_HEADERS", "a=canary")],
    );
    command.arg("check");
    let (code, out, complaint) = run(command).await;
    assert_eq!((code, complaint.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("Traces: sent to http://collector.example:4318\n") && !out.contains("canary"),
        "{out}"
    );
}
