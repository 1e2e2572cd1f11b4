//! `values.schema.json`: held against the program's settings and the chart's values, and shown to refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Map, Value, json};

use super::helm::{Helm, chart, items, yaml};
use super::settings::defaults;

/// A secret, which no message may repeat.
const CANARY: &str = "canary-0123456789";

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

/// A part of the schema, or what it refers to.
fn resolved<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => part,
    }
}

fn properties<'a>(schema: &'a Value, part: &'a Value) -> Option<&'a Map<String, Value>> {
    resolved(schema, part)["properties"].as_object()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    }
}

#[test]
fn the_schema_has_every_setting_that_is_no_secret_and_nothing_else() {
    let defaults = defaults();
    let expected: BTreeMap<String, &str> =
        settings(defaults.as_object().unwrap()).map(|(key, default)| (key, type_of(default))).collect();
    let schema = schema();
    let sections = properties(&schema, &schema["properties"]["config"]).unwrap();
    let mut known = BTreeMap::new();
    for (section, part) in sections {
        for (name, part) in properties(&schema, part).unwrap() {
            let kind = resolved(&schema, part)["type"].as_str().unwrap();
            known.insert(format!("{section}.{name}"), kind);
        }
    }
    assert_eq!(known, expected);
}

fn settings(sections: &Map<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    sections.iter().flat_map(|(section, settings)| {
        let settings = settings.as_object().into_iter().flatten();
        settings.map(move |(name, value)| (format!("{section}.{name}"), value))
    })
}

#[test]
fn the_schema_has_every_value_and_nothing_else() {
    let schema = schema();
    // Helm itself adds this one where the chart is part of another.
    let mut top = properties(&schema, &schema).unwrap().clone();
    top.remove("global").unwrap();
    let values = yaml(&chart().join("values.yaml"));
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&top), names(values.as_object().unwrap()));
    assert_eq!(required(&schema, &schema), given(&values, ""));
    for (name, part) in &top {
        // What is left out here may be left out of the values, too.
        if ["config", "resources", "startupProbe", "readinessProbe", "livenessProbe"].contains(&name.as_str())
        {
            continue;
        }
        compare(&schema, part, &values[name], name);
    }
}

fn compare(schema: &Value, part: &Value, value: &Value, path: &str) {
    let Some(known) = properties(schema, part) else { return };
    let all: Vec<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(known.keys().collect::<Vec<_>>(), all, "{path}");
    assert_eq!(required(schema, part), given(value, path), "{path}");
    for (name, part) in known {
        if name != "resources" {
            compare(schema, part, &value[name], &format!("{path}.{name}"));
        }
    }
}

/// The values that have to be there: `null` takes a default away, and the templates rely on all of them.
fn required<'a>(schema: &'a Value, part: &'a Value) -> BTreeSet<&'a str> {
    items(&resolved(schema, part)["required"]).map(|name| name.as_str().unwrap()).collect()
}

/// The values that have a default and need one. `Recreate` has no use for that of a rolling update.
fn given<'a>(values: &'a Value, path: &str) -> BTreeSet<&'a str> {
    let values = values.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let names = values.map(|(name, _)| name.as_str());
    names.filter(|name| (path, *name) != ("updateStrategy", "rollingUpdate")).collect()
}

#[test]
fn null_takes_nothing_away_that_is_needed() {
    let Some(helm) = Helm::find() else { return };
    for values in [
        json!({"image": {"repository": null}}),
        json!({"service": {"port": null}}),
        json!({"valkey": {"image": null}}),
        json!({"networkPolicy": {"egress": {"proxy": null}}}),
        json!({"test": null}),
        json!({"config": null}),
    ] {
        let refusal = helm.render(&values).unwrap_err();
        assert!(refusal.contains("missing propert"), "{values}: {refusal}");
    }
    let ids = json!({"runAsUser": null, "runAsGroup": null, "fsGroup": null});
    let values = json!({
        "service": {"nodePort": null},
        "terminationGracePeriodSeconds": null,
        "podSecurityContext": ids,
        "valkey": {"enabled": true, "podSecurityContext": ids},
        "updateStrategy": {"type": "Recreate", "rollingUpdate": null},
    });
    let objects = helm.render(&values).unwrap();
    for pod in objects.pods() {
        let context = &pod["spec"]["securityContext"];
        assert!(context["runAsUser"].is_null() && context["runAsNonRoot"] == true, "{context}");
    }
}

