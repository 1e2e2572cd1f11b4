//! Steady load through the Service, of which every single answer is checked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cluster::PATIENCE;
use crate::connection::{Connection, Head};
use crate::nebuly::Nebuly;

/// Who asks: how many, how long each pauses between two requests, and whether it keeps its connection. The first are
/// proxies and their like, the second people, the third connections that are idle more often than not.
const CALLERS: [(usize, Duration, bool); 3] = [
    (8, Duration::from_millis(10), true),
    (8, Duration::from_millis(25), false),
    (16, Duration::from_secs(2), true),
];

/// One request in so many is for a link that nobody has asked for.
const NEW: u64 = 16;

/// How many requests are a sign that all is as it was.
const STEADY: u64 = 1000;

/// Failures that are kept to be printed; all are counted.
const SHOWN: usize = 20;

/// The requests of all tests in which none may fail.
static IN_ALL: AtomicU64 = AtomicU64::new(0);

/// Callers that ask until they are told to stop.
pub(crate) struct Load {
    counters: Arc<Counters>,
    callers: JoinSet<()>,
    start: Instant,
}

/// Counts of requests and failures.
#[derive(Default)]
struct Counters {
    stop: AtomicBool,
    requests: AtomicU64,
    new_links: AtomicU64,
    on_their_own: AtomicU64,
    kept_connections: AtomicU64,
    constructed: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Starts, and waits until it is steady.
    pub(crate) async fn start(address: SocketAddr, nebuly: &Arc<Nebuly>) -> Self {
        let counters = Arc::new(Counters::default());
        let start = Instant::now();
        let mut callers = JoinSet::new();
        for (count, pause, kept) in CALLERS {
            for _ in 0..count {
                let connection = if kept { Connection::kept(address) } else { Connection::single(address) };
                callers.spawn(ask(connection, pause, Arc::clone(nebuly), Arc::clone(&counters), start));
            }
        }
        let load = Self { counters, callers, start };
        load.goes_on().await;
        load
    }

    /// Waits for so many further requests that what has just been done must have shown.
    pub(crate) async fn goes_on(&self) {
        let before = self.counters.requests.load(Ordering::Relaxed);
        let start = Instant::now();
        while self.counters.requests.load(Ordering::Relaxed) < before + STEADY {
            assert!(start.elapsed() < PATIENCE, "the load stands still");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many requests have failed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.counters.failed.load(Ordering::Relaxed)
    }

    /// Ends it once it has gone on for a while. Not one request may have failed.
    pub(crate) async fn end_without_failure(self, disturbance: &str) {
        let counters = Arc::clone(&self.counters);
        let failed = self.end(disturbance).await;
        let requests = counters.requests.load(Ordering::Relaxed);
        let in_all = IN_ALL.fetch_add(requests, Ordering::Relaxed) + requests;
        assert_eq!(failed, 0, "{disturbance}");
        println!("no failed request so far: {in_all} in all");
    }

    /// Ends it once it has gone on for a while, and prints its figures. The number of failed requests.
    pub(crate) async fn end(mut self, disturbance: &str) -> u64 {
        self.goes_on().await;
        self.counters.stop.store(true, Ordering::Relaxed);
        let took = self.start.elapsed();
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
        let counters = &self.counters;
        let [requests, on_their_own, kept_connections, new_links, constructed, failed] = [
            &counters.requests,
            &counters.on_their_own,
            &counters.kept_connections,
            &counters.new_links,
            &counters.constructed,
            &counters.failed,
        ]
        .map(|counter| counter.load(Ordering::Relaxed));
        println!(
            "{disturbance}: {requests} requests in {:.0} s, {on_their_own} of them on connections of their own and the \
             others on {kept_connections} kept ones; {new_links} for new links; {constructed} answers constructed; \
             {failed} failed",
            took.as_secs_f64(),
        );
        for failure in counters.failures.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            println!("  {failure}");
        }
        failed
    }
}

/// One caller.
async fn ask(
    mut connection: Connection,
    pause: Duration,
    nebuly: Arc<Nebuly>,
    counters: Arc<Counters>,
    start: Instant,
) {
    // Not all at once.
    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
    while !counters.stop.load(Ordering::Relaxed) {
        let number = counters.requests.fetch_add(1, Ordering::Relaxed);
        let link = if number.is_multiple_of(NEW) {
            counters.new_links.fetch_add(1, Ordering::Relaxed);
            nebuly.new_link()
        } else {
            nebuly.known_link(number).clone()
        };
        let at = start.elapsed();
        let answer = connection.get(&link.path, "").await;
        if answer.as_ref().is_ok_and(is_constructed) {
            counters.constructed.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(problem) = answer.and_then(|head| head.redirects_to(&link.location)) {
            counters.failed.fetch_add(1, Ordering::Relaxed);
            let mut failures = counters.failures.lock().unwrap_or_else(PoisonError::into_inner);
            if failures.len() < SHOWN {
                failures.push(format!("{:.3} s, {}: {problem}", at.as_secs_f64(), link.path));
            }
        }
        tokio::time::sleep(pause).await;
    }
    let opened = if connection.is_kept() { &counters.kept_connections } else { &counters.on_their_own };
    opened.fetch_add(connection.opened, Ordering::Relaxed);
}

fn is_constructed(head: &Head) -> bool {
    head.header("cache-status").is_some_and(|status| status.contains("constructed"))
}
