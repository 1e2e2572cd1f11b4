//! The log of the shared cache, and the password that it never holds.

use nebulink::domain::Scope;
use redis::cmd;

use crate::replica::{Replica, conversation, link};
use crate::support::captured_log::CapturedLog;
use crate::support::eventually;
use crate::support::own_process::in_own_process;
use crate::support::redis_server::RedisServer;

const PASSWORD: &str = "canary-5e0c8a51";

#[tokio::test]
async fn what_is_wrong_is_logged_once_and_its_end_once_and_the_password_never() {
    if !in_own_process(what_is_wrong_is_logged_once_and_its_end_once_and_the_password_never) {
        return;
    }
    let Some(closed) = RedisServer::start(&["--requirepass", "another"]).await else { return };
    // A replica of nobody can only be read.
    let Some(read_only) = RedisServer::start(&["--replicaof", "127.0.0.1", "1"]).await else { return };
    let log = CapturedLog::start();
    refuse_and_admit(&closed).await;
    refuse_to_be_written_to(&read_only).await;

    let log = log.text();
    for (message, cause) in [
        ("Redis is unreachable", "AuthenticationFailed"),
        ("Redis recovered", ""),
        ("Redis refused a write", "ReadOnly"),
    ] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(message)).collect();
        assert!(lines.len() == 1 && lines[0].contains(cause), "{log}");
    }
    assert!(!log.contains(PASSWORD) && !log.contains("conversation-1"), "{log}");
}

/// The password is wrong at first, and then right.
async fn refuse_and_admit(server: &RedisServer) {
    let replica = Replica::on(&format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port()));
    let item = conversation("conversation-1");
    for _ in 0..100 {
        assert_eq!(replica.get(Scope::All, &item).await, []);
    }
    assert_eq!(replica.count("get", "failed"), 3);
    let mut connection = RedisServer::connect(&format!("redis://:another@127.0.0.1:{}", server.port())).await;
    let set = cmd("CONFIG").arg("SET").arg("requirepass").arg(PASSWORD).clone();
    set.exec_async(&mut connection).await.unwrap();
    eventually(async || {
        drop(replica.get(Scope::All, &item).await);
        replica.count("get", "miss") >= 10
    })
    .await;
}

async fn refuse_to_be_written_to(server: &RedisServer) {
    let replica = Replica::on(&server.url());
    let item = conversation("conversation-1");
    for refused in 1..=3 {
        replica.put(Scope::All, &item, link(0, "x"));
        eventually(async || replica.count("put", "failed") == refused).await;
        assert_eq!(replica.get(Scope::All, &item).await, []);
    }
    assert_eq!(replica.count("get", "miss"), 3);
}
