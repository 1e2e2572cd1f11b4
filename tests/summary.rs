//! Prints how many tests `cargo test` has skipped, and why. It is no test, but the last test target: cargo runs them in
//! the order of their names.
//!
//! It does not run with `--test some_other`, nor once a test has failed. A skipped test says so in its own output, too.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is there to print")]

#[path = "support/skip.rs"]
#[expect(dead_code, clippy::print_stderr, reason = "this needs nothing but the place of the record")]
mod skip;

use std::collections::BTreeMap;
use std::fs;

fn main() {
    // Who asks for a list of the tests gets none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let Ok(skipped) = fs::read_to_string(skip::record()) else { return };
    // With those of earlier runs that did not come to an end.
    fs::remove_dir_all(skip::record().parent().unwrap()).unwrap();
    let mut counts = BTreeMap::<_, usize>::new();
    for reason in skipped.lines() {
        *counts.entry(reason).or_default() += 1;
    }
    println!();
    for (reason, count) in counts {
        println!("{count} skipped: {reason}");
    }
}
