//! A huge value in the shared cache is not read.

#![allow(dead_code, clippy::allow_attributes, reason = "this needs a part of what the tests share")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "clippy.toml excepts test functions alone, not the functions that they share"
)]

#[path = "shared_cache/redis_server.rs"]
mod redis_server;
#[path = "shared_cache/replica.rs"]
mod replica;

use nebulink::domain::Scope;
use redis::cmd;
use tokio::task::JoinSet;

use self::redis_server::RedisServer;
use self::replica::{PREFIX, Replica, conversation, link};

/// How many callers ask at once: each would read a whole value.
const CALLERS: usize = 4;

/// How many bytes of memory noise may take, against the 100 MB that the value has.
const FLAT: u64 = 20 << 20;

/// One test in this file: what others do takes memory, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_100_megabytes_leaves_memory_flat() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    replica.share(Scope::All, &item, &link(0, "abc")).await;
    let [key]: [String; 1] =
        server.command::<Vec<_>>(cmd("KEYS").arg(format!("{PREFIX}*"))).await.try_into().unwrap();
    let _length: u64 = server.command(cmd("SETRANGE").arg(&key).arg(100_000_000).arg("x")).await;
    let before = peak_bytes();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (replica, item) = (replica.clone(), item.clone());
        callers.spawn(async move {
            for _ in 0..20 {
                assert_eq!(replica.get(Scope::All, &item).await, []);
            }
        });
    }
    callers.join_all().await;
    let grown = peak_bytes() - before;
    assert!(grown < FLAT, "{grown}");
    assert_eq!(replica.unanswered(), 0);
}

/// The most memory that this process has had so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
