//! Restarts without Nebuly, and a Redis that dies, hangs or lies, through the running program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::connection::Connection;
use crate::support::redis_server::RedisServer;
use crate::support::{Answer, KEY, Nebulink, PATIENCE, eventually, settings, stand_in};
use nebulink::app::Shutdown;
use nebulink::demo::{StandIn, StandInItem};
use redis::{cmd, pipe};
use tokio::task::JoinSet;

/// The longest that an answer may take while Redis is unhealthy.
const BOUND: Duration = Duration::from_millis(500);

/// How many callers ask at once.
const CALLERS: usize = 4;

/// How many answers each state of Redis must outlast.
const ANSWERS: usize = 300;

const SHARED: Option<&str> = Some("nebulink; hit; detail=shared");

/// One caller asks for more than a caller may; the snapshot and Redis bring no calls to compare with.
const UNLIMITED: [(&str, &str); 2] =
    [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];

/// Callers who ask for a link that only Nebuly knows, then for another, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: JoinSet<Duration>,
}

impl Load {
    fn on(nebulink: &Nebulink, stand_in: &StandIn) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (stop, answered, stand_in) = (Arc::clone(&stop), Arc::clone(&answered), stand_in.clone());
            let mut connection = Connection::to(nebulink.address);
            callers.spawn(async move {
                let mut slowest = Duration::ZERO;
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("load-{caller}-{number}");
                    stand_in.add_conversation(KEY, &id);
                    let began = Instant::now();
                    let answer = connection.get(&format!("/c/{id}"), &[]).await;
                    slowest = slowest.max(began.elapsed());
                    leads(&stand_in, &answer, &id);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                slowest
            });
        }
        Self { stop, answered, callers }
    }

    /// Lets some more requests be answered.
    async fn go_on(&self) {
        let enough = self.answered.load(Ordering::Relaxed) + ANSWERS;
        eventually(async || self.answered.load(Ordering::Relaxed) >= enough).await;
    }

    /// Ends it: how many were answered, and the longest that an answer took.
    async fn end(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.callers.join_all().await.into_iter().max().unwrap();
        (self.answered.load(Ordering::Relaxed), slowest)
    }
}

#[track_caller]
fn leads(stand_in: &StandIn, answer: &Answer, id: &str) {
    let location = stand_in.url_of(KEY, StandInItem::from(id));
    assert_eq!((answer.status, answer.header("location")), (302, Some(location.as_str())), "{answer:?}");
}

async fn replica(stand_in: &StandIn, redis: &RedisServer) -> Nebulink {
    let mut settings = settings(stand_in, &UNLIMITED);
    settings.shared_cache.url = Some(redis.url().into());
    Nebulink::start_with(&settings).await
}

/// A replica that waits for Redis however loaded the machine is, where a link has to come from there.
async fn patient_replica(stand_in: &StandIn, redis: &RedisServer) -> Nebulink {
    let mut settings = settings(stand_in, &UNLIMITED);
    settings.shared_cache.url = Some(redis.url().into());
    settings.shared_cache.timeout = PATIENCE;
    Nebulink::start_with(&settings).await
}

/// Waits until links are shared, again.
async fn is_used(redis: &RedisServer) {
    let size = async || redis.command::<usize>(&cmd("DBSIZE")).await;
    let before = size().await;
    eventually(async || size().await > before + CALLERS).await;
}

