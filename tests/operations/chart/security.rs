//! The security of pods and the rights of the chart's objects.

use serde_json::{Value, json};

use super::helm::{Helm, Objects, installations, items, yaml};

/// Volumes that the pod security standard `restricted` lets in.
const VOLUMES: [&str; 3] = ["configMap", "emptyDir", "secret"];

fn all_installations(helm: &Helm) -> Vec<Objects> {
    let defaults = [json!({})].into_iter();
    let values = defaults.chain(installations().into_iter().map(|path| yaml(&path)));
    values.map(|values| helm.render(&values).unwrap()).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["containers"]).chain(items(&pod["spec"]["initContainers"]))
}

#[test]
fn every_installation_pleases_the_linter() {
    let Some(helm) = Helm::find() else { return };
    for path in installations() {
        helm.lint(&path).unwrap();
    }
}

#[test]
fn every_pod_is_restricted() {
    let Some(helm) = Helm::find() else { return };
    for objects in all_installations(&helm) {
        assert!(objects.pods().len() > 1);
        for pod in objects.pods() {
            let spec = &pod["spec"];
            let context = &spec["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{pod}");
            assert!(context["runAsUser"].as_u64().unwrap() > 0, "{pod}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{pod}");
            for shared in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(spec[shared].is_null(), "{pod}");
            }
            for volume in items(&spec["volumes"]) {
                let known = |kind: &&String| *kind == "name" || VOLUMES.contains(&kind.as_str());
                assert!(volume.as_object().unwrap().keys().all(|kind| known(&kind)), "{volume}");
            }
            for container in containers(pod) {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{container}");
                assert!(items(&container["ports"]).all(|port| port["hostPort"].is_null()), "{container}");
            }
        }
    }
}

#[test]
fn no_pod_gets_a_token_or_the_variables_of_all_services() {
    let Some(helm) = Helm::find() else { return };
    for objects in all_installations(&helm) {
        for pod in objects.pods() {
            assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
            assert_eq!(pod["spec"]["enableServiceLinks"], false);
        }
        for account in objects.of_kind("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false);
        }
    }
}

#[test]
fn every_container_says_what_memory_it_may_take() {
    let Some(helm) = Helm::find() else { return };
    for objects in all_installations(&helm) {
        for container in objects.pods().into_iter().flat_map(containers) {
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{container}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
        }
    }
}

#[test]
fn no_mount_is_one_that_never_changes() {
    let Some(helm) = Helm::find() else { return };
    for objects in all_installations(&helm) {
        for container in objects.pods().into_iter().flat_map(containers) {
            for mount in items(&container["volumeMounts"]) {
                assert!(mount["subPath"].is_null() && mount["subPathExpr"].is_null(), "{mount}");
            }
        }
    }
}

#[test]
fn every_object_is_in_the_namespace_of_the_release_and_says_whose_it_is() {
    let Some(helm) = Helm::find() else { return };
    let values = installations().into_iter().find(|path| path.ends_with("everything-values.yaml")).unwrap();
    let objects = helm.render(&yaml(&values)).unwrap();
    for object in objects.all() {
        let metadata = &object["metadata"];
        assert_eq!(metadata["namespace"], "here", "{object}");
        assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "links", "{object}");
        assert_eq!(metadata["labels"]["example.com/cost-centre"], "4711", "{object}");
    }
}
