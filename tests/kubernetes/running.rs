//! The security of the pods as they run.

use serde_json::Value;

use crate::nebuly::KEY;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn pods_run_without_root_rights_tokens_or_keys_in_their_description() {
    let scene = Scene::set("running").await;
    let release = scene.install(&[]);
    release.settled(2).await;
    let link = scene.nebuly.known_link(0);
    let mut connection = crate::connection::Connection::kept(release.address());
    connection.get(&link.path, "").await.unwrap().redirects_to(&link.location).unwrap();

    for pod in release.pods() {
        let text = pod.to_string();
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{text}");
        assert_eq!(spec["enableServiceLinks"], false, "{text}");
        for volume in spec["volumes"].as_array().unwrap() {
            assert!(volume["projected"].is_null(), "a token is mounted: {volume}");
        }
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{text}");
        assert_eq!(spec["securityContext"]["runAsUser"], 65532, "{text}");
        let containers = spec["containers"].as_array().unwrap();
        for container in containers {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{context}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{context}");
            assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]), "{context}");
            let environment = container["env"].as_array().map_or(&[][..], Vec::as_slice);
            assert!(environment.iter().all(|variable| variable["valueFrom"].is_null()), "{environment:?}");
            assert!(container["envFrom"].is_null(), "{container}");
        }
        assert!(!text.contains(KEY), "{text}");
    }
    for question in [
        ["get", "deployments,replicasets,configmaps,events", "--output=json"].as_slice(),
        &["logs", "--selector=app.kubernetes.io/component=server", "--tail=-1"],
    ] {
        let answer = scene.namespace.kubectl(question);
        assert!(!answer.contains(KEY), "{answer}");
    }
    // Read, so that this shows something: the Secret has it.
    let secret: Value =
        serde_json::from_str(&scene.namespace.kubectl(&["get", "secret", "nebuly", "--output=json"]))
            .unwrap();
    assert!(secret["data"]["api-key"].is_string());
}
