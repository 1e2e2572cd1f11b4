//! Alerts and dashboard against what the running program exports.

use std::collections::BTreeSet;

use super::expression::{Selector, named};
use super::files::{queries, rules};
use super::live::{Exported, scrape};

/// The labels that Prometheus adds to every series that it scrapes.
const OF_THE_SCRAPE: [&str; 3] = ["namespace", "job", "instance"];

/// Series that others export: Prometheus itself, and kube-state-metrics with their labels.
const FOREIGN: [(&str, &[&str]); 5] = [
    ("up", &[]),
    ("kube_deployment_spec_replicas", &["deployment"]),
    ("kube_deployment_status_replicas_available", &["deployment"]),
    ("kube_deployment_status_replicas_unavailable", &["deployment"]),
    ("kube_pod_container_status_restarts_total", &["pod", "container"]),
];

/// One expression to check, and where it stands.
struct Checked<'a> {
    place: String,
    scrape: &'a Exported,
    recorded: &'a BTreeSet<String>,
    complaints: Vec<String>,
}

impl Checked<'_> {
    fn expression(&mut self, text: &str) {
        let named = named(text);
        let mut known: BTreeSet<String> = OF_THE_SCRAPE.map(str::to_owned).into();
        for selector in &named.selectors {
            known.extend(self.labels(selector));
            self.comparisons(selector);
        }
        for label in named.labels.iter().filter(|label| !known.contains(*label)) {
            self.complaints.push(format!("{}: nothing here has the label {label}", self.place));
        }
    }

    /// The labels of a metric, beside those of the scrape.
    fn labels(&mut self, selector: &Selector) -> Vec<String> {
        let metric = selector.metric.as_str();
        if let Some((_, labels)) = FOREIGN.iter().find(|(name, _)| *name == metric) {
            return labels.iter().map(|&label| label.to_owned()).collect();
        }
        if self.recorded.contains(metric) {
            return Vec::new();
        }
        let Some(labels) = self.scrape.labels(metric) else {
            self.complaints.push(format!("{}: nobody exports {metric}", self.place));
            return Vec::new();
        };
        labels.keys().cloned().collect()
    }

    fn comparisons(&mut self, selector: &Selector) {
        let Some(labels) = self.scrape.labels(&selector.metric) else { return };
        for comparison in &selector.comparisons {
            let label = comparison.label.as_str();
            if OF_THE_SCRAPE.contains(&label) {
                continue;
            }
            let Some(values) = labels.get(label) else {
                self.complaints.push(format!("{}: {} has no label {label}", self.place, selector.metric));
                continue;
            };
            // What people choose on the dashboard is no value of ours.
            for alternative in comparison.values.iter().filter(|value| !value.starts_with('$')) {
                if !values.iter().any(|value| comparison.fits(alternative, value)) {
                    let problem = format!("{label} is never {alternative}, but {values:?}");
                    self.complaints.push(format!("{}: {}: {problem}", self.place, selector.metric));
                }
            }
        }
    }
}

fn recorded() -> BTreeSet<String> {
    rules().into_iter().filter(|rule| !rule.is_alert).map(|rule| rule.name).collect()
}

fn complaints(scrape: &Exported, expressions: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let recorded = recorded();
    let mut complaints = Vec::new();
    for (place, expression) in expressions {
        let mut checked = Checked { place, scrape, recorded: &recorded, complaints: Vec::new() };
        checked.expression(&expression);
        complaints.append(&mut checked.complaints);
    }
    complaints
}

#[tokio::test]
async fn rules_name_only_metrics_labels_and_values_that_the_program_exports() {
    let scrape = scrape().await;
    let expressions = rules().into_iter().map(|rule| (rule.name, rule.expression));
    let complaints = complaints(&scrape, expressions);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test]
async fn the_dashboard_names_only_metrics_labels_and_values_that_the_program_exports() {
    let scrape = scrape().await;
    let expressions =
        queries().into_iter().map(|query| (query.panel, query.expression.replace("$__rate_interval", "5m")));
    let complaints = complaints(&scrape, expressions);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test]
async fn a_legend_names_labels_that_the_query_keeps() {
    for query in queries() {
        let kept = named(&query.expression.replace("$__rate_interval", "5m")).labels;
        for label in query.legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()) {
            assert!(kept.iter().any(|own| own == label), "{}: {label} is not among {kept:?}", query.panel);
        }
    }
}

#[tokio::test]
async fn everything_that_the_program_exports_of_its_own_is_on_the_dashboard() {
    let scrape = scrape().await;
    let shown: BTreeSet<_> = queries()
        .iter()
        .flat_map(|query| named(&query.expression.replace("$__rate_interval", "5m")).selectors)
        .map(|selector| selector.metric.trim_end_matches("_bucket").to_owned())
        .collect();
    let missing: Vec<_> = scrape
        .names()
        .filter(|name| name.starts_with("nebulink_"))
        .map(|name| {
            ["_bucket", "_sum", "_count"].into_iter().fold(name, |name, end| name.trim_end_matches(end))
        })
        .filter(|name| !shown.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
