//! Collectors that do not take anything.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::answering::closed_address;
use super::program::{AN_HOUR, lines_about_failed_exports, serve};
use crate::support::{KEY, stand_in};

/// Far more than the queue takes.
const REQUESTS: usize = 300;

/// The time that the end gives an export that is on its way: `FLUSH_TIMEOUT` of `src/telemetry/traces`.
const WAIT: Duration = Duration::from_secs(2);

/// Serves many requests while this collector is dead; how long the end took, and the log.
async fn end_with(collector: SocketAddr, workers: &str) -> (Duration, String) {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let program = serve(
        &stand_in,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}")),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", AN_HOUR),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("NEBULINK__SERVER__WORKERS", workers),
            ("NEBULINK__LOG__ACCESS", "none"),
        ],
    )
    .await;
    for _ in 0..REQUESTS {
        assert_eq!(program.get("/c/abc", &[]).await.status, 302);
    }
    let ending = Instant::now();
    let log = program.end().await;
    // All of them, and the call's.
    assert!(log.contains("spans were dropped"), "{log}");
    assert!(log.contains(&format!(r#""of":{}"#, REQUESTS + 1)), "{log}");
    (ending.elapsed(), log)
}

#[tokio::test]
async fn a_dead_collector_costs_no_request_no_flood_of_lines_and_little_time_at_the_end() {
    // One takes connections and never answers, and at one nobody listens.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_closed, closed) = closed_address();
    for workers in ["1", "2"] {
        // The end gives up waiting, although an export may take an hour.
        let (end, log) = end_with(silent.local_addr().unwrap(), workers).await;
        assert!(end >= WAIT, "{end:?}: {log}");
        // Nothing is known of the only export; before it the queue may have been full already.
        assert!(lines_about_failed_exports(&log) <= 1, "{log}");
        // Here there is nothing to wait for. An end that waits takes that long each time, and one that does not wait
        // takes as long only now and then, on a machine that is busy with other tests.
        let mut ends = Vec::new();
        while ends.iter().all(|end| *end >= WAIT) {
            assert!(ends.len() < 5, "{ends:?}");
            let (end, log) = end_with(closed, workers).await;
            assert_eq!(lines_about_failed_exports(&log), 1, "{log}");
            ends.push(end);
        }
    }
}
