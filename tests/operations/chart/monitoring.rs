//! Monitoring: the objects for Prometheus and Grafana.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::helm::{FULL_NAME, Helm, Objects, chart, copy_of_chart, items};

/// Rules in the form of the chart's own file.
const RULES: &str = r#"
groups:
  - name: one
    rules:
      - alert: NebulinkOne
        expr: nebulink_one > 0 and on () kube_deployment_spec_replicas{deployment=~".*nebulink.*"} > 1
        labels:
          severity: page
        annotations:
          summary: "{{ $labels.project }} is {{ $value }}"
          runbook_url: docs/operations.md#nebulinkone
      - alert: NebulinkTwo
        expr: nebulink_two
        annotations:
          runbook_url: docs/operations.md#nebulinktwo
      - record: nebulink:three
        expr: sum(nebulink_three)
  - name: other
    rules:
      - alert: NebulinkTwo
        expr: "1"
"#;

const DASHBOARD: &str = "{\n  \"title\": \"{{instance}}\"\n}\n";

/// Our chart with rules and a dashboard of the tests' own.
fn chart_with_files() -> (TempDir, PathBuf) {
    let (folder, copy) = copy_of_chart();
    fs::create_dir_all(copy.join("files")).unwrap();
    fs::write(copy.join("files/rules.yaml"), RULES).unwrap();
    fs::write(copy.join("files/dashboard.json"), DASHBOARD).unwrap();
    (folder, copy)
}

fn rules(helm: &Helm, values: &serde_json::Value) -> Objects {
    let (_folder, chart) = chart_with_files();
    helm.render_chart(&chart, &json!({"prometheusRule": values})).unwrap()
}

#[test]
fn rules_are_those_of_the_file_for_this_deployment() {
    let Some(helm) = Helm::find() else { return };
    let objects = rules(&helm, &json!({"enabled": true}));
    let groups = &objects.named("PrometheusRule", FULL_NAME)["spec"]["groups"];
    let names: Vec<_> = items(groups).map(|group| group["name"].as_str()).collect();
    assert_eq!(names, [Some("one"), Some("other")]);
    let first = &groups[0]["rules"][0];
    assert_eq!(
        first["expr"],
        "nebulink_one > 0 and on () kube_deployment_spec_replicas{namespace=\"here\", deployment=\"links-nebulink\"} > 1"
    );
    assert_eq!(first["annotations"]["summary"], "{{ $labels.project }} is {{ $value }}");
    assert_eq!(first["annotations"]["runbook_url"], "docs/operations.md#nebulinkone");
    assert_eq!(groups[1]["rules"][0]["expr"], "1");
}

#[test]
fn rules_get_labels_and_runbooks_and_can_be_left_out() {
    let Some(helm) = Helm::find() else { return };
    let objects = rules(
        &helm,
        &json!({
            "enabled": true,
            "namespace": "monitoring",
            "labels": {"release": "prometheus"},
            "ruleLabels": {"team": "links"},
            "runbookUrl": "https://wiki.example/nebulink",
            "disabled": ["NebulinkTwo"],
        }),
    );
    let rule = objects.named("PrometheusRule", FULL_NAME);
    assert_eq!(rule["metadata"]["namespace"], "monitoring");
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let groups = &rule["spec"]["groups"];
    assert_eq!(items(groups).count(), 1, "a group without rules is left out");
    let rules = &groups[0]["rules"];
    assert_eq!(rules[0]["labels"], json!({"severity": "page", "team": "links"}));
    assert_eq!(rules[0]["annotations"]["runbook_url"], "https://wiki.example/nebulink#nebulinkone");
    assert_eq!(rules[1], json!({"record": "nebulink:three", "expr": "sum(nebulink_three)"}));
}

#[test]
fn the_charts_own_rules_are_rendered_for_this_deployment() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({"prometheusRule": {"enabled": true}})).unwrap();
    let rules = objects.of_kind("PrometheusRule");
    assert_eq!(rules.len(), usize::from(chart().join("files/rules.yaml").exists()));
    for rule in rules {
        assert!(!rule.to_string().contains(".*nebulink.*"), "a rule is not of this deployment alone");
    }
}

#[test]
fn the_dashboard_is_passed_on_as_it_is() {
    let Some(helm) = Helm::find() else { return };
    let (_folder, chart) = chart_with_files();
    let objects = helm.render_chart(&chart, &json!({"dashboard": {"enabled": true}})).unwrap();
    let dashboard = objects.named("ConfigMap", &format!("{FULL_NAME}-dashboard"));
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(dashboard["data"]["nebulink.json"].as_str().unwrap().trim(), DASHBOARD.trim());
}

#[test]
fn nothing_of_the_operators_is_there_unasked() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({})).unwrap();
    for kind in ["ServiceMonitor", "PrometheusRule", "HTTPRoute", "Ingress", "HorizontalPodAutoscaler"] {
        assert!(objects.of_kind(kind).is_empty(), "{kind}");
    }
    assert_eq!(objects.of_kind("ConfigMap").len(), 1);
}

#[test]
fn a_service_monitor_finds_the_one_service_with_metrics() {
    let Some(helm) = Helm::find() else { return };
    for kind in ["ClusterIP", "LoadBalancer"] {
        let values = json!({
            "serviceMonitor": {"enabled": true, "namespace": "monitoring", "interval": "15s"},
            "service": {"type": kind},
            "valkey": {"enabled": true},
        });
        let objects = helm.render(&values).unwrap();
        let monitor = &objects.named("ServiceMonitor", FULL_NAME)["spec"];
        assert_eq!(monitor["namespaceSelector"]["matchNames"], json!(["here"]));
        assert_eq!(monitor["endpoints"], json!([{"port": "metrics", "path": "/metrics", "interval": "15s"}]));
        let selector = monitor["selector"]["matchLabels"].as_object().unwrap();
        let services = objects.of_kind("Service");
        let found = services.iter().filter(|service| {
            let labels = &service["metadata"]["labels"];
            selector.iter().all(|(name, value)| labels[name] == *value)
                && items(&service["spec"]["ports"]).any(|port| port["name"] == "metrics")
        });
        assert_eq!(found.count(), 1);
    }
}

#[test]
fn scrape_annotations_name_the_port_of_the_management_listener() {
    let Some(helm) = Helm::find() else { return };
    let server = json!({"management_listen": "[::]:9999"});
    let values = json!({"scrapeAnnotations": {"enabled": true}, "config": {"server": server}});
    let objects = helm.render(&values).unwrap();
    let annotations = &objects.deployment()["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], "9999");
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    let twice = json!({"scrapeAnnotations": {"enabled": true}, "serviceMonitor": {"enabled": true}});
    assert!(helm.render(&twice).unwrap_err().contains("count everything twice"));
}
