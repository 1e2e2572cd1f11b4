//! A panic is a line of the log: the standard library's own message would wait for whoever reads standard error, and may
//! hold anything.

use std::process::Command;

use nebulink::telemetry::{self, LogFormat, LogOptions};

/// Set for the child.
const CHILD: &str = "NEBULINK_TEST_PANIC";

/// Not a test of its own: the child of the one below. The hook is for a whole process.
#[test]
fn child_that_panics() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let options = LogOptions { format: Some(LogFormat::Json), level: "error".parse().unwrap() };
    telemetry::init(&options).unwrap();
    let worker = std::thread::Builder::new().name("worker".to_owned());
    worker.spawn(|| panic!("a {}", "canary")).unwrap().join().unwrap_err();
    telemetry::end_log();
}

#[test]
fn a_panic_is_logged_with_its_place_and_without_its_message() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panic_log::child_that_panics", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
    assert_eq!((&line["message"], &line["level"]), (&"thread panicked".into(), &"ERROR".into()));
    assert_eq!(line["thread"], "worker");
    assert!(line["location"].as_str().unwrap().contains("tests/process/panic_log.rs:"), "{line}");
    assert!(!log.contains("canary"), "{log}");
}
