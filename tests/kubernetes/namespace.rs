//! A namespace of one test's own.

use std::collections::BTreeSet;

use crate::cluster::{kubectl, run};

/// Kinds of objects that come and go by themselves.
const PASSING: [&str; 2] = ["events", "events.events.k8s.io"];

/// A namespace that admits only pods of the restricted level. It goes with its value, and all that is in it.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates it, and waits until it holds what every namespace holds.
    pub(crate) async fn create(name: &str) -> Self {
        let namespace = Self { name: format!("nebulink-{name}") };
        kubectl(&["create", "namespace", &namespace.name]);
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        kubectl(&["label", "namespace", &namespace.name, restricted]);
        crate::cluster::eventually(|| {
            let objects = namespace.objects();
            let both = ["serviceaccount/default", "configmap/kube-root-ca.crt"];
            (!both.iter().all(|name| objects.contains(*name))).then(|| format!("only {objects:?}"))
        })
        .await;
        namespace
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in it, which must succeed.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Every object in it, of whatever kind the cluster has.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let kinds = kubectl(&["api-resources", "--namespaced", "--verbs=list", "--output=name"]);
        let kinds: Vec<_> = kinds.lines().filter(|kind| !PASSING.contains(kind)).collect();
        self.kubectl(&["get", &kinds.join(","), "--output=name"]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for question in [
                ["get", "pods", "--output=wide"].as_slice(),
                &["logs", "--selector=app.kubernetes.io/name=nebulink", "--prefix", "--tail=20"],
                &["get", "events", "--sort-by=.lastTimestamp"],
            ] {
                let answer = run("kubectl", &[&["--namespace", &self.name], question].concat());
                println!("{}", answer.unwrap_or_else(|error| error));
            }
        }
        drop(run("kubectl", &["delete", "namespace", &self.name, "--wait=false"]));
    }
}
