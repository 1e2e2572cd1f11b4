//! The settings file that the chart writes, read by the program itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use figment::providers::{Format as _, Toml};
use nebulink::settings::{
    ApiKeySetting, LoadedSettings, SettingProblems, SettingSource, SettingSources, Settings,
};
use serde_json::{Value, json};

use super::helm::{Helm, chart, installations, yaml};

/// The files and variables of the chart's container, in a folder of the test's own.
fn load(toml: &str) -> Result<LoadedSettings, SettingProblems> {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in
        [("api-tokens/tokens", "name = 0123456789abcdef"), ("shared-cache/url", "redis://:password@cache")]
    {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let file = folder.path().join("nebulink.toml");
    fs::write(&file, toml.replace("/etc/nebulink", folder.path().to_str().unwrap())).unwrap();
    Settings::load(&SettingSources { config_file: Some(file), ..SettingSources::default() })
}

/// The settings of `config/default.toml` that may stand in the chart's `config`.
pub(crate) fn defaults() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml");
    let mut defaults: Value = Toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let sections = defaults.as_object_mut().unwrap();
    sections.remove("projects").unwrap();
    sections["shared_cache"].as_object_mut().unwrap().remove("url").unwrap();
    defaults
}

#[test]
fn every_installation_has_settings_that_the_program_takes() {
    let Some(helm) = Helm::find() else { return };
    let values = [json!({})].into_iter().chain(installations().into_iter().map(|path| yaml(&path)));
    for values in values {
        let objects = helm.render(&values).unwrap();
        let loaded = load(objects.settings()).unwrap();
        let wanted = values["projects"].as_array().map_or(1, Vec::len);
        assert_eq!(loaded.settings.projects.len(), wanted);
    }
}

#[test]
fn every_setting_reaches_the_program_as_it_is() {
    let Some(helm) = Helm::find() else { return };
    let mut config = defaults();
    // On loopback nothing could probe it.
    config["server"]["management_listen"] = json!("[::]:9090");
    let written: usize =
        config.as_object().unwrap().values().map(|section| section.as_object().unwrap().len()).sum();
    let loaded = load(helm.render(&json!({"config": config})).unwrap().settings()).unwrap();
    let plain = Settings::load(&SettingSources {
        environment: vec![("NEBULY_API_KEY".into(), "key".into())],
        ..SettingSources::default()
    });
    let plain = plain.unwrap().effective;
    let from_file = loaded.effective.iter().filter(|row| matches!(row.source, SettingSource::File(_)));
    let mut seen = 0;
    for row in from_file.filter(|row| !row.key.starts_with("projects")) {
        seen += 1;
        if row.key != "server.management_listen" {
            let default = plain.iter().find(|default| default.key == row.key).unwrap();
            assert_eq!(row.value, default.value, "{}", row.key);
        }
    }
    assert_eq!(seen, written);
}

#[test]
fn great_numbers_and_strange_texts_arrive_unchanged() {
    let Some(helm) = Helm::find() else { return };
    let prefix = r#"a"b\c<d>&'e:{{f}}$"#;
    let config = json!({
        "server": {"max_connections": 1_000_000, "trusted_proxies": ["10.0.0.0/24", "::1"]},
        "limits": {"cold_per_second": 1_000_000, "cold_burst": 123_456},
        "shared_cache": {"key_prefix": prefix},
        "nebuly": {"allowed_hosts": ["*.nebuly.example", "nebuly.example:8443"]},
        "preview": {"unfurl": false},
    });
    let objects = helm.render(&json!({"config": config})).unwrap();
    let settings = load(objects.settings()).unwrap().settings;
    assert_eq!(settings.server.max_connections, 1_000_000);
    assert_eq!(settings.server.trusted_proxies.len(), 2);
    assert_eq!((settings.limits.cold_per_second, settings.limits.cold_burst), (1_000_000, 123_456));
    assert_eq!(settings.shared_cache.key_prefix, prefix);
    assert!(!settings.preview.unfurl);
    assert!(objects.settings().contains("max_connections = 1000000\n"));
}

#[test]
fn durations_that_the_chart_lets_through_start_and_those_that_contradict_each_other_are_refused() {
    let Some(helm) = Helm::find() else { return };
    let keys =
        ["nebuly.connect_timeout", "nebuly.attempt_timeout", "nebuly.deadline", "server.request_timeout"];
    let config = |settings: &[(&str, &str)]| {
        let mut config = json!({"server": {}, "nebuly": {}});
        for (key, value) in settings {
            let (section, name) = key.split_once('.').unwrap();
            config[section][name] = json!(value);
        }
        helm.render(&json!({"config": config}))
    };
    for key in keys {
        for value in ["600ms", "1m 30s", "2days"] {
            let loaded = load(config(&[(key, value)]).unwrap().settings());
            assert!(loaded.is_ok(), "{key} = {value}: {loaded:?}");
        }
        assert!(config(&[(key, "0s")]).is_err(), "{key}");
    }
    for (position, inner) in keys.iter().enumerate() {
        for outer in &keys[position + 1..] {
            for (short, long) in [("600ms", "0.01min"), ("7s", "7000 ms"), ("1h 1us", "1h"), ("1M", "31d")] {
                let is_refused = match config(&[(inner, short), (outer, long)]) {
                    Ok(objects) => {
                        let loaded = load(objects.settings());
                        assert!(loaded.is_ok(), "{inner} = {short}, {outer} = {long}: {loaded:?}");
                        false
                    }
                    Err(refusal) => {
                        assert!(refusal.contains(inner) && refusal.contains(outer), "{refusal}");
                        true
                    }
                };
                let is_equal = short == "7s" || short == "600ms";
                let contradicts = short == "1h 1us" || (is_equal && *outer == "server.request_timeout");
                assert_eq!(is_refused, contradicts, "{inner} = {short}, {outer} = {long}");
            }
        }
    }
}

#[test]
fn a_project_without_a_key_starts_where_every_url_is_constructed() {
    let Some(helm) = Helm::find() else { return };
    let project = json!({"projectId": "p", "organizationId": "o"});
    let values = json!({"config": {"nebuly": {"resolve": "construct"}}, "projects": [project]});
    let projects = load(helm.render(&values).unwrap().settings()).unwrap().settings.projects;
    assert!(matches!(projects[0].key, ApiKeySetting::NotNeeded));
}

#[test]
fn project_and_organization_ids_are_passed_on() {
    let Some(helm) = Helm::find() else { return };
    let project = json!({"name": "one", "apiKey": "k", "projectId": "p", "organizationId": "o"});
    let objects = helm.render(&json!({"projects": [project]})).unwrap();
    let project = load(objects.settings()).unwrap().settings.projects.remove(0);
    assert_eq!((project.project_id.as_deref(), project.organization_id.as_deref()), (Some("p"), Some("o")));
}

#[test]
fn the_chart_keeps_the_programs_own_defaults_but_for_those_of_a_cluster() {
    let own = yaml(&chart().join("values.yaml"))["config"].clone();
    let defaults = defaults();
    let mut differing = BTreeSet::new();
    for (section, settings) in own.as_object().unwrap() {
        for (name, value) in settings.as_object().unwrap() {
            if defaults[section][name] != *value {
                differing.insert(format!("{section}.{name} = {value}"));
            }
        }
    }
    assert_eq!(
        differing,
        BTreeSet::from(
            [
                "log.access = \"cold\"",
                "log.format = \"json\"",
                "server.management_listen = \"[::]:9090\"",
                "server.workers = 2",
            ]
            .map(str::to_owned)
        )
    );
}
