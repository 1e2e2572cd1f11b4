//! A node is emptied for maintenance.

use crate::cluster::{eventually, kubectl, run};
use crate::release::{PODS, is_going, is_ready, states};
use crate::scene::Scene;

/// A node that takes no new pods, until the value goes.
struct Cordoned(String);

impl Drop for Cordoned {
    fn drop(&mut self) {
        kubectl(&["uncordon", &self.0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn a_drain_takes_one_pod_at_a_time_and_fails_no_request() {
    let scene = Scene::set("drain").await;
    let nodes = kubectl(&["get", "nodes", "--output=name"]);
    let [node] = nodes.lines().collect::<Vec<_>>()[..] else { panic!("one node is expected: {nodes}") };
    let release = scene.install(&[]);
    release.settled(2).await;
    let load = scene.load(&release).await;

    let node = Cordoned(node.to_owned());
    let selector = format!("--pod-selector={PODS}");
    let drain = ["drain", &node.0, &selector, "--delete-emptydir-data", "--timeout=15s"];
    // Nothing else takes pods, so the place of the first stays empty, and the second has to stay.
    let refusal = run("kubectl", &drain).unwrap_err();
    assert!(refusal.contains("would violate the pod's disruption budget"), "{refusal}");
    eventually(|| {
        let pods = release.pods();
        let waiting = pods.iter().filter(|pod| pod["status"]["phase"] == "Pending").count();
        let serving = pods.iter().filter(|pod| is_ready(pod) && !is_going(pod)).count();
        ((pods.len(), serving, waiting) != (2, 1, 1))
            .then(|| format!("not one pod that serves and one that waits: {:?}", states(&pods)))
    })
    .await;
    load.goes_on().await;
    drop(node);
    release.settled(2).await;
    load.end_without_failure("a node drained").await;
}
