//! A log pipe that is full because nobody reads it.

use std::time::Instant;

use crate::support::connection::Connection;
use crate::support::process::Process;
use crate::support::{KEY, PATIENCE, request, stand_in};
use nebulink::demo::StandIn;
use rustix::process::Signal;

/// Each makes one line of the log.
const REQUESTS: usize = 3_000;

/// As long as an id may be, so that all lines together are more than the program keeps.
const ID_LEN: usize = 512;

/// A program that has answered all requests while nobody read its log.
async fn after_requests(stand_in: &StandIn, further: &[(&str, &str)]) -> Process {
    let id = "x".repeat(ID_LEN);
    stand_in.add_conversation(KEY, &id);
    let all = [&[("NEBULINK__LOG__ACCESS", "all"), ("NEBULINK__LOG__FORMAT", "json")], further].concat();
    let process = Process::serve(stand_in, &all);
    let address = process.address;
    let clients = (0..4).map(|_| {
        let target = format!("/c/{id}");
        tokio::spawn(async move {
            let mut connection = Connection::to(address);
            for _ in 0..REQUESTS / 4 {
                let answer = connection.get(&target, &[("x-request-id", &"r".repeat(64))]).await;
                assert_eq!(answer.status, 302, "{answer:?}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200);
    assert_eq!(process.readiness().await, 200);
    process
}

/// The number of lines that the program says it has dropped.
async fn dropped(process: &Process) -> usize {
    let metrics = request(process.management, "GET", "/metrics", &[]).await;
    let mut lines = metrics.body.lines();
    let value = lines.find_map(|line| line.strip_prefix("nebulink_log_lines_dropped_total "));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_a_log_that_was_not_read_is_written_later_or_counted() {
    let stand_in = stand_in().await;
    let mut process = after_requests(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "0s")]).await;
    let dropped = dropped(&process).await;
    assert!(dropped > 0);

    // All the others are read first, so that there is room again for what the end logs.
    let reading = tokio::task::spawn_blocking(move || {
        for _ in dropped..REQUESTS {
            process.wait_for("request answered");
        }
        process
    });
    let process = tokio::time::timeout(PATIENCE, reading).await.expect("lines are missing").unwrap();
    process.signal(Signal::TERM);
    let (lines, code) = process.log_and_exit_code().await;
    assert_eq!(code, 0);
    assert!(lines.iter().all(|line| line["message"] != "request answered"), "more than were counted");
    let last = lines.last().unwrap();
    assert_eq!((&last["message"], &last["lines"]), (&"log lines were dropped".into(), &dropped.into()));
    println!("{dropped} of {REQUESTS} lines dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_delays_the_end_by_a_second_at_most() {
    let stand_in = stand_in().await;
    let mut process = after_requests(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "0s")]).await;
    let began = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(process.running.exit_code().await, 0);
    println!("it ended {:?} after SIGTERM", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_the_log() {
    let stand_in = stand_in().await;
    let mut process = after_requests(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "1h")]).await;
    process.signal(Signal::TERM);
    while process.readiness().await != 503 {}
    process.signal(Signal::TERM);
    assert_eq!(process.running.exit_code().await, 128 + 15);
}