/// The key under which an item is shared by a replica, once it is.
async fn shared(redis: &RedisServer, nebulink: &Nebulink, id: &str) -> String {
    let keys = async || -> Vec<String> { redis.command(cmd("KEYS").arg("nebulink:*")).await };
    let before = keys().await;
    assert_eq!(nebulink.get(&format!("/c/{id}")).await.status, 302);
    let mut new = None;
    eventually(async || {
        new = keys().await.into_iter().find(|key| !before.contains(key));
        new.is_some()
    })
    .await;
    new.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_without_nebuly_all_known_links_are_answered_without_a_call() {
    let stand_in = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("links.jsonl");
    let with_snapshot = [("cache.snapshot_file", file.to_str().unwrap()), UNLIMITED[0], UNLIMITED[1]];
    let ids: Vec<_> = (0..200).map(|number| format!("ticket {number}")).collect();
    let target = |id: &str| format!("/c/{}", id.replace(' ', "%20"));
    let mut nebulink = Nebulink::start(&stand_in, &with_snapshot).await;
    let mut connection = Connection::to(nebulink.address);
    for id in &ids {
        stand_in.add_conversation(KEY, id);
        leads(&stand_in, &connection.get(&target(id), &[]).await, id);
    }
    drop(connection);
    nebulink.stop(Shutdown::AtOnce);
    nebulink.stopped().await;

    stand_in.forget_calls();
    let nebulink = Nebulink::start(&stand_in, &with_snapshot).await;
    let mut connection = Connection::to(nebulink.address);
    stand_in.stop().await;
    for id in &ids {
        let answer = connection.get(&target(id), &[]).await;
        leads(&stand_in, &answer, id);
        assert_eq!(answer.header("cache-status"), Some("nebulink; hit"));
    }
    assert_eq!(stand_in.call_count(), 0);
    assert!(connection.get("/c/unknown", &[]).await.status >= 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_restarted_and_frozen_fails_and_delays_no_request() {
    let Some(mut redis) = RedisServer::start(&[]).await else { return };
    let stand_in = stand_in().await;
    let nebulink = replica(&stand_in, &redis).await;
    let load = Load::on(&nebulink, &stand_in);
    for _ in 0..2 {
        is_used(&redis).await;
        redis.kill();
        load.go_on().await;
        redis.restart().await;
        is_used(&redis).await;
        redis.freeze();
        load.go_on().await;
        redis.thaw();
    }
    is_used(&redis).await;
    let (answered, slowest) = load.end().await;
    println!(
        "Redis killed, restarted and frozen twice: {answered} answers, all 302, the slowest in {slowest:?}"
    );
    assert!(slowest < BOUND, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_has_resolved_costs_the_other_no_call() {
    let Some(redis) = RedisServer::start(&[]).await else { return };
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let (one, other) = (patient_replica(&stand_in, &redis).await, patient_replica(&stand_in, &redis).await);
    shared(&redis, &one, "abc").await;
    assert_eq!(stand_in.call_count(), 1);
    let answer = other.get("/c/abc").await;
    leads(&stand_in, &answer, "abc");
    assert_eq!(answer.header("cache-status"), SHARED);
    assert_eq!(other.get("/c/abc").await.header("cache-status"), Some("nebulink; hit"));
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lies_leads_nobody_astray() {
    let Some(redis) = RedisServer::start(&[]).await else { return };
    let stand_in = stand_in().await;
    let one = patient_replica(&stand_in, &redis).await;
    let ids = ["swapped-1", "swapped-2", "huge", "future", "well"];
    let mut keys = Vec::new();
    for id in ids {
        stand_in.add_conversation(KEY, id);
        keys.push(shared(&redis, &one, id).await);
    }
    let [first, second, huge, future, _] = keys.as_slice() else { panic!("{keys:?}") };
    redis.at_once(pipe().rename(first, "between").rename(second, first).rename("between", second)).await;
    let _length: u64 = redis.command(cmd("SETRANGE").arg(huge).arg(100_000_000).arg("x")).await;
    let value: String = redis.command(cmd("GET").arg(future)).await;
    let mut value: serde_json::Value = serde_json::from_str(&value).unwrap();
    value["resolved_at"] = "2999-01-01T00:00:00.000Z".into();
    redis.at_once(pipe().set(future, value.to_string())).await;

    let other = patient_replica(&stand_in, &redis).await;
    stand_in.forget_calls();
    for id in ids {
        let answer = other.get(&format!("/c/{id}")).await;
        leads(&stand_in, &answer, id);
        assert_eq!(answer.header("cache-status") == SHARED, id == "well", "{id}: {answer:?}");
    }
    // Each lie cost one call, and no more.
    assert_eq!(stand_in.call_count(), 4);
}
