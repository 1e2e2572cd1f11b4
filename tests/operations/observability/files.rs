//! The project's own files, parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where Prometheus finds the rules.
pub(crate) const RULES: &str = "helm/nebulink/files/rules.yaml";

const DASHBOARD: &str = "helm/nebulink/files/dashboard.json";
const RUNBOOKS: &str = "docs/operations.md";
const RULE_TESTS: &str = "tests/operations/alerts";

/// A rule, as Prometheus reads it.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The name of the alert, or of the series that is recorded.
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expression: String,
    pub(crate) has_duration: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A query of the dashboard.
#[derive(Debug)]
pub(crate) struct Query {
    /// Title of the panel.
    pub(crate) panel: String,
    pub(crate) expression: String,
    pub(crate) legend: String,
}

/// The cases of an alert that the tests of the rules have.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    /// Severities that are expected at some time.
    pub(crate) firing: BTreeSet<String>,
    /// It is quiet later than it fires in one and the same test.
    pub(crate) resolves: bool,
    /// There is a test in which it never fires.
    pub(crate) stays_quiet: bool,
}

/// A file of the project.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// All rules, in their order.
pub(crate) fn rules() -> Vec<Rule> {
    let file = yaml(&path(RULES));
    let groups = file["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Rule {
            name: text(rule.get("alert").unwrap_or(&rule["record"])),
            is_alert: rule.get("alert").is_some(),
            expression: text(&rule["expr"]),
            has_duration: rule.get("for").is_some(),
            labels: texts(rule.get("labels")),
            annotations: texts(rule.get("annotations")),
        })
        .collect()
}

/// The names of all alerts.
pub(crate) fn alert_names() -> BTreeSet<String> {
    rules().into_iter().filter(|rule| rule.is_alert).map(|rule| rule.name).collect()
}

/// The dashboard, as Grafana reads it.
pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(path(DASHBOARD)).unwrap()).unwrap()
}

/// All queries of the dashboard's panels.
pub(crate) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        for target in panel["targets"].as_array().unwrap() {
            queries.push(Query {
                panel: text(&panel["title"]),
                expression: text(&target["expr"]),
                legend: text(&target["legendFormat"]),
            });
        }
    }
    queries
}

/// The sections of the runbooks: heading and text.
pub(crate) fn runbooks() -> Vec<(String, String)> {
    let page = fs::read_to_string(path(RUNBOOKS)).unwrap();
    let runbooks = page.split("\n## ").find_map(|section| section.strip_prefix("Runbooks\n")).unwrap();
    let sections = runbooks.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.trim().to_owned(), text.to_owned())
        })
        .collect()
}

/// The files with tests of the rules.
pub(crate) fn rule_tests() -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(path(RULE_TESTS)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the cases of each alert in those tests.
pub(crate) fn tested() -> BTreeMap<String, Tested> {
    let mut tested: BTreeMap<String, Tested> = BTreeMap::new();
    for file in rule_tests() {
        for group in yaml(&file)["tests"].as_array().unwrap() {
            let mut fired = BTreeSet::new();
            for check in group["alert_rule_test"].as_array().unwrap() {
                let alert = text(&check["alertname"]);
                let entry = tested.entry(alert.clone()).or_default();
                let expected = check["exp_alerts"].as_array().unwrap();
                entry.firing.extend(expected.iter().map(|alert| text(&alert["exp_labels"]["severity"])));
                if !expected.is_empty() {
                    fired.insert(alert);
                } else if fired.contains(&alert) {
                    entry.resolves = true;
                }
            }
            if fired.is_empty() {
                let alert = text(&group["alert_rule_test"][0]["alertname"]);
                tested.entry(alert).or_default().stays_quiet = true;
            }
        }
    }
    tested
}

fn yaml(path: &Path) -> Value {
    yaml_serde::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object);
    fields.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}
