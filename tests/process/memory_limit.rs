//! The most memory that the program takes, as docs/operations.md says it: under that limit nothing that callers do ends it.
//! Beyond the limit an allocation fails, and that ends every program in Rust.

#![cfg(target_os = "linux")]
use std::net::SocketAddr;

use crate::support::connection::Connection;
use crate::support::process::{LoggedProcess, command, limited};
use crate::support::{KEY, request, stand_in};
use nebulink::demo::StandIn;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Links that nobody has asked for before, each by a caller of its own.
const COLD: usize = 2_000;

/// Connections that ask for them at once.
const AT_ONCE: usize = 100;

/// Connections that the program takes.
const MAX_CONNECTIONS: usize = 500;

/// Just below the longest request head.
const LONG: usize = 15 * 1024;

/// docs/operations.md: 64 MiB, twice `cache.max_size` (here 1 MiB), and 32 KiB for each connection.
const KIBIBYTES: usize = (64 + 2) * 1024 + 32 * MAX_CONNECTIONS;

async fn ask_for_cold_links(address: SocketAddr) {
    let mut connections = JoinSet::new();
    for first in 0..AT_ONCE {
        connections.spawn(async move {
            let mut connection = Connection::to(address);
            for number in (first..COLD).step_by(AT_ONCE) {
                let caller = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
                let id = format!("{number}-{}", "x".repeat(400));
                connection.get(&format!("/c/{id}"), &[("x-forwarded-for", &caller)]).await;
            }
        });
    }
    connections.join_all().await;
}

/// As many connections as are taken, and more; each sends this, and waits.
async fn hold(address: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // One that is closed to make room may not take all of it.
        let _sent = stream.write_all(bytes).await;
        held.push(stream);
    }
    held
}

async fn lives(process: &LoggedProcess) {
    assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200, "{}", process.log());
    assert_eq!(request(process.address, "GET", "/c/known", &[]).await.status, 302, "{}", process.log());
}

async fn serve(stand_in: &StandIn) -> LoggedProcess {
    let mut command = command(stand_in);
    command.env("NEBULINK__CACHE__MAX_SIZE", "1MiB").env("NEBULINK__LOG__ACCESS", "none");
    command.env("NEBULINK__SERVER__MAX_CONNECTIONS", MAX_CONNECTIONS.to_string());
    command.env("NEBULINK__SERVER__WORKERS", "2").env("NEBULINK__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    command.env("NEBULINK__SERVER__DRAIN_DELAY", "0s").env("NEBULINK__SERVER__DRAIN_TIMEOUT", "1s");
    // glibc reserves 64 MiB of addresses for a thread, and where it may not, gives each allocation a page of its own.
    command.env("MALLOC_ARENA_MAX", "1");
    LoggedProcess::start(limited(&format!("ulimit -v {KIBIBYTES}"), &command)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_documented_memory_no_flood_ends_the_program() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "known");
    let mut process = serve(&stand_in).await;
    lives(&process).await;
    ask_for_cold_links(process.address).await;
    lives(&process).await;
    let head = format!("GET /c/known HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(LONG));
    let whole = format!("{head}\r\n\r\n");
    let with_body =
        format!("GET /c/known HTTP/1.1\r\nhost: x\r\ncontent-length: 999999\r\n\r\n{}", "x".repeat(LONG));
    let pipelined = "GET /c/known HTTP/1.1\r\nhost: x\r\n\r\n".repeat(300);
    let garbage = "\u{0}\u{16}\u{3}".repeat(LONG);
    for bytes in [head, whole, with_body, pipelined, garbage] {
        let connections = hold(process.address, bytes.as_bytes()).await;
        lives(&process).await;
        drop(connections);
    }
    ask_for_cold_links(process.address).await;
    lives(&process).await;
    process.running.signal(Signal::TERM);
    assert_eq!(process.running.exit_code().await, 0);
}
