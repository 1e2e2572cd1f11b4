//! Collectors that take something late, or ask for patience.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::answering::{answer, read_one, take_all};
use super::program::{AN_HOUR, lines_about_failed_exports, serve};
use crate::support::process::LoggedProcess;
use crate::support::{KEY, PATIENCE, stand_in};

/// A program that has a span for the listener, which takes it when the test wants.
async fn traced(variables: &[(&str, &str)]) -> (LoggedProcess, TcpListener) {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let variables = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())], variables].concat();
    let program = serve(&stand_in, &variables).await;
    assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    (program, listener)
}

#[tokio::test]
async fn spans_that_a_full_queue_drops_are_told_of_although_the_collector_takes_the_others() {
    let (program, listener) = traced(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", AN_HOUR),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ])
    .await;
    let (stream, _) = timeout(PATIENCE, read_one(&listener)).await.unwrap();
    for _ in 0..50 {
        assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    }
    answer(stream, "200 OK").await;
    let taking = tokio::spawn(take_all(listener));
    let log = program.end().await;
    taking.abort();
    assert!(log.contains("the queue is full"), "{log}");
    assert_eq!(lines_about_failed_exports(&log), 1, "{log}");
}

#[tokio::test]
async fn the_end_waits_for_no_pause_and_a_collector_that_is_back_gets_the_last_spans() {
    let (program, listener) =
        traced(&[("OTEL_EXPORTER_OTLP_TIMEOUT", AN_HOUR), ("OTEL_BSP_SCHEDULE_DELAY", "1")]).await;
    let (stream, _) = timeout(PATIENCE, read_one(&listener)).await.unwrap();
    answer(stream, "503 Service Unavailable\r\nretry-after: 3600").await;
    let taking = tokio::spawn(take_all(listener));
    let log = program.end().await;
    taking.abort();
    assert!(!log.contains("spans"), "{log}");
}

#[tokio::test]
async fn spans_have_arrived_once_the_collector_says_so_however_slow_the_rest_of_its_answer_is() {
    // All in one export, at the end.
    let (program, listener) = traced(&[("OTEL_BSP_SCHEDULE_DELAY", AN_HOUR)]).await;
    let answering = tokio::spawn(async move {
        let (mut stream, _) = read_one(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let log = program.end().await;
    answering.abort();
    assert!(!log.contains("spans"), "{log}");
}
