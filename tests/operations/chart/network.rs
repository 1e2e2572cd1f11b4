//! Who reaches whom, and how people get in.

use serde_json::{Value, json};

use super::helm::{FULL_NAME, Helm, NAMESPACE, Objects, chart, items};

/// Returns true if a selector of labels takes a pod.
fn selects(selector: &Value, pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    selector.as_object().unwrap().iter().all(|(name, value)| labels[name] == *value)
}

fn pod<'a>(objects: &'a Objects, component: &str) -> &'a Value {
    let mut pods = objects.pods().into_iter();
    pods.find(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == component).unwrap()
}

fn policy<'a>(objects: &'a Objects, name: &str) -> &'a Value {
    &objects.named("NetworkPolicy", name)["spec"]
}

/// The rules of a policy that speak of a port.
fn rules_for<'a>(rules: &'a Value, port: &Value) -> Vec<&'a Value> {
    items(rules).filter(|rule| items(&rule["ports"]).any(|open| open["port"] == *port)).collect()
}

#[test]
fn the_service_leads_to_the_program_and_not_to_the_test_or_valkey() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.render(&json!({"valkey": {"enabled": true}})).unwrap();
    let deployment = &objects.deployment()["spec"];
    for selector in [
        &objects.named("Service", FULL_NAME)["spec"]["selector"],
        &deployment["selector"]["matchLabels"],
        &objects.named("PodDisruptionBudget", FULL_NAME)["spec"]["selector"]["matchLabels"],
    ] {
        assert!(selects(selector, &deployment["template"]));
        assert!(!selects(selector, pod(&objects, "test")) && !selects(selector, pod(&objects, "valkey")));
    }
}

#[test]
fn the_service_has_two_ports_and_a_load_balancer_does_not_publish_the_metrics() {
    let Some(helm) = Helm::find() else { return };
    let ports = |objects: &Objects, name: &str| -> Vec<String> {
        let ports = &objects.named("Service", name)["spec"]["ports"];
        items(ports).map(|port| port["name"].as_str().unwrap().to_owned()).collect()
    };
    let objects = helm.render(&json!({})).unwrap();
    assert_eq!(ports(&objects, FULL_NAME), ["http", "metrics"]);
    for kind in ["LoadBalancer", "NodePort"] {
        let objects = helm.render(&json!({"service": {"type": kind}})).unwrap();
        assert_eq!(ports(&objects, FULL_NAME), ["http"]);
        let metrics = format!("{FULL_NAME}-metrics");
        assert_eq!(ports(&objects, &metrics), ["metrics"]);
        assert_eq!(objects.named("Service", &metrics)["spec"]["type"], "ClusterIP");
    }
}

#[test]
fn the_network_policy_admits_everybody_to_the_public_port_and_nobody_to_the_metrics() {
    let Some(helm) = Helm::find() else { return };
    assert!(helm.render(&json!({})).unwrap().of_kind("NetworkPolicy").is_empty());
    let objects = helm.render(&json!({"networkPolicy": {"enabled": true}})).unwrap();
    let policy = policy(&objects, FULL_NAME);
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(selects(&policy["podSelector"]["matchLabels"], pod(&objects, "server")));
    let public = rules_for(&policy["ingress"], &json!("http"));
    assert!(public.len() == 1 && public[0]["from"].is_null(), "{public:?}");
    assert!(rules_for(&policy["ingress"], &json!("metrics")).is_empty());
}

#[test]
fn the_network_policy_admits_who_is_named_and_the_test() {
    let Some(helm) = Helm::find() else { return };
    let proxy = json!({"podSelector": {"matchLabels": {"app": "proxy"}}});
    let prometheus = json!({"namespaceSelector": {"matchLabels": {"name": "monitoring"}}});
    let values = json!({"networkPolicy": {"enabled": true, "from": [proxy], "metricsFrom": [prometheus]}});
    let objects = helm.render(&values).unwrap();
    let policy = policy(&objects, FULL_NAME);
    let from = &rules_for(&policy["ingress"], &json!("http"))[0]["from"];
    assert_eq!((from.as_array().unwrap().len(), &from[0]), (2, &proxy));
    assert!(selects(&from[1]["podSelector"]["matchLabels"], pod(&objects, "test")));
    assert!(!selects(&from[1]["podSelector"]["matchLabels"], pod(&objects, "server")));
    assert_eq!(rules_for(&policy["ingress"], &json!("metrics"))[0]["from"], json!([prometheus]));
}

