//! A server full of nonsense, under load: nothing wrong is ever believed, and nothing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nebulink::domain::{Item, Scope, SharedLink};
use redis::{Cmd, cmd, pipe};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::replica::{NEBULY_KEY, PREFIX, Replica, conversation, link, project};
use crate::support::eventually;
use crate::support::redis_server::RedisServer;

/// The key under which an item of project `a` is shared, once it is.
async fn shared(server: &RedisServer, replica: &Replica, id: &str) -> (Item<'static>, String) {
    let before = keys(server).await;
    let item = conversation(id);
    replica.share(Scope::All, &item, &link(0, id)).await;
    let key = keys(server).await.into_iter().find(|key| !before.contains(key)).unwrap();
    (item, key)
}

async fn keys(server: &RedisServer) -> Vec<String> {
    server.command(cmd("KEYS").arg(format!("{PREFIX}*"))).await
}

fn set(key: &str, value: impl redis::ToRedisArgs) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg(value);
    set
}

/// Tasks that ask for some items all the time, each of which may only ever lead to its own page.
fn load(replica: &Replica, items: &[Item<'static>]) -> (Arc<AtomicBool>, JoinSet<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for item in items {
        let (replica, item, stop) = (replica.clone(), item.clone(), Arc::clone(&stop));
        callers.spawn(async move {
            let page = format!("https://go.nebuly.com/{}", item.id());
            while !stop.load(Ordering::Relaxed) {
                for scope in [Scope::All, Scope::Only(project(0))] {
                    let known = replica.get(scope, &item).await;
                    assert!(known.iter().all(|link| link.url.as_str() == page), "{item:?}: {known:?}");
                }
            }
        });
    }
    (stop, callers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_never_believed_and_never_a_failure() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let (item, key) = shared(&server, &replica, "abc").await;
    let (other, _) = shared(&server, &replica, "def").await;
    let valid: String = server.command(cmd("GET").arg(&key)).await;
    let valid: Value = serde_json::from_str(&valid).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = valid.clone();
        changed[name] = value;
        set(&key, changed.to_string())
    };
    let of_type = |command: &str, arguments: &[&str]| {
        let mut fill = cmd(command);
        fill.arg(&key).arg(arguments);
        fill
    };
    let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1000).collect();
    let url = |url: &str| with("url", json!(url));
    let nonsense = [
        set(&key, random),
        set(&key, "null"),
        set(&key, "[".repeat(8000)),
        set(&key, valid.to_string() + &" ".repeat(8192)),
        of_type("RPUSH", &["x"]),
        of_type("HSET", &["url", "https://go.nebuly.com/x"]),
        of_type("SADD", &["x"]),
        with("v", json!(2)),
        with("project", json!("removed")),
        with("project", json!("b")),
        with("kind", json!("interaction")),
        with("id", json!("def")),
        with("resolved_at", json!("2999-01-01T00:00:00.000Z")),
        with("resolved_at", json!(0)),
        url("https://evil.example/abc"),
        url("http://go.nebuly.com/abc"),
        url("javascript:alert(1)"),
        url(&format!("https://go.nebuly.com/{NEBULY_KEY}")),
    ];
    let (stop, callers) = load(&replica, &[item.clone(), other.clone()]);
    for fill in nonsense {
        server.at_once(pipe().del(&key).ignore().add_command(fill.clone())).await;
        assert_eq!(replica.get(Scope::All, &item).await, [], "{fill:?}");
        assert_ne!(replica.get(Scope::All, &other).await, []);
    }
    assert!(replica.count("get", "invalid") > 0);
    assert_eq!(replica.unanswered() + replica.count("get", "skipped"), 0);
    // What one key holds spoils no other.
    replica.put(Scope::All, &item, link(1, "abc"));
    eventually(async || {
        let known: Vec<SharedLink> = replica.get(Scope::All, &item).await;
        known.iter().any(|link| link.project == project(1))
    })
    .await;
    server.at_once(&mut pipe().add_command(set(&key, valid.to_string())).clone()).await;
    assert_eq!(replica.get(Scope::All, &item).await.len(), 2);
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_values_that_were_swapped_lead_nowhere() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let (one, key_of_one) = shared(&server, &replica, "abc").await;
    let (other, key_of_other) = shared(&server, &replica, "def").await;
    let (stop, callers) = load(&replica, &[one.clone(), other.clone()]);
    for _ in 0..100 {
        server
            .at_once(
                pipe()
                    .rename(&key_of_one, "between")
                    .rename(&key_of_other, &key_of_one)
                    .rename("between", &key_of_other),
            )
            .await;
    }
    server.at_once(pipe().rename(&key_of_one, "between").rename(&key_of_other, &key_of_one)).await;
    server.at_once(pipe().rename("between", &key_of_other)).await;
    for item in [&one, &other] {
        assert_eq!(replica.get(Scope::All, item).await, []);
    }
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
    assert_eq!(replica.unanswered(), 0);
}