#[test]
fn the_schema_is_strict_wherever_it_knows_the_names() {
    fn walk(part: &Value, path: &str) {
        match part {
            Value::Object(fields) => {
                // An environment variable has further fields of Kubernetes.
                let is_open = path.ends_with("/definitions/variable")
                    || path.ends_with("/if")
                    || path.ends_with("/then");
                if part["properties"].is_object() && part["type"] != "string" && !is_open {
                    assert_eq!(part["additionalProperties"], false, "{path}");
                }
                for (name, part) in fields {
                    walk(part, &format!("{path}/{name}"));
                }
            }
            Value::Array(parts) => {
                for part in parts {
                    walk(part, path);
                }
            }
            _ => {}
        }
    }
    walk(&schema(), "");
}

#[test]
fn unknown_values_are_refused_wherever_they_are() {
    let Some(helm) = Helm::find() else { return };
    for (values, name) in [
        (json!({"replicas": 3}), "replicas"),
        (json!({"image": {"registry": "x"}}), "registry"),
        (json!({"service": {"ports": 80}}), "ports"),
        (json!({"config": {"cach": {}}}), "cach"),
        (json!({"config": {"cache": {"size": "1MiB"}}}), "size"),
        (json!({"projects": [{"apiKey": "x", "api_key": "y"}]}), "api_key"),
        (json!({"networkPolicy": {"egress": {"redis": {}}}}), "redis"),
        (json!({"valkey": {"image": {"name": "x"}}}), "name"),
        (json!({"ingress": {"hosts": [{"host": "x", "path": "/"}]}}), "path"),
        (json!({"readinessProbe": {"exec": {}}}), "exec"),
    ] {
        let refusal = helm.render(&values).unwrap_err();
        assert!(refusal.contains(&format!("'{name}' not allowed")), "{refusal}");
    }
}