#[test]
fn the_network_policy_lets_out_names_nebuly_and_what_is_given() {
    let Some(helm) = Helm::find() else { return };
    let range = json!({"ipBlock": {"cidr": "192.0.2.0/24"}});
    let egress = json!({"proxy": {"ports": [3128], "to": [range]}, "telemetry": {"ports": [4318]}});
    let values = json!({"networkPolicy": {"enabled": true, "egress": egress}});
    let objects = helm.render(&values).unwrap();
    let rules = &policy(&objects, FULL_NAME)["egress"];
    let names = rules_for(rules, &json!(53));
    assert!(names.len() == 1 && names[0]["to"].is_null());
    let protocols: Vec<_> = items(&names[0]["ports"]).map(|port| port["protocol"].as_str()).collect();
    assert_eq!(protocols, [Some("UDP"), Some("TCP")]);
    assert!(rules_for(rules, &json!(443))[0]["to"].is_null());
    assert_eq!(rules_for(rules, &json!(3128))[0]["to"], json!([range]));
    assert_eq!(rules_for(rules, &json!(4318)).len(), 1);
    assert_eq!(items(rules).count(), 4);
}

#[test]
fn valkey_admits_our_pods_alone() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"valkey": {"enabled": true}, "networkPolicy": {"enabled": true}});
    let objects = helm.render(&values).unwrap();
    let of_valkey = policy(&objects, &format!("{FULL_NAME}-valkey"));
    assert!(selects(&of_valkey["podSelector"]["matchLabels"], pod(&objects, "valkey")));
    let from = &of_valkey["ingress"][0]["from"];
    assert_eq!((items(from).count(), items(&of_valkey["ingress"]).count()), (1, 1));
    assert!(selects(&from[0]["podSelector"]["matchLabels"], pod(&objects, "server")));
    assert!(!selects(&from[0]["podSelector"]["matchLabels"], pod(&objects, "test")));
    assert_eq!(of_valkey["egress"], json!([]));
    let ours = rules_for(&policy(&objects, FULL_NAME)["egress"], &json!("valkey"));
    assert!(selects(&ours[0]["to"][0]["podSelector"]["matchLabels"], pod(&objects, "valkey")));
    let without = helm.render(&json!({"valkey": {"enabled": true}})).unwrap();
    assert_eq!(without.of_kind("NetworkPolicy").len(), 1);
}

#[test]
fn an_identity_header_needs_a_wall_around_the_pods() {
    let Some(helm) = Helm::find() else { return };
    let values = |proxies: Value, policy: Value| {
        let access = json!({"identity_header": "x-auth-request-email"});
        json!({"config": {"access": access, "server": {"trusted_proxies": proxies}}, "networkPolicy": policy})
    };
    let proxies = json!(["10.0.0.0/24"]);
    let from = json!([{"podSelector": {}}]);
    for wrong in [
        values(proxies.clone(), json!({})),
        values(proxies.clone(), json!({"enabled": true})),
        values(proxies.clone(), json!({"from": from})),
    ] {
        let refusal = helm.render(&wrong).unwrap_err();
        assert!(
            refusal.contains("networkPolicy.from") && refusal.contains("claim to be anybody"),
            "{refusal}"
        );
    }
    let open = json!({"enabled": true, "from": from});
    let refusal = helm.render(&values(json!([]), open.clone())).unwrap_err();
    assert!(refusal.contains("config.server.trusted_proxies"), "{refusal}");
    assert!(helm.render(&values(proxies, open)).is_ok());
}

