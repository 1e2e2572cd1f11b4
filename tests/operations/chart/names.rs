//! Names that YAML could take for numbers.

use serde_json::{Value, json};

use super::helm::{Helm, chart};

/// Fields that are texts wherever they are.
const TEXTS: [&str; 10] = [
    "name",
    "namespace",
    "key",
    "secretName",
    "serviceAccountName",
    "ingressClassName",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "loadBalancerClass",
];

/// Fields whose fields are texts.
const MAPS_OF_TEXTS: [&str; 5] = ["labels", "matchLabels", "annotations", "data", "stringData"];

/// Every field that should be a text and is none, with its path.
fn wrong(part: &Value, path: &str, found: &mut Vec<String>) {
    let in_map = MAPS_OF_TEXTS.iter().any(|map| path.ends_with(&format!("/{map}")));
    for (name, part) in part.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        if (in_map || TEXTS.contains(&name.as_str())) && !part.is_string() {
            found.push(format!("{path}: {part}"));
        }
        wrong(part, &path, found);
    }
    for (index, part) in part.as_array().into_iter().flatten().enumerate() {
        wrong(part, &format!("{path}/{index}"), found);
    }
}

#[test]
fn names_of_digits_stay_texts() {
    let Some(helm) = Helm::find() else { return };
    let secret = json!({"existingSecret": {"name": "77", "key": "1"}});
    let values = json!({
        "nameOverride": "2023",
        "fullnameOverride": "1000",
        "projects": [{"name": "2024", "apiKey": "k"}, {"name": "2", "existingSecret": {"name": "77", "key": "1"}}],
        "sharedCache": secret,
        "proxy": secret,
        "apiTokens": secret,
        "service": {"type": "LoadBalancer", "loadBalancerClass": "3"},
        "ingress": {"enabled": true, "className": "4", "hosts": [{"host": "5"}]},
        "httpRoute": {"enabled": true, "parentRefs": [{"name": "6"}]},
        "autoscaling": {"enabled": true},
        "networkPolicy": {"enabled": true, "from": [{"podSelector": {}}]},
        "serviceMonitor": {"enabled": true, "namespace": "7"},
        "prometheusRule": {"enabled": true, "namespace": "7"},
        "dashboard": {"enabled": true, "namespace": "7"},
        "priorityClassName": "8",
        "runtimeClassName": "9",
        "schedulerName": "10",
    });
    let mut with_valkey = values.clone();
    with_valkey["sharedCache"]["existingSecret"]["name"] = json!("");
    with_valkey["valkey"] = json!({"enabled": true, "priorityClassName": "8"});
    with_valkey["serviceAccount"] = json!({"create": false, "name": "11"});
    for values in [values, with_valkey] {
        let objects = helm.render_release(["123", "456"], &chart(), &values).unwrap();
        let mut found = Vec::new();
        for object in objects.all() {
            wrong(object, object["kind"].as_str().unwrap(), &mut found);
            if object["kind"] == "Service" {
                assert!(object["spec"]["selector"].as_object().unwrap().values().all(Value::is_string));
            }
        }
        assert!(objects.all().len() > 10 && found.is_empty(), "{found:#?}");
    }
}

#[test]
fn great_numbers_stay_whole() {
    let Some(helm) = Helm::find() else { return };
    let great = 10_000_000;
    let values = json!({"replicaCount": great, "minReadySeconds": great, "revisionHistoryLimit": great, "valkey": {"enabled": true}});
    let objects = helm.render(&values).unwrap();
    let spec = &objects.deployment()["spec"];
    for name in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        assert_eq!(spec[name].as_u64(), Some(great), "{name}");
    }
    for deployment in objects.of_kind("Deployment") {
        assert_eq!(deployment["spec"]["revisionHistoryLimit"].as_u64(), Some(great));
    }
}

#[test]
fn a_name_with_a_dot_is_refused() {
    let Some(helm) = Helm::find() else { return };
    for name in ["nameOverride", "fullnameOverride"] {
        // No Service may be called so.
        let refusal = helm.render(&json!({name: "links.example"})).unwrap_err();
        assert!(refusal.contains(&format!("at '/{name}'")), "{refusal}");
    }
}
