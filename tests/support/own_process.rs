//! Tests that measure or set what all tests of a binary share: the process's memory, or its global log subscriber.

use std::process::Command;

use super::skip;

/// Runs a test in a process of its own, and fails if it fails there. Call it first in the test, with the test itself:
///
///     if !in_own_process(the_test) { return; }
///
/// Returns true in that process, where the test goes on, and false in the first one, where it has passed.
pub fn in_own_process<T>(_test: T) -> bool {
    if std::env::var_os(skip::RUN).is_some() {
        return true;
    }
    // Without the name of the binary, as libtest calls it. If it were another name, no test would pass below.
    let (_, name) = std::any::type_name::<T>().split_once("::").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(skip::RUN, skip::run())
        .output()
        .unwrap();
    let [out, err] = [child.stdout, child.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    print!("{out}");
    eprint!("{err}");
    assert!(child.status.success() && out.contains("1 passed"), "{name} has failed in a process of its own");
    false
}

/// The memory of this process in bytes: `VmRSS` is what it takes now, `VmHWM` the most that it has taken.
pub fn memory_bytes(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
