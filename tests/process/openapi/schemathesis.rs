//! schemathesis makes requests of the description, valid ones and others, and compares the answers with it.

use std::path::Path;

use super::{Scene, beside, python, said_by};

/// The statuses that at least one of its requests is answered with.
const STATUSES: [u16; 9] = [200, 204, 302, 400, 401, 404, 405, 415, 422];

/// Runs it with every check, and returns its summary; `.ci/install` says which version. All that it finds it prints with a
/// command that repeats it.
async fn summary_of_schemathesis(arguments: &[&str]) -> Option<String> {
    let scene = Scene::start().await;
    let mut command = python(Path::new("bin/st"), scene.folder.path())?;
    command.env("SCHEMATHESIS_HOOKS", beside("hooks.py"));
    command.arg("--config-file").arg(beside("schemathesis.toml")).arg("run").arg(scene.url());
    command.args(["--checks=all", "--no-color"]).args(arguments);
    let said = said_by(command).await;
    let metrics = scene.program.probe("/metrics").await.body;
    for status in STATUSES {
        let is_there = metrics.lines().any(|line| {
            line.starts_with("nebulink_http_requests_total") && line.contains(&format!("status=\"{status}\""))
        });
        assert!(is_there, "no answer was a {status}");
    }
    scene.program.end().await;
    said.split_once("Test cases:").map(|(_, summary)| summary.trim().to_owned())
}

/// The same requests each time.
#[tokio::test]
async fn the_program_does_what_its_description_says() {
    println!("{:?}", summary_of_schemathesis(&["--max-examples=20", "--generation-deterministic"]).await);
}

#[tokio::test]
#[ignore = "takes ten minutes; .ci/weekly runs it"]
async fn the_program_does_what_its_description_says_whatever_it_is_asked() {
    println!("{:?}", summary_of_schemathesis(&["--max-time=600", "--generation-database=none"]).await);
}
