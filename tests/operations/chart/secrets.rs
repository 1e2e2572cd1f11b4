//! Where secrets are, and where they are not.

use serde_json::{Value, json};

use super::helm::{FULL_NAME, Helm, Objects, items};

const CANARY: &str = "canary-0123456789";

/// The pod template without what only the cluster reads.
fn template(objects: &Objects) -> &Value {
    &objects.deployment()["spec"]["template"]
}

#[test]
fn a_key_from_the_values_is_in_its_secret_and_nowhere_else() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"projects": [{"apiKey": CANARY}, {"name": "b", "apiKey": format!("{CANARY}b")}]});
    let objects = helm.render(&values).unwrap();
    let (secrets, others): (Vec<_>, Vec<_>) =
        objects.all().iter().partition(|object| object["kind"] == "Secret");
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["data"]["default"], "Y2FuYXJ5LTAxMjM0NTY3ODk=");
    for other in others {
        assert!(!other.to_string().contains("canary"), "{other}");
        assert!(!other.to_string().contains("Y2FuYXJ5"), "{other}");
    }
}

#[test]
fn a_changed_key_restarts_no_pod_and_a_changed_setting_restarts_all() {
    let Some(helm) = Helm::find() else { return };
    let render = |key: &str, ttl: &str| {
        let values = json!({"projects": [{"apiKey": key}], "config": {"cache": {"ttl": ttl}}});
        helm.render(&values).unwrap()
    };
    let first = render(CANARY, "1h");
    assert_eq!(template(&first), template(&render("another", "1h")));
    assert_ne!(template(&first), template(&render(CANARY, "2h")));
}

#[test]
fn each_key_is_a_file_that_follows_its_secret() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"projects": [
        {"name": "One_1", "existingSecret": {"name": "first"}},
        {"name": "two", "existingSecret": {"name": "second", "key": "token"}},
        {"name": "three", "apiKeyFile": "/agent/three"},
    ]});
    let objects = helm.render(&values).unwrap();
    let spec = &template(&objects)["spec"];
    let volumes: Vec<_> = items(&spec["volumes"]).filter(|volume| !volume["secret"].is_null()).collect();
    let mounts = &spec["containers"][0]["volumeMounts"];
    assert_eq!(volumes.len(), 2);
    for (volume, (secret, key, folder)) in volumes.into_iter().zip([
        ("first", "api-key", "/etc/nebulink/keys/One_1"),
        ("second", "token", "/etc/nebulink/keys/two"),
    ]) {
        assert_eq!(volume["secret"]["secretName"], secret);
        assert_eq!(volume["secret"]["items"], json!([{"key": key, "path": "api-key"}]));
        let mount = items(mounts).find(|mount| mount["name"] == volume["name"]).unwrap();
        assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!(folder), &json!(true)));
        assert!(objects.settings().contains(&format!("api_key_file = \"{folder}/api-key\"\n")));
    }
    assert!(objects.settings().contains("api_key_file = \"/agent/three\"\n"));
}

#[test]
fn no_key_is_asked_for_where_nebuly_is_never_called() {
    let Some(helm) = Helm::find() else { return };
    let render = |project: Value| {
        helm.render(&json!({"config": {"nebuly": {"resolve": "construct"}}, "projects": [project]}))
    };
    for key in [json!({}), json!({"existingSecret": {"name": "x"}}), json!({"apiKey": CANARY})] {
        let mut project = json!({"projectId": "p", "organizationId": "o"});
        project.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
        let objects = render(project).unwrap();
        let volumes: Vec<_> = items(&template(&objects)["spec"]["volumes"]).collect();
        assert!(volumes.len() == 1 && volumes[0]["name"] == "config", "{volumes:?}");
        assert!(
            objects.of_kind("Secret").is_empty() && !objects.settings().contains("api_key"),
            "{objects:?}"
        );
    }
    let refusal = render(json!({"existingSecret": {"name": "x"}})).unwrap_err();
    assert!(refusal.contains("needs projectId and organizationId"), "{refusal}");
    let refusal = helm.render(&json!({"projects": [{"name": "one"}]})).unwrap_err();
    assert!(refusal.contains("one needs one of existingSecret, apiKey and apiKeyFile"), "{refusal}");
    let notes = helm.notes(&json!({
        "config": {"nebuly": {"resolve": "construct"}},
        "projects": [{"projectId": "p", "organizationId": "o"}],
    }));
    assert!(notes.contains("1. No key is needed") && !notes.contains("Secret"), "{notes}");
}