#[test]
fn secrets_among_the_settings_are_refused_and_not_repeated() {
    let Some(helm) = Helm::find() else { return };
    let url = format!("redis://:{CANARY}@cache");
    let with_user = format!("http://user:{CANARY}@proxy:3128");
    for (values, place) in [
        (json!({"config": {"shared_cache": {"url": url}}}), "/config/shared_cache"),
        (json!({"config": {"nebuly": {"proxy": with_user}}}), "/config/nebuly/proxy"),
        (json!({"config": {"nebuly": {"api_base_url": with_user}}}), "/config/nebuly/api_base_url"),
        (json!({"config": {"server": {"public_url": with_user}}}), "/config/server/public_url"),
        (json!({"config": {"projects": [{"api_key": CANARY}]}}), "/config"),
        (json!({"config": {"nebuly": {"api_key": CANARY}}}), "/config/nebuly"),
        (json!({"projects": [{"apiKey": format!("{CANARY} ")}]}), "/projects/0/apiKey"),
        (json!({"projects": [{"apiKey": CANARY, "existingSecret": {"name": "x"}}]}), "/projects/0"),
        (json!({"valkey": {"password": format!("{CANARY}@")}}), "/valkey/password"),
        (json!({"extraEnv": [{"name": "NEBULINK__NEBULY__PROXY", "value": with_user}]}), "/extraEnv/0"),
        (json!({"extraEnv": [{"name": "NEBULINK__SHARED_CACHE__URL", "value": url}]}), "/extraEnv/0"),
        (json!({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": CANARY}]}), "/extraEnv/0"),
        (
            json!({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "value": CANARY}]}),
            "/extraEnv/0",
        ),
        (
            json!({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": with_user}]}),
            "/extraEnv/0/value",
        ),
        (
            json!({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "value": with_user}]}),
            "/extraEnv/0/value",
        ),
        (json!({"extraEnv": [{"name": "NEBULY_API_KEY", "value": CANARY}]}), "/extraEnv/0/name"),
    ] {
        let refusal = helm.render(&values).unwrap_err();
        assert!(refusal.contains(&format!("at '{place}'")), "{place}: {refusal}");
        assert!(!refusal.contains(CANARY), "{place}: {refusal}");
    }
}

#[test]
fn secrets_by_reference_are_taken() {
    let Some(helm) = Helm::find() else { return };
    let reference = json!({"secretKeyRef": {"name": "otel", "key": "headers"}});
    let variable = json!({"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": reference});
    let values = json!({
        "extraEnv": [variable],
        "config": {"nebuly": {"proxy": "http://proxy.example:3128"}},
    });
    let objects = helm.render(&values).unwrap();
    assert!(objects.deployment().to_string().contains("OTEL_EXPORTER_OTLP_HEADERS"));
    assert!(objects.settings().contains("proxy = \"http://proxy.example:3128\""));
}

#[test]
fn settings_as_variables_are_refused_since_they_would_get_past_the_checks() {
    let Some(helm) = Helm::find() else { return };
    let reference = json!({"secretKeyRef": {"name": "x", "key": "y"}});
    let render = |name: &str, by_reference: bool| {
        let mut variable = json!({"name": name});
        let (field, value) =
            if by_reference { ("valueFrom", reference.clone()) } else { ("value", json!("x")) };
        variable[field] = value;
        helm.render(&json!({"extraEnv": [variable]}))
    };
    for name in [
        "NEBULINK_CONFIG",
        "NEBULINK_CACHE__TTL",
        "NEBULY_API_KEY",
        "NEBULY_API_KEY_FILE",
        "NEBULY_API_BASE_URL",
        "NEBULINK__ACCESS__IDENTITY_HEADER",
        "NEBULINK__SERVER__TRUSTED_PROXIES",
    ] {
        for by_reference in [false, true] {
            let refusal = render(name, by_reference).unwrap_err();
            assert!(refusal.contains("at '/extraEnv/0"), "{name}: {refusal}");
        }
    }
    for name in ["NEBULINK__NEBULY__PROXY", "NEBULINK__SHARED_CACHE__URL"] {
        assert!(render(name, true).is_ok(), "{name}");
    }
    assert!(render("OTEL_EXPORTER_OTLP_ENDPOINT", false).is_ok());
}

#[test]
fn malformed_settings_are_refused_before_a_pod_sees_them() {
    let Some(helm) = Helm::find() else { return };
    for (section, name, value) in [
        ("cache", "ttl", json!("soon")),
        ("cache", "ttl", json!(60)),
        ("cache", "ttl", json!("60")),
        ("cache", "max_size", json!("64 megs")),
        ("cache", "snapshot_interval", json!("often")),
        ("server", "listen", json!("8080")),
        ("server", "listen", json!(":8080")),
        ("server", "workers", json!("many")),
        ("server", "workers", json!(2000)),
        ("server", "workers", json!(1.5)),
        ("server", "base_path", json!("nebuly")),
        ("server", "base_path", json!("/a//b")),
        ("server", "trusted_proxies", json!("10.0.0.0/24")),
        ("server", "trusted_proxies", json!(["proxy.example"])),
        ("nebuly", "api_base_url", json!("nebuly.example")),
        ("nebuly", "allow_http", json!("yes")),
        ("nebuly", "resolve", json!("guess")),
        ("access", "cors_origins", json!(["*"])),
        ("access", "identity_header", json!("x header")),
        ("limits", "batch", json!(0)),
        ("log", "access", json!("some")),
    ] {
        let refusal = helm.render(&json!({"config": {section: {name: value}}})).unwrap_err();
        assert!(refusal.contains(&format!("at '/config/{section}/{name}")), "{refusal}");
    }
    let with_interval =
        |interval: &str| helm.render(&json!({"config": {"cache": {"snapshot_interval": interval}}}));
    for interval in ["0", "0s", "1ns", "999ms", "0.5s", "0.01m", "999ms 999us", "0.5s 499ms"] {
        let refusal = with_interval(interval).unwrap_err();
        let reason = format!("config.cache.snapshot_interval ({interval}) must be at least 1s");
        assert!(refusal.contains(&reason), "{refusal}");
    }
    for interval in ["1s", "1.5s", "1000ms", "1000000us", "0.02m", "5m", "1m 30s", "1h500ms", "600ms 400ms"] {
        with_interval(interval).unwrap();
    }
}

#[test]
fn a_project_has_one_key_and_both_ids_or_neither() {
    let Some(helm) = Helm::find() else { return };
    for project in [
        json!({"name": "x"}),
        json!({"existingSecret": {"key": "x"}}),
        json!({"existingSecret": {"name": ""}}),
        json!({"apiKey": ""}),
        json!({"apiKey": "k", "projectId": "p"}),
        json!({"apiKey": "k", "organizationId": "o"}),
        json!({"apiKey": "k", "name": "a b"}),
        json!({"apiKeyFile": "relative"}),
    ] {
        assert!(helm.render(&json!({"projects": [project]})).is_err(), "{project}");
    }
    assert!(helm.render(&json!({"projects": []})).is_err());
}
