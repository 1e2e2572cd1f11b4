//! The chart's own versions and README.

use std::fs;
use std::process::Command;

use super::helm::{chart, is_there, yaml};

#[test]
fn chart_and_program_have_one_version() {
    let chart = yaml(&chart().join("Chart.yaml"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["description"], env!("CARGO_PKG_DESCRIPTION"));
}

#[test]
fn the_readme_is_what_helm_docs_makes_of_the_values() {
    if !is_there("helm-docs") {
        return;
    }
    let arguments =
        ["--dry-run", "--log-level", "warning", "--sort-values-order", "file", "--chart-search-root"];
    let output = Command::new("helm-docs").args(arguments).arg(chart()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let made = String::from_utf8(output.stdout).unwrap();
    let readme = fs::read_to_string(chart().join("README.md")).unwrap();
    assert!(made.trim() == readme.trim(), "run: helm-docs --chart-search-root helm --sort-values-order file");
}

#[test]
fn every_value_has_a_description() {
    let readme = fs::read_to_string(chart().join("README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 100);
    for row in rows {
        assert!(!row.ends_with("|  |"), "{row}");
    }
}
