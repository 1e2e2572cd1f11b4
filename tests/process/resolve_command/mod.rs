//! `nebulink resolve`, as its users run it.

mod fake_server;
mod hostile_servers;
mod nebuly;
mod progress;
mod running_nebulink;
mod server;
mod snapshot;
mod streams;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use nebulink::demo::StandIn;
use tempfile::NamedTempFile;

use crate::support::process::{binary, command};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

/// The result of a run.
#[derive(Debug)]
struct Run {
    code: i32,
    output: String,
    errors: String,
}

impl Run {
    fn lines(&self) -> Vec<&str> {
        self.output.lines().collect()
    }

    #[track_caller]
    fn json(&self) -> Vec<serde_json::Value> {
        self.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The command with an empty environment.
fn resolve(arguments: &[&str]) -> Command {
    let mut resolve = binary();
    resolve.arg("resolve").args(arguments);
    resolve
}

/// The command with the settings for a stand-in.
fn resolve_at(stand_in: &StandIn, arguments: &[&str]) -> Command {
    let mut resolve = command(stand_in);
    resolve.arg("resolve").args(arguments);
    resolve
}

/// Runs a command to its end.
fn finish(mut command: Command, input: &[u8]) -> Run {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends early does not read its input.
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    drop(writing.join().unwrap());
    Run {
        code: status.code().unwrap(),
        output: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

/// Runs a command to its end while the test goes on to serve.
async fn finished(command: Command, input: impl Into<Vec<u8>>) -> Run {
    let input = input.into();
    let running = tokio::task::spawn_blocking(move || finish(command, &input));
    running.await.unwrap()
}

fn run(arguments: &[&str], input: &[u8]) -> Run {
    finish(resolve(arguments), input)
}

#[test]
fn wrong_usage_is_told_apart() {
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let server = ["--server", "https://go.example"];
    for arguments in [
        &["conversation", "--from", path][..],
        &["preview", "a", "--from", path],
        &["conversation", "a", "-", "--from", path],
        &["conversation", "a", "-", server[0], server[1]],
        &["conversation", "a", "-"],
        &["conversation", "a", "--from", path, server[0], server[1]],
        &["conversation", "a", "--from", path, "--ca-file", path],
        &["conversation", "a", "--from", path, "--token-file", path],
        &["conversation", "a", "--from", path, "--timeout", "5s"],
        // Of the settings, these are not.
        &["conversation", "a", "--ca-file", path],
        &["conversation", "a", "--token-file", path],
        &["conversation", "a", "--timeout", "5s"],
        // The file is empty, and there is none.
        &["conversation", "a", server[0], server[1], "--ca-file", path],
        &["conversation", "a", server[0], server[1], "--ca-file", "/nonexistent/ca.pem"],
        &["conversation", "a", server[0], server[1], "--token-file", path],
        &["conversation", "a", server[0], server[1], "--token-file", "/nonexistent/token"],
        &["conversation", "a", "--server", "go.example"],
        &["conversation", "a", server[0], server[1], "--timeout", "soon"],
    ] {
        let found = run(arguments, b"");
        assert_eq!((found.code, found.output.as_str()), (2, ""), "{arguments:?}");
        assert!(!found.errors.is_empty());
    }
    let secret = run(&["conversation", "a", "--server", "https://user:secret@go.example"], b"");
    assert!(secret.code == 2 && !secret.errors.contains("secret"), "{}", secret.errors);
    let token = run(&["conversation", "a", server[0], server[1], "--token-file", "c2VjcmV0LXRva2Vu"], b"");
    assert!(token.code == 2 && !token.errors.contains("c2VjcmV0"), "{}", token.errors);
}

#[test]
fn the_help_says_where_links_come_from_and_how_lines_stay_paired() {
    let help = run(&["--help"], b"");
    assert_eq!(help.code, 0);
    for words in ["--server", "--from", "--json", "--token-file", "standard input", "empty", "Exit codes"] {
        assert!(help.output.contains(words), "{words}: {}", help.output);
    }
}
