//! The pod of `helm test`.

use serde_json::{Value, json};

use super::helm::{FULL_NAME, Helm};

/// The pod as these values have it.
fn pod(helm: &Helm, values: &Value) -> Value {
    helm.render(values).unwrap().named("Pod", &format!("{FULL_NAME}-test")).clone()
}

#[test]
fn the_test_resolves_an_id_through_the_service_or_without_one_tries_the_keys() {
    let Some(helm) = Helm::find() else { return };
    let arguments = |values: &Value| {
        let pod = pod(&helm, values);
        assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
        pod["spec"]["containers"][0]["args"].clone()
    };
    let values =
        json!({"test": {"id": "-id", "kind": "conversation"}, "config": {"server": {"base_path": "/x"}}});
    assert_eq!(
        arguments(&values),
        json!(["resolve", "--server", format!("http://{FULL_NAME}:80/x"), "conversation", "--", "-id"])
    );
    assert_eq!(arguments(&json!({})), json!(["check"]));
    // It has neither an identity nor a token.
    let proxies = json!({"trusted_proxies": ["192.0.2.1"]});
    for (name, value) in [("identity_header", "x-user"), ("api_tokens_file", "/tokens")] {
        let config = json!({"access": {name: value}, "server": proxies});
        let policy = json!({"enabled": true, "from": [{"podSelector": {}}]});
        let values = json!({"test": {"id": "id"}, "config": config, "networkPolicy": policy});
        assert_eq!(arguments(&values), json!(["check"]), "{name}");
    }
}

#[test]
fn the_test_runs_where_the_pods_may_run() {
    let Some(helm) = Helm::find() else { return };
    let node = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": []}]}});
    let mut values = json!({
        "nodeSelector": {"pool": "links"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
        "runtimeClassName": "own",
        "schedulerName": "own",
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["192.0.2.1"]},
        "hostAliases": [{"ip": "192.0.2.2", "hostnames": ["nebuly.example"]}],
    });
    let names: Vec<_> = values.as_object().unwrap().keys().cloned().collect();
    let anti = json!({"preferredDuringSchedulingIgnoredDuringExecution": []});
    values["affinity"] = json!({"nodeAffinity": node, "podAntiAffinity": anti});
    let objects = helm.render(&values).unwrap();
    let pods = [
        &objects.named("Pod", &format!("{FULL_NAME}-test"))["spec"],
        &objects.deployment()["spec"]["template"]["spec"],
    ];
    for pod in pods {
        for name in &names {
            assert_eq!(pod[name], values[name], "{name}");
        }
    }
    // A rule that keeps pods apart would keep it from the nodes of all.
    assert_eq!(pods[0]["affinity"], json!({"nodeAffinity": node}));
    assert_eq!(pods[1]["affinity"], values["affinity"]);
}

#[test]
fn the_test_of_key_files_gets_what_puts_them_into_pods() {
    let Some(helm) = Helm::find() else { return };
    let agent = |project: Value, id: &str| {
        json!({
            "projects": [project],
            "podAnnotations": {"agent.example/inject": "yes"},
            "initContainers": [{"name": "agent"}],
            "test": {"id": id},
        })
    };
    let from_file = json!({"apiKeyFile": "/agent/key"});
    let with = pod(&helm, &agent(from_file.clone(), ""));
    let annotations = &with["metadata"]["annotations"];
    assert_eq!(
        (&annotations["agent.example/inject"], &annotations["helm.sh/hook"]),
        (&json!("yes"), &json!("test"))
    );
    assert_eq!(with["spec"]["initContainers"], json!([{"name": "agent"}]));
    for values in [agent(from_file, "id"), agent(json!({"existingSecret": {"name": "x"}}), "")] {
        let without = pod(&helm, &values);
        assert!(without["metadata"]["annotations"]["agent.example/inject"].is_null());
        assert!(without["spec"]["initContainers"].is_null());
    }
}

/// `check` fails where the folder of the snapshot is missing.
#[test]
fn the_test_of_a_snapshot_has_a_folder_of_its_own_for_it() {
    let Some(helm) = Helm::find() else { return };
    let claim = json!({"persistentVolumeClaim": {"claimName": "links"}});
    let pod = pod(
        &helm,
        &json!({
            "snapshot": {"enabled": true, "volume": claim},
            "replicaCount": 1,
            "autoscaling": {"enabled": false},
            "updateStrategy": {"type": "Recreate", "rollingUpdate": null},
        }),
    );
    let named =
        |list: &Value| list.as_array().unwrap().iter().find(|item| item["name"] == "snapshot").cloned();
    assert_eq!(named(&pod["spec"]["volumes"]), Some(json!({"name": "snapshot", "emptyDir": {}})));
    let mount = named(&pod["spec"]["containers"][0]["volumeMounts"]);
    assert_eq!(mount, Some(json!({"name": "snapshot", "mountPath": "/var/lib/nebulink"})));
}