#[test]
fn an_identity_header_needs_a_wall_without_a_hole() {
    let Some(helm) = Helm::find() else { return };
    let render = |proxy: &str, further: Value| {
        let policy = json!({"enabled": true, "from": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]});
        let mut values = json!({
            "config": {"access": {"identity_header": "x-user"}, "server": {"trusted_proxies": [proxy]}},
            "networkPolicy": policy,
        });
        for (name, value) in further.as_object().unwrap() {
            values["networkPolicy"][name] = value.clone();
        }
        helm.render(&values)
    };
    let everybody = [
        json!({}),
        json!({"namespaceSelector": {}}),
        json!({"namespaceSelector": {"matchLabels": {}}, "podSelector": {}}),
        json!({"ipBlock": {"cidr": "0.0.0.0/0"}}),
        json!({"ipBlock": {"cidr": "::/0"}}),
    ];
    let mut refusals: Vec<_> =
        ["0.0.0.0/0", "::/0"].map(|range| render(range, json!({})).unwrap_err()).into_iter().collect();
    refusals.push(render("10.0.0.1", json!({"extraIngress": [{"ports": [{"port": 8080}]}]})).unwrap_err());
    for peer in everybody {
        for hole in [json!({"from": [peer]}), json!({"extraIngress": [{"from": [peer]}]})] {
            refusals.push(render("10.0.0.1", hole).unwrap_err());
        }
    }
    for refusal in refusals {
        assert!(refusal.contains("everybody could claim to be anybody"), "{refusal}");
    }
    for peer in [
        json!({"namespaceSelector": {"matchLabels": {"name": "proxy"}}}),
        json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "proxy"}}}),
        json!({"ipBlock": {"cidr": "10.0.0.0/8"}}),
    ] {
        assert!(render("10.0.0.1", json!({"from": [peer]})).is_ok(), "{peer}");
    }
}

#[test]
fn a_service_has_no_setting_that_its_type_does_not_know() {
    let Some(helm) = Helm::find() else { return };
    for (kind, name, value) in [
        ("ClusterIP", "nodePort", json!(30080)),
        ("ClusterIP", "externalTrafficPolicy", json!("Local")),
        ("NodePort", "loadBalancerClass", json!("example.com/own")),
        ("NodePort", "loadBalancerSourceRanges", json!(["10.0.0.0/8"])),
    ] {
        let render = |kind: &str| helm.render(&json!({"service": {"type": kind, name: value}}));
        let refusal = render(kind).unwrap_err();
        assert!(
            refusal.contains(&format!("service.{name} has no meaning for service.type {kind}")),
            "{refusal}"
        );
        assert!(render("LoadBalancer").is_ok(), "{name}");
    }
}

#[test]
fn routes_lead_to_the_public_port_under_the_sub_path() {
    let Some(helm) = Helm::find() else { return };
    for (base_path, path) in [("", "/"), ("/nebuly/links/", "/nebuly/links")] {
        let values = json!({
            "config": {"server": {"base_path": base_path}},
            "ingress": {"enabled": true, "hosts": [{"host": "go.example"}]},
            "httpRoute": {"enabled": true, "parentRefs": [{"name": "gateway"}]},
            "service": {"port": 8081},
        });
        let objects = helm.render(&values).unwrap();
        let ingress = &objects.named("Ingress", FULL_NAME)["spec"]["rules"][0];
        assert_eq!(ingress["host"], "go.example");
        let of_ingress = &ingress["http"]["paths"][0];
        assert_eq!((&of_ingress["path"], &of_ingress["pathType"]), (&json!(path), &json!("Prefix")));
        assert_eq!(of_ingress["backend"]["service"], json!({"name": FULL_NAME, "port": {"name": "http"}}));
        let rule = &objects.named("HTTPRoute", FULL_NAME)["spec"]["rules"][0];
        assert_eq!(rule["matches"], json!([{"path": {"type": "PathPrefix", "value": path}}]));
        assert_eq!(rule["backendRefs"], json!([{"name": FULL_NAME, "port": 8081}]));
    }
}

#[test]
fn names_stay_short_enough_for_services() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"valkey": {"enabled": true}, "service": {"type": "NodePort"}});
    let release = "a-release-whose-name-is-as-long-as-helm-lets-it-be-0x";
    assert_eq!(release.len(), 53);
    let objects = helm.render_release([NAMESPACE, release], &chart(), &values).unwrap();
    for object in objects.all() {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63 && !name.contains("--"), "{name}");
    }
}
