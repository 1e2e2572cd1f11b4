//! Each alert with its words, its runbook and its tests.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::named;
use super::files::{alert_names, rules, runbooks, tested};

/// Wakes somebody, or waits for the next working day.
const SEVERITIES: [&str; 2] = ["critical", "warning"];

#[test]
fn every_alert_says_how_urgent_it_is_what_users_see_and_what_to_do_first() {
    for alert in rules().into_iter().filter(|rule| rule.is_alert) {
        let name = &alert.name;
        assert!(name.starts_with("Nebulink"), "{name}");
        assert!(alert.has_duration, "{name} has no `for`");
        assert!(SEVERITIES.contains(&alert.labels["severity"].as_str()), "{name}: {:?}", alert.labels);
        let annotations: Vec<_> = alert.annotations.keys().map(String::as_str).collect();
        assert_eq!(annotations, ["description", "runbook_url", "summary"], "{name}");
        assert!(
            alert.annotations["description"].contains(" First: "),
            "{name} does not say what to do first"
        );
        let runbook = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], runbook, "{name}");
        if alert.expression.contains("project)") {
            assert!(alert.annotations["summary"].contains("{{ $labels.project }}"), "{name}: which project?");
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let runbooks: BTreeMap<_, _> = runbooks().into_iter().collect();
    let of_alerts: BTreeSet<_> =
        runbooks.keys().filter(|name| name.starts_with("Nebulink")).cloned().collect();
    assert_eq!(of_alerts, alert_names());
    for name in of_alerts {
        for part in ["**Means**", "**Users see**", "**Check**", "**Fix**", "**Escalate**"] {
            assert!(runbooks[&name].contains(part), "the runbook of {name} has no {part}");
        }
    }
}

#[test]
fn every_alert_is_tested_to_fire_at_each_severity_to_resolve_and_to_stay_quiet() {
    let tested = tested();
    assert_eq!(tested.keys().cloned().collect::<BTreeSet<_>>(), alert_names());
    for (name, tested) in &tested {
        let severities: BTreeSet<_> = rules()
            .into_iter()
            .filter(|rule| rule.name == *name)
            .map(|rule| rule.labels["severity"].clone())
            .collect();
        assert_eq!(tested.firing, severities, "{name}");
        assert!(tested.resolves, "{name} is never seen to resolve");
        assert!(tested.stays_quiet, "{name} is never seen to stay quiet");
    }
}

#[test]
fn the_windows_of_the_objective_differ_in_nothing_but_their_length() {
    let mut objective = rules().into_iter().filter(|rule| !rule.is_alert).map(|rule| {
        let (_, window) = rule.name.rsplit_once("ratio_rate").unwrap();
        let parts = rule.expression.matches(&format!("[{window}]")).count();
        assert_eq!(parts, 3, "{}", rule.name);
        rule.expression.replace(&format!("[{window}]"), "")
    });
    let first = objective.next().unwrap();
    assert!(objective.all(|other| other == first));
}

/// A ratio whose numerator and least number count different things would never be noticed.
#[test]
fn a_rule_compares_a_label_of_a_metric_with_the_same_values_wherever_it_does() {
    for rule in rules() {
        let mut compared: BTreeMap<(String, String), Vec<Vec<String>>> = BTreeMap::new();
        for selector in named(&rule.expression).selectors {
            // A label may be compared twice: with what it is, and with what it is not.
            let mut of_labels: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
            for comparison in selector.comparisons {
                of_labels.entry(comparison.label).or_default().push(comparison.values);
            }
            for (label, values) in of_labels {
                let key = (selector.metric.clone(), label);
                let first = compared.entry(key).or_insert_with(|| values.clone());
                assert_eq!(*first, values, "{}", rule.name);
            }
        }
    }
}
