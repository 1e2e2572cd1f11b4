//! A snapshot that takes long to read, in the real program.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::support::process::Process;
use crate::support::{request, stand_in};
use nebulink::demo::StandIn;
use rustix::process::Signal;
use tempfile::TempDir;

/// Enough that reading them takes far longer than the few requests that are made meanwhile.
const LINKS: usize = 50_000;

/// A snapshot of links to the stand-in's pages, with the ids 0, 1, 2 ….
fn snapshot(stand_in: &StandIn) -> (TempDir, PathBuf) {
    let (base, now) = (stand_in.platform_url(), humantime::format_rfc3339_millis(SystemTime::now()));
    let mut text = String::new();
    for id in 0..LINKS {
        let url = format!("{base}/page?id={id}");
        let kind = "conversation";
        writeln!(
            text,
            r#"{{"v":1,"kind":"{kind}","id":"{id}","url":"{url}","project":"default","resolved_at":"{now}"}}"#
        )
        .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.jsonl");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn starting(stand_in: &StandIn, path: &Path) -> Process {
    let file = path.to_str().unwrap();
    let further = [("NEBULINK__CACHE__SNAPSHOT_FILE", file), ("NEBULINK__SERVER__WORKERS", "1")];
    Process::start(stand_in, &further, "starting")
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_it_is_read_and_links_after_that() {
    let stand_in = stand_in().await;
    let (_folder, path) = snapshot(&stand_in);
    let mut process = starting(&stand_in, &path);
    let early = tokio::spawn({
        let (address, target) = (process.address, format!("/c/{}", LINKS - 1));
        async move { request(address, "GET", &target, &[]).await }
    });
    let began = Instant::now();
    assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200);
    let ready = request(process.management, "GET", "/readyz?verbose", &[]).await;
    assert_eq!((ready.status, &*ready.body), (503, "[-] serving\nnot ready\n"));
    assert_eq!(request(process.management, "GET", "/metrics", &[]).await.status, 200);
    assert!(!early.is_finished(), "a link is answered before all of them are there");
    println!("probes took {:?}", began.elapsed());

    process.wait_for("serving");
    println!("it served after {:?}", began.elapsed());
    assert_eq!(process.readiness().await, 200);
    let answer = early.await.unwrap();
    assert_eq!((answer.status, answer.header("cache-status")), (302, Some("nebulink; hit")));
    assert_eq!(stand_in.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_it_is_read_ends_the_program_and_leaves_it_as_it_was() {
    let stand_in = stand_in().await;
    let (_folder, path) = snapshot(&stand_in);
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let process = starting(&stand_in, &path);
        assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200);
        let began = Instant::now();
        process.signal(signal);
        let (log, code) = process.log_and_exit_code().await;
        println!("it ended {:?} after the signal", began.elapsed());
        assert_eq!(code, 0);
        assert_eq!(log.last().unwrap()["message"], "stopped before it served", "{log:?}");
        assert!(before == (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino()), "it was written");
    }
}
