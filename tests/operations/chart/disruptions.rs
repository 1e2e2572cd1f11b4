//! Disruptions: no request fails while pods come and go.

use serde_json::{Value, json};

use super::helm::{FULL_NAME, Helm, installations, items, yaml};

#[test]
fn the_grace_period_has_room_for_the_drain_and_the_programs_end() {
    let Some(helm) = Helm::find() else { return };
    for (delay, timeout, drain) in [
        ("5s", "20s", 25),
        ("0s", "0s", 0),
        ("0", "1s", 1),
        ("500ms", "20s", 21),
        ("1m 30s", "20s", 110),
        ("1m30s", "2min", 210),
        ("1.5s", "1 hour", 3602),
        ("12 s", "90sec", 102),
    ] {
        let values = json!({"config": {"server": {"drain_delay": delay, "drain_timeout": timeout}}});
        let objects = helm.render(&values).unwrap();
        let grace =
            objects.deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
        // What docs/operations.md says of the steps after the drain, and one second more.
        assert_eq!(grace, Some(drain + 13), "{delay} {timeout}");
    }
}

#[test]
fn a_grace_period_that_ends_before_the_drain_is_refused() {
    let Some(helm) = Helm::find() else { return };
    let refusal = helm.render(&json!({"terminationGracePeriodSeconds": 25})).unwrap_err();
    assert!(refusal.contains("must be more than the 25 seconds"), "{refusal}");
    let objects = helm.render(&json!({"terminationGracePeriodSeconds": 26})).unwrap();
    assert_eq!(objects.deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 26);
    let endless = helm.render(&json!({"config": {"server": {"drain_delay": "3d"}}})).unwrap_err();
    assert!(endless.contains("a drain of 3d"), "{endless}");
}