#[test]
fn a_proxy_with_a_password_comes_from_its_secret() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({"proxy": {"existingSecret": {"name": "proxy"}}})).unwrap();
    let environment = &template(&objects)["spec"]["containers"][0]["env"];
    let variable = items(environment).find(|variable| variable["name"] == "NEBULINK__NEBULY__PROXY").unwrap();
    assert_eq!(variable["valueFrom"], json!({"secretKeyRef": {"name": "proxy", "key": "url"}}));
    assert!(variable["value"].is_null());
}

#[test]
fn a_setting_that_a_value_stands_for_is_not_set_twice() {
    let Some(helm) = Helm::find() else { return };
    for (value, setting) in [
        (
            json!({"sharedCache": {"existingSecret": {"name": "x"}}, "config": {"shared_cache": {"url_file": "/x"}}}),
            "config.shared_cache.url_file",
        ),
        (json!({"valkey": {"enabled": true}, "config": {"shared_cache": {"url_file": "/x"}}}), "valkey"),
        (
            json!({"valkey": {"enabled": true}, "sharedCache": {"existingSecret": {"name": "x"}}}),
            "sharedCache.existingSecret",
        ),
        (
            json!({"apiTokens": {"existingSecret": {"name": "x"}}, "config": {"access": {"api_tokens_file": "/x"}}}),
            "config.access.api_tokens_file",
        ),
        (
            json!({"snapshot": {"enabled": true}, "config": {"cache": {"snapshot_file": "/x"}}}),
            "config.cache.snapshot_file",
        ),
        (
            json!({"proxy": {"existingSecret": {"name": "x"}}, "config": {"nebuly": {"proxy": "http://x:1"}}}),
            "config.nebuly.proxy",
        ),
    ] {
        let refusal = helm.render(&value).unwrap_err();
        assert!(refusal.contains(setting) && refusal.contains("keep one of the two"), "{refusal}");
    }
}

#[test]
fn two_projects_of_one_name_are_refused() {
    let Some(helm) = Helm::find() else { return };
    let refusal = helm.render(&json!({"projects": [{"apiKey": "a"}, {"apiKey": "b"}]})).unwrap_err();
    assert!(refusal.contains("two are called default"), "{refusal}");
}

#[test]
fn the_password_of_valkey_is_in_its_secret_and_in_no_argument() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"valkey": {"enabled": true, "password": CANARY}});
    let objects = helm.render(&values).unwrap();
    let name = format!("{FULL_NAME}-valkey");
    let secret = &objects.named("Secret", &name)["stringData"];
    assert_eq!(secret["url"], format!("redis://:{CANARY}@{name}:6379/0"));
    assert!(secret["valkey.conf"].as_str().unwrap().contains(&format!("requirepass {CANARY}\n")));
    for other in objects.all().iter().filter(|object| object["kind"] != "Secret") {
        assert!(!other.to_string().contains("canary"), "{other}");
    }
    assert!(objects.settings().contains("url_file = \"/etc/nebulink/shared-cache/url\""));
}

#[test]
fn another_password_restarts_valkey_and_our_pods_and_more_memory_valkey_alone() {
    let Some(helm) = Helm::find() else { return };
    let templates = |valkey: Value| {
        let objects = helm.render(&json!({"valkey": valkey})).unwrap();
        let of_valkey = objects.named("Deployment", &format!("{FULL_NAME}-valkey"));
        [template(&objects).clone(), of_valkey["spec"]["template"].clone()]
    };
    let [ours, of_valkey] = templates(json!({"enabled": true, "password": CANARY}));
    let [same, larger] = templates(json!({"enabled": true, "password": CANARY, "maxMemory": "64mb"}));
    assert!(ours == same && of_valkey != larger);
    let changed = templates(json!({"enabled": true, "password": format!("{CANARY}-2")}));
    assert!(ours != changed[0] && of_valkey != changed[1]);
    // One that the chart makes is another for each of these, but would be kept by a cluster.
    assert_eq!(templates(json!({"enabled": true})), templates(json!({"enabled": true})));
}

#[test]
fn without_a_password_valkey_gets_one_that_nobody_guesses() {
    let Some(helm) = Helm::find() else { return };
    let password = || {
        let objects = helm.render(&json!({"valkey": {"enabled": true}})).unwrap();
        let secret = objects.named("Secret", &format!("{FULL_NAME}-valkey"));
        secret["stringData"]["password"].as_str().unwrap().to_owned()
    };
    assert!(password().len() >= 32);
    assert_ne!(password(), password());
}
