//! `nebulink resolve`, as its users run it.

mod server;
mod snapshot;

use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

/// The result of a run.
#[derive(Debug)]
struct Run {
    code: i32,
    output: String,
    errors: String,
}

fn run(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nebulink"))
        .env_clear()
        .arg("resolve")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends early does not read its input.
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writing.join().unwrap());
    Run {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn wrong_usage_is_told_apart() {
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for arguments in [
        &["conversation", "a"][..],
        &["conversation", "--from", path],
        &["preview", "a", "--from", path],
        &["conversation", "a", "-", "--from", path],
        &["conversation", "a", "--from", path, "--server", "https://go.example"],
        &["conversation", "a", "--from", path, "--json"],
        &["conversation", "a", "--from", path, "--ca-file", path],
        &["conversation", "a", "--from", path, "--timeout", "5s"],
        // The file is empty, and there is none.
        &["conversation", "a", "--server", "https://go.example", "--ca-file", path],
        &["conversation", "a", "--server", "https://go.example", "--ca-file", "/nonexistent/ca.pem"],
        &["conversation", "a", "--server", "go.example"],
        &["conversation", "a", "-", "--server", "https://go.example"],
        &["conversation", "a", "--server", "https://go.example", "--timeout", "soon"],
    ] {
        let found = run(arguments, b"");
        assert_eq!((found.code, found.output.as_str()), (2, ""), "{arguments:?}");
        assert!(!found.errors.is_empty());
    }
    let neither = run(&["conversation", "a"], b"");
    assert!(neither.errors.contains("--from FILE or --server URL"), "{}", neither.errors);
    let secret = run(&["conversation", "a", "--server", "https://user:secret@go.example"], b"");
    assert!(secret.code == 2 && !secret.errors.contains("secret"), "{}", secret.errors);
}