#[test]
fn a_rollout_never_has_one_pod_less() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({})).unwrap();
    let spec = &objects.deployment()["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&json!(2), &json!("RollingUpdate")));
    assert_eq!(spec["strategy"]["rollingUpdate"], json!({"maxUnavailable": 0, "maxSurge": 1}));
    let objects = helm.render(&json!({"updateStrategy": {"type": "Recreate"}})).unwrap();
    assert_eq!(objects.deployment()["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn the_autoscaler_alone_decides_on_the_number_of_pods() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({"autoscaling": {"enabled": true}, "replicaCount": 5})).unwrap();
    assert!(objects.deployment()["spec"]["replicas"].is_null());
    let autoscaler = &objects.named("HorizontalPodAutoscaler", FULL_NAME)["spec"];
    assert_eq!(autoscaler["scaleTargetRef"]["name"], FULL_NAME);
    assert_eq!(autoscaler["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
    for wrong in [
        json!({"autoscaling": {"enabled": true, "minReplicas": 11}}),
        json!({"autoscaling": {"enabled": true}, "resources": {"requests": {"cpu": null}}}),
        json!({"autoscaling": {"enabled": true, "targetCPUUtilizationPercentage": 0}}),
    ] {
        assert!(helm.render(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_budget_lets_every_drain_through_and_takes_few_pods_at_once() {
    let Some(helm) = Helm::find() else { return };
    for values in [json!({}), json!({"replicaCount": 1}), json!({"autoscaling": {"enabled": true}})] {
        let objects = helm.render(&values).unwrap();
        let budget = &objects.named("PodDisruptionBudget", FULL_NAME)["spec"];
        assert_eq!((&budget["maxUnavailable"], &budget["minAvailable"]), (&json!(1), &Value::Null));
        assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
        assert_eq!(budget["selector"], objects.deployment()["spec"]["selector"]);
    }
    for blocking in [json!(0), json!("0%")] {
        assert!(helm.render(&json!({"podDisruptionBudget": {"maxUnavailable": blocking}})).is_err());
    }
}

#[test]
fn probes_ask_the_management_listener_wherever_it_is() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"config": {"server": {"listen": "0.0.0.0:8000", "management_listen": "[::]:9999"}}});
    let objects = helm.render(&values).unwrap();
    let container = &objects.deployment()["spec"]["template"]["spec"]["containers"][0];
    for (probe, path) in
        [("startupProbe", "/livez"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "metrics"}));
    }
    let ports: Vec<_> = items(&container["ports"])
        .map(|port| (port["name"].as_str(), port["containerPort"].as_u64()))
        .collect();
    assert_eq!(ports, [(Some("http"), Some(8000)), (Some("metrics"), Some(9999))]);
}

#[test]
fn an_address_that_nothing_outside_the_pod_reaches_is_refused() {
    let Some(helm) = Helm::find() else { return };
    for (name, address) in [
        ("listen", "127.0.0.1:8080"),
        ("management_listen", "[::1]:9090"),
        ("listen", "[::]:0"),
        ("listen", "[::]:9090"),
    ] {
        assert!(helm.render(&json!({"config": {"server": {name: address}}})).is_err(), "{name} {address}");
    }
}

#[test]
fn pods_are_spread_over_nodes_and_old_ones_do_not_count() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({})).unwrap();
    let spec = &objects.deployment()["spec"];
    let spread = &spec["template"]["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway");
    assert_eq!(spread["labelSelector"], spec["selector"]);
    assert_eq!(spread["matchLabelKeys"], json!(["pod-template-hash"]));
}

#[test]
fn a_cache_that_does_not_fit_into_the_memory_is_refused() {
    let Some(helm) = Helm::find() else { return };
    let render = |size: &str, limit: Value| {
        let resources = json!({"limits": {"memory": limit}});
        helm.render(&json!({"config": {"cache": {"max_size": size}}, "resources": resources}))
    };
    for (size, limit) in [("256MiB", "256Mi"), ("1gb", "512Mi"), ("2GiB", "2G")] {
        assert!(render(size, json!(limit)).unwrap_err().contains("does not fit"), "{size} {limit}");
    }
    assert!(render("256MiB", json!("640Mi")).is_ok());
    assert!(render("8GiB", Value::Null).is_ok());
}

#[test]
fn a_snapshot_has_a_volume_that_can_be_written() {
    let Some(helm) = Helm::find() else { return };
    let volume = |values: &Value| {
        let objects = helm.render(values).unwrap();
        assert!(objects.settings().contains("snapshot_file = \"/var/lib/nebulink/links.jsonl\""));
        let spec = objects.deployment()["spec"]["template"]["spec"].clone();
        let mounts = &spec["containers"][0]["volumeMounts"];
        let mount = items(mounts).find(|mount| mount["mountPath"] == "/var/lib/nebulink").unwrap();
        assert!(mount["readOnly"].is_null());
        items(&spec["volumes"]).find(|volume| volume["name"] == mount["name"]).unwrap().clone()
    };
    assert_eq!(volume(&json!({"snapshot": {"enabled": true}}))["emptyDir"], json!({}));
    let claim = json!({"persistentVolumeClaim": {"claimName": "links"}});
    let own = volume(&with_one_pod(&claim));
    assert_eq!(own["persistentVolumeClaim"]["claimName"], "links");
    assert!(own["emptyDir"].is_null());
}

/// A volume that stays, and one pod for it.
fn with_one_pod(volume: &Value) -> Value {
    json!({
        "snapshot": {"enabled": true, "volume": volume},
        "replicaCount": 1,
        "updateStrategy": {"type": "Recreate"},
    })
}

#[test]
fn a_snapshot_on_a_volume_that_stays_is_for_one_pod() {
    let Some(helm) = Helm::find() else { return };
    let good = with_one_pod(&json!({"persistentVolumeClaim": {"claimName": "links"}}));
    for (name, value) in [
        ("replicaCount", json!(2)),
        ("autoscaling", json!({"enabled": true})),
        ("updateStrategy", json!({"type": "RollingUpdate"})),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        let refusal = helm.render(&wrong).unwrap_err();
        assert!(refusal.contains("for one pod alone") && refusal.contains(name), "{refusal}");
    }
}

#[test]
fn a_rollout_that_could_replace_no_pod_is_refused() {
    let Some(helm) = Helm::find() else { return };
    for none in [json!(0), json!("0%")] {
        let refusal =
            helm.render(&json!({"updateStrategy": {"rollingUpdate": {"maxSurge": none}}})).unwrap_err();
        assert!(refusal.contains("no pod could ever be replaced"), "{refusal}");
    }
    let one_less = json!({"updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}});
    assert!(helm.render(&one_less).is_ok());
}

#[test]
fn every_installation_is_one_that_a_trial_can_start() {
    let Some(helm) = Helm::find() else { return };
    for path in installations() {
        let objects = helm.render(&yaml(&path)).unwrap();
        let secrets = objects.of_kind("Secret");
        for volume in items(&objects.deployment()["spec"]["template"]["spec"]["volumes"]) {
            let name = &volume["secret"]["secretName"];
            let is_there = secrets.iter().any(|secret| secret["metadata"]["name"] == *name);
            assert!(name.is_null() || is_there, "{}: Secret {name}", path.display());
        }
    }
}
