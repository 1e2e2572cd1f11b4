//! Tests that are skipped because a program is not installed here.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

/// The id of the run of `cargo test`, for a test in a process of its own, whose parent is not cargo.
pub(crate) const RUN: &str = "NEBULINK_TEST_RUN";

/// Records that a test is skipped because of this program: `tests/summary.rs` prints it at the end of `cargo test`.
///
/// Fails where the variable `CI` is `true`: there, all programs have to be installed.
pub(crate) fn skip(program: &str, advice: &str) {
    let reason = format!("{program} is not installed");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}: {advice}");
    eprintln!("skipped: {reason}: {advice}");
    let record = record();
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new().create(true).append(true).open(record).unwrap();
    // In one write, since other tests append to it too.
    file.write_all(format!("{reason}\n").as_bytes()).unwrap();
}

/// The id of this run: cargo's process, which is the parent of all its test binaries.
pub(crate) fn run() -> String {
    std::env::var(RUN).unwrap_or_else(|_| std::os::unix::process::parent_id().to_string())
}

/// The file with a line for each skipped test of this run.
pub(crate) fn record() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("skipped").join(run())
}
