//! Tests that measure or set what all tests of a binary share: the process's memory, or its global log subscriber.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use super::skip;

/// Set in a process that is one test's own.
const CHILD: &str = "NEBULINK_TEST_CHILD";

/// Runs a test in a process of its own, and fails if it fails there. Call it first in the test, with the test itself:
///
///     if !in_own_process(the_test) { return; }
///
/// Returns true in that process, where the test goes on, and false in the first one, where it has passed. What the test
/// prints there is printed here line by line, so that `--nocapture` shows it at once.
pub fn in_own_process<T>(_test: T) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    // Without the name of the binary, as libtest calls it. If it were another name, no test would pass below.
    let (_, name) = std::any::type_name::<T>().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(CHILD, "1")
        .env(skip::RUN, skip::run())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    // What a thread prints is captured with what the test that began it prints.
    let errors =
        thread::spawn(|| BufReader::new(err).lines().for_each(|line| eprintln!("{}", line.unwrap())));
    let mut has_passed = false;
    for line in BufReader::new(out).lines() {
        let line = line.unwrap();
        println!("{line}");
        has_passed |= line.contains("1 passed");
    }
    errors.join().unwrap();
    assert!(child.wait().unwrap().success() && has_passed, "{name} has failed in a process of its own");
    false
}

/// The memory of this process in bytes: `VmRSS` is what it takes now, `VmHWM` the most that it has taken.
pub fn memory_bytes(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
