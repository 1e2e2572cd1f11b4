//! The standard variables of OpenTelemetry.

use std::net::TcpListener;
use std::process::{Command, Output};

use nebulink::demo::StandIn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::collector::free_address;
use super::program::{Program, command};
use super::support::{KEY, PATIENCE, stand_in};

async fn run(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn one_request(stand_in: &StandIn, variables: &[(&str, &str)]) -> String {
    stand_in.add_conversation(KEY, "abc");
    let program = Program::serve(stand_in, variables);
    assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    program.end().await
}

#[tokio::test]
async fn what_is_wrong_with_them_ends_the_start_with_2_and_shows_no_value() {
    let stand_in = stand_in().await;
    let good = "http://collector.example:4318";
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
        assert!(!log.contains("trace_id") && !log.contains("lost"), "{log}");
        assert_eq!(collector.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{variable}");
    }
}

/// Reads one request, and answers it.
async fn answer_one(listener: &tokio::net::TcpListener, status: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let end = loop {
        let read = stream.read_buf(&mut request).await.unwrap();
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let whole = head.split_once("\r\n\r\n").and_then(|(head, _)| {
            let length = head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
            Some((head.len() + 4 + length, head.to_owned()))
        });
        match whole {
            Some((length, head)) if request.len() >= length => break head,
            _ => assert_ne!(read, 0, "{head}"),
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    end
}

#[tokio::test]
async fn headers_and_user_go_to_the_collector_and_nowhere_else_and_a_busy_one_is_asked_again() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = Program::serve(
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
    );
    assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    let heads = async {
        let refused = answer_one(&listener, "503 Service Unavailable").await;
        (refused, answer_one(&listener, "200 OK").await)
    };
    let (refused, head) = tokio::time::timeout(PATIENCE, heads).await.unwrap();
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
async fn check_shows_where_traces_go_without_user_and_headers() {
    let stand_in = stand_in().await;
    let endpoint = format!("http://user:canary@{}", free_address());
    let mut command = command(
        &stand_in,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_EXPORTER_OTLP_HEADERS", "a=canary")],
    );
    command.arg("check");
    let (code, out, complaint) = run(command).await;
    assert_eq!((code, complaint.as_str()), (0, ""), "{out}");
    let shown = endpoint.replace("user:canary@", "");
    assert!(out.contains(&format!("Traces: sent to {shown}/v1/traces")) && !out.contains("canary"), "{out}");
}
