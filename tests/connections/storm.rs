//! Many callers at once for each of many new links, while one of two projects rejects its key: every caller is answered,
//! and so are the probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::LOAD;
use crate::support::connection::Connection;
use crate::support::{Nebulink, key_of, request, settings_with, stand_in_with};
use http::StatusCode;
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How many new links are asked for: 500, unless this variable says otherwise.
const LINKS: &str = "NEBULINK_STORM_LINKS";

/// How many callers ask for each of them at once.
const CALLERS: usize = 64;

/// Asks for each link at the same time as all other callers; counts the answers that are not the right one.
async fn caller(address: SocketAddr, stand_in: StandIn, links: usize) -> usize {
    let mut connection = Connection::to(address);
    let mut wrong = 0;
    for link in 0..links {
        let id = format!("link-{link}");
        let answer = connection.get(&format!("/c/{id}"), &[]).await;
        let location = stand_in.url_of(&key_of(0), StandInItem::from(id.as_str()));
        wrong += usize::from((answer.status, answer.header("location")) != (302, Some(location.as_str())));
    }
    wrong
}

/// Asks for `/livez` again and again, and notes the longest that an answer took, in microseconds.
async fn probe(management: SocketAddr, slowest: Arc<AtomicU64>) {
    loop {
        let began = Instant::now();
        assert_eq!(request(management, "GET", "/livez", &[]).await.status, 200);
        slowest.fetch_max(u64::try_from(began.elapsed().as_micros()).unwrap(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn every_caller_of_many_new_links_is_answered_while_one_project_refuses_its_key() {
    let _turn = LOAD.blocking_write();
    let links = std::env::var(LINKS).map_or(500, |links| links.parse().unwrap());
    for workers in [1, 2] {
        let ours = Runtime::new().unwrap();
        let theirs = Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
        let stand_in = ours.block_on(stand_in_with(2));
        for link in 0..links {
            stand_in.add_conversation(&key_of(0), &format!("link-{link}"));
        }
        stand_in.set_fault_for(Matching::key(key_of(1)), Fault::status(StatusCode::UNAUTHORIZED));
        let limits = [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];
        let nebulink = theirs.block_on(Nebulink::start_with(&settings_with(&stand_in, 2, &limits)));

        let (began, slowest) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let wrong: usize = ours.block_on(async {
            let probes = tokio::spawn(probe(nebulink.management, Arc::clone(&slowest)));
            let mut callers = JoinSet::new();
            for _ in 0..CALLERS {
                callers.spawn(caller(nebulink.address, stand_in.clone(), links));
            }
            let wrong = callers.join_all().await.into_iter().sum();
            assert!(!probes.is_finished(), "a probe was not answered");
            wrong
        });
        let slowest = Duration::from_micros(slowest.load(Ordering::Relaxed));
        println!(
            "{workers} workers: {} requests in {:?}, the slowest probe took {slowest:?}",
            links * CALLERS,
            began.elapsed()
        );
        assert_eq!(wrong, 0);
        theirs.shutdown_background();
    }
}
