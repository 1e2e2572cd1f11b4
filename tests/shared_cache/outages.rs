//! The server killed, restarted and frozen, each under load: no call is late, soon none costs anything, and it heals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nebulink::cache::SharedCacheOptions;
use nebulink::domain::{Item, Scope};
use redis::cmd;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::replica::{Replica, conversation, link, options};
use crate::support::eventually;
use crate::support::redis_server::RedisServer;

/// The default of `shared_cache.timeout`.
const TIMEOUT: Duration = Duration::from_millis(50);

/// The longest that a call may take: the timeout, and slack for a machine that has other things to do.
const BOUND: Duration = Duration::from_millis(500);

/// How many tasks ask at once.
const CALLERS: usize = 8;

/// Tasks that ask all the time.
struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Duration>,
}

impl Load {
    fn on(replica: &Replica, item: &Item<'static>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (replica, item, stop) = (replica.clone(), item.clone(), Arc::clone(&stop));
            callers.spawn(async move {
                let mut slowest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    drop(replica.get(Scope::All, &item).await);
                    slowest = slowest.max(start.elapsed());
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                slowest
            });
        }
        Self { stop, callers }
    }

    /// Ends it; the longest that a call took.
    async fn slowest(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().max().unwrap()
    }
}

/// Stands before a server, and can forget connections without a word to either side.
struct Router {
    url: String,
    forgotten: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    _routing: AbortOnDropHandle<()>,
}

impl Router {
    async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (forgotten, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let port = server.port();
        let counts = (Arc::clone(&forgotten), Arc::clone(&accepted));
        let routing = tokio::spawn(async move {
            let (forgotten, accepted) = counts;
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let forgotten = Arc::clone(&forgotten);
                connections.spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let is_forgotten = async {
                        while forgotten.load(Ordering::SeqCst) <= number {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = is_forgotten => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, forgotten, accepted, _routing: AbortOnDropHandle::new(routing) }
    }

    /// From now on nothing passes on the connections that there are.
    fn forget_connections(&self) {
        self.forgotten.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

fn replica_on(url: &str) -> Replica {
    Replica::with(SharedCacheOptions { timeout: TIMEOUT, ..options(url) })
}

/// Waits until the circuit breaker is open, and checks that asking costs next to nothing then: of many calls in a row
/// almost none goes to the server.
async fn is_free_soon(replica: &Replica, item: &Item<'static>) {
    let before = replica.count("get", "skipped");
    eventually(async || replica.count("get", "skipped") > before).await;
    let (skipped, unanswered) = (replica.count("get", "skipped"), replica.unanswered());
    for _ in 0..10_000 {
        assert_eq!(replica.get(Scope::All, item).await, []);
    }
    assert!(replica.count("get", "skipped") - skipped >= 9_990);
    assert!(replica.unanswered() - unanswered <= 10);
}

/// Waits until links are shared again.
async fn heals(replica: &Replica, item: &Item<'static>) {
    let hits = replica.count("get", "hit");
    replica.share(Scope::All, item, &link(0, "x")).await;
    assert!(replica.count("get", "hit") > hits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_under_load_delays_nobody_and_is_found_again() {
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let replica = replica_on(&server.url());
    let item = conversation("abc");
    heals(&replica, &item).await;
    let load = Load::on(&replica, &item);
    for _ in 0..2 {
        server.kill();
        is_free_soon(&replica, &item).await;
        server.restart().await;
        heals(&replica, &item).await;
    }
    let slowest = load.slowest().await;
    println!("slowest call: {slowest:?}");
    assert!(slowest < BOUND, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_frozen_under_load_delays_nobody_and_is_found_again() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = replica_on(&server.url());
    let item = conversation("abc");
    heals(&replica, &item).await;
    let load = Load::on(&replica, &item);
    for _ in 0..2 {
        server.freeze();
        is_free_soon(&replica, &item).await;
        server.thaw();
        heals(&replica, &item).await;
    }
    let slowest = load.slowest().await;
    println!("slowest call: {slowest:?}");
    assert!(slowest < BOUND, "{slowest:?}");
    assert!(replica.count("get", "timeout") > 0);
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_abandoned() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let item = conversation("abc");
    // With a password there is an exchange before the first question, without one there is none.
    for url in [format!("redis://{address}"), format!("redis://:pw@{address}"), format!("rediss://{address}")]
    {
        let replica = replica_on(&url);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(replica.get(Scope::All, &item).await, []);
        }
        assert!(start.elapsed() < BOUND, "{url}");
        assert_eq!(replica.count("get", "timeout"), 3);
        is_abandoned(&replica, &item).await;
    }
}

async fn is_abandoned(replica: &Replica, item: &Item<'static>) {
    assert_eq!(replica.get(Scope::All, item).await, []);
    assert_eq!(replica.count("get", "skipped"), 1);
}

#[tokio::test]
async fn a_server_that_talks_something_else_or_hangs_up_is_a_failure_and_no_more() {
    let hangs_up = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hangs_up.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        loop {
            let (stream, _) = hangs_up.accept().await.unwrap();
            // To whatever is asked.
            drop(stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let replica = replica_on(&format!("redis://{address}"));
    let item = conversation("abc");
    for _ in 0..3 {
        assert_eq!(replica.get(Scope::All, &item).await, []);
    }
    assert_eq!(replica.unanswered(), 3);
    is_abandoned(&replica, &item).await;
    answering.abort();
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_costs_no_answer() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    heals(&replica, &item).await;
    for _ in 0..5 {
        let _closed: u64 = server.command(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await;
        assert_eq!(replica.get(Scope::All, &item).await.len(), 1);
    }
    assert_eq!(replica.unanswered(), 0);
}

#[tokio::test]
async fn a_connection_that_leads_nowhere_any_more_is_replaced() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let item = conversation("abc");
    heals(&Replica::on(&server.url()), &item).await;
    let router = Router::before(&server).await;
    let replica = replica_on(&router.url);
    eventually(async || !replica.get(Scope::All, &item).await.is_empty()).await;
    router.forget_connections();
    eventually(async || replica.get(Scope::All, &item).await.is_empty()).await;
    eventually(async || !replica.get(Scope::All, &item).await.is_empty()).await;
    assert!(replica.count("get", "timeout") >= 3);
}

#[tokio::test]
async fn only_so_many_wait_for_a_slow_server_and_the_others_do_without_it() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    // With the long timeout of the other tests, so that the circuit breaker stays closed.
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    heals(&replica, &item).await;
    server.freeze();
    let mut callers = JoinSet::new();
    for _ in 0..2_000 {
        let (replica, item) = (replica.clone(), item.clone());
        callers.spawn(async move { replica.get(Scope::All, &item).await.len() });
    }
    eventually(async || replica.count("get", "skipped") >= 1_000).await;
    assert_eq!(replica.unanswered(), 0);
    server.thaw();
    let found: usize = callers.join_all().await.into_iter().sum();
    assert!(found > 0);
    assert_eq!(replica.unanswered(), 0);
}

#[tokio::test]
async fn writing_to_a_frozen_server_never_waits_and_what_is_too_much_is_dropped() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = replica_on(&server.url());
    let item = conversation("abc");
    heals(&replica, &item).await;
    server.freeze();
    for _ in 0..2_000 {
        replica.put(Scope::All, &item, link(0, "x"));
    }
    assert!(replica.count("put", "dropped") >= 1_000);
    server.thaw();
    heals(&replica, &item).await;
}
