//! Collectors that do not take anything.

use std::net::TcpListener;

use super::collector::free_address;
use super::program::Program;
use super::support::{KEY, stand_in};

/// Far longer than a test takes: nothing may wait for an export.
const AN_HOUR: &str = "3600000";

/// Far more than the queue takes.
const REQUESTS: usize = 300;

#[tokio::test]
async fn a_dead_collector_costs_no_request_no_flood_of_lines_and_no_time_at_the_end() {
    // One takes connections and never answers, and at one nobody listens.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [silent.local_addr().unwrap(), free_address()] {
        for workers in ["1", "2"] {
            let stand_in = stand_in().await;
            stand_in.add_conversation(KEY, "abc");
            let program = Program::serve(
                &stand_in,
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", AN_HOUR),
                    ("OTEL_BSP_SCHEDULE_DELAY", "1"),
                    ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
                    ("NEBULINK__SERVER__WORKERS", workers),
                    ("NEBULINK__LOG__ACCESS", "none"),
                ],
            );
            for _ in 0..REQUESTS {
                assert_eq!(program.get("/c/abc", &[]).await.status, 302);
            }
            let log = program.end().await;
            let told = log.lines().filter(|line| line.contains("the collector does not take traces"));
            assert!(told.count() <= 1, "{log}");
            // All of them, and the call's.
            assert!(log.contains("spans were lost"), "{log}");
            assert!(log.contains(&format!(r#""of":{}"#, REQUESTS + 1)), "{log}");
        }
    }
}
