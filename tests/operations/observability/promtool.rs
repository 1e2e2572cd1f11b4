//! promtool's own judgement: the syntax of every expression, and the tests of the rules.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::files::{RULES, path, queries, rule_tests};
use crate::support::skip::skip;

/// Runs promtool; nothing if it is missing here.
fn promtool(arguments: &[impl AsRef<OsStr>]) -> Option<Output> {
    // Where Go installs programs is on few people's PATH.
    let go_bin = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin/promtool"));
    let candidates = [Some(PathBuf::from("promtool")), go_bin];
    for program in candidates.into_iter().flatten() {
        match Command::new(&program).args(arguments).stdin(Stdio::null()).output() {
            Ok(output) => return Some(output),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", program.display()),
        }
    }
    skip("promtool", ".ci/install does it");
    None
}

#[track_caller]
fn assert_content(arguments: &[impl AsRef<OsStr>]) {
    let Some(output) = promtool(arguments) else { return };
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{}", said.concat());
}

#[test]
fn the_rules_are_valid() {
    let rules = path(RULES);
    assert_content(&["check", "rules", "--lint=all", "--lint-fatal", rules.to_str().unwrap()]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then_and_resolve() {
    let mut arguments = vec![PathBuf::from("test"), PathBuf::from("rules")];
    arguments.extend(rule_tests());
    assert_content(&arguments);
}

/// promtool checks the syntax of files of rules alone, so the queries become one.
#[test]
fn the_queries_of_the_dashboard_are_valid() {
    let mut file = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, query) in queries().into_iter().enumerate() {
        // What Grafana puts in its place; all other variables are values of labels.
        let expression = query.expression.replace("$__rate_interval", "5m");
        let expression = serde_json::to_string(&expression).unwrap();
        writeln!(file, "      - record: dashboard:query{number}\n        expr: {expression}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("dashboard.yaml");
    std::fs::write(&rules, file).unwrap();
    assert_content(&["check", "rules", rules.to_str().unwrap()]);
}
