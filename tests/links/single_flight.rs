//! Single flight: one call for a link, however many callers ask and whichever of them leave, and its result is cached.

use crate::support::{KEY, Nebulink, stand_in};
use nebulink::demo::{Fault, StandInItem};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CALLERS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_callers_of_one_cold_link_make_one_call() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    stand_in.set_fault(Some(Fault::Hold));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let address = nebulink.address;
        callers
            .spawn(async move { crate::support::request(address, "GET", "/go/conversation/abc", &[]).await });
    }
    stand_in.wait_for_calls(1).await;
    stand_in.release_held();
    let url = stand_in.url_of(KEY, StandInItem::from("abc"));
    let answers = callers.join_all().await;
    let count =
        |status: &str| answers.iter().filter(|answer| answer.header("cache-status") == Some(status)).count();
    assert!(answers.iter().all(|answer| answer.status == 302 && answer.header("location") == Some(&url)));
    assert_eq!(stand_in.call_count(), 1);
    assert_eq!(count("nebulink; fwd=miss; fwd-status=200; stored"), 1);
    let collapsed = count("nebulink; fwd=miss; fwd-status=200; collapsed");
    // Whoever came after the answer found it in the cache.
    assert_eq!(collapsed + count("nebulink; hit"), CALLERS - 1);
    assert!(collapsed > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_does_not_stop_the_call() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    stand_in.set_fault(Some(Fault::Hold));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let mut began = TcpStream::connect(nebulink.address).await.unwrap();
    began.write_all(b"GET /c/abc HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stand_in.wait_for_calls(1).await;
    drop(began);
    stand_in.release_held();
    let answer = nebulink.get("/c/abc").await;
    assert_eq!((answer.status, stand_in.call_count()), (302, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_shared_by_those_who_wait_and_by_nobody_after_them() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    stand_in.set_fault(Some(Fault::Drop));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let address = nebulink.address;
        callers.spawn(async move { crate::support::request(address, "GET", "/c/abc", &[]).await });
    }
    assert!(callers.join_all().await.iter().all(|answer| answer.status == 502));
    stand_in.set_fault(None);
    assert_eq!(nebulink.get("/c/abc").await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_links_do_not_wait_for_each_other() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "slow");
    stand_in.add_conversation(KEY, "quick");
    stand_in.set_fault_for(nebulink::demo::Matching::id("slow"), Fault::Hold);
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let address = nebulink.address;
    let slow = tokio::spawn(async move { crate::support::request(address, "GET", "/c/slow", &[]).await });
    stand_in.wait_for_calls(1).await;
    assert_eq!(nebulink.get("/c/quick").await.status, 302);
    assert!(!slow.is_finished());
    stand_in.release_held();
    assert_eq!(slow.await.unwrap().status, 302);
}
