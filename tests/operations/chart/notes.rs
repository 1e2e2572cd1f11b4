//! The notes that the chart prints after its installation.

use serde_json::{Value, json};

use super::helm::Helm;

/// Which of these values the notes warn of.
fn warns_of(helm: &Helm, values: &Value) -> Vec<&'static str> {
    let notes = helm.notes(values);
    assert!(notes.contains("rollout status deployment/links-nebulink"), "{notes}");
    let warnings: Vec<_> = notes.lines().filter(|line| line.starts_with("NOTE: ")).collect();
    let known = [
        "image.repository",
        "config.server.trusted_proxies",
        "networkPolicy.metricsFrom",
        "networkPolicy.egress.sharedCache.ports",
        "networkPolicy.egress.proxy.ports",
    ];
    let found = known.into_iter().filter(|name| warnings.iter().any(|line| line.contains(name))).collect();
    assert!(warnings.len() <= known.len(), "{warnings:?}");
    found
}

/// Values with a network policy, and an image of a registry.
fn walled(policy: &Value, further: &Value) -> Value {
    let mut values = json!({"image": {"repository": "registry.example/nebulink"}, "networkPolicy": policy});
    values.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    values
}

#[test]
fn an_image_that_no_node_can_pull_is_pointed_out() {
    let Some(helm) = Helm::find() else { return };
    assert_eq!(warns_of(&helm, &json!({})), ["image.repository"]);
    assert!(warns_of(&helm, &walled(&json!({}), &json!({}))).is_empty());
}

#[test]
fn what_a_network_policy_cuts_off_is_pointed_out() {
    let Some(helm) = Helm::find() else { return };
    let secret = json!({"existingSecret": {"name": "x"}});
    let port = json!({"ports": [1234]});
    for (further, open, warning) in [
        (
            json!({"serviceMonitor": {"enabled": true}}),
            json!({"metricsFrom": [{"podSelector": {}}]}),
            "networkPolicy.metricsFrom",
        ),
        (
            json!({"scrapeAnnotations": {"enabled": true}}),
            json!({"metricsFrom": [{"podSelector": {}}]}),
            "networkPolicy.metricsFrom",
        ),
        (
            json!({"sharedCache": secret}),
            json!({"egress": {"sharedCache": port}}),
            "networkPolicy.egress.sharedCache.ports",
        ),
        (
            json!({"config": {"shared_cache": {"url_file": "/agent/url"}}}),
            json!({"egress": {"sharedCache": port}}),
            "networkPolicy.egress.sharedCache.ports",
        ),
        (json!({"proxy": secret}), json!({"egress": {"proxy": port}}), "networkPolicy.egress.proxy.ports"),
        (
            json!({"config": {"nebuly": {"proxy": "http://proxy.example:3128"}}}),
            json!({"egress": {"proxy": port}}),
            "networkPolicy.egress.proxy.ports",
        ),
    ] {
        let mut open = open;
        open["enabled"] = json!(true);
        assert_eq!(warns_of(&helm, &walled(&json!({"enabled": true}), &further)), [warning]);
        assert!(warns_of(&helm, &walled(&open, &further)).is_empty(), "{warning}");
        assert!(warns_of(&helm, &walled(&json!({}), &further)).is_empty(), "{warning}");
    }
}
