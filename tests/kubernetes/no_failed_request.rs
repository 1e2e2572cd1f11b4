//! Events of every installation, under load. Failed is all but a redirect to the right place: see `connection`
//! for what is not even tried again.

use crate::cluster::eventually;
use crate::release::name_of;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn no_request_fails_while_a_rollout_replaces_every_pod() {
    let scene = Scene::set("rollout").await;
    let release = scene.install(&[]);
    let before = release.settled(2).await;
    let load = scene.load(&release).await;
    scene.namespace.kubectl(&["rollout", "restart", "deployment"]);
    scene.namespace.kubectl(&["rollout", "status", "deployment", "--timeout=2m"]);
    let after = release.settled(2).await;
    load.end_without_failure("rollout restart").await;
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn no_request_fails_while_an_upgrade_changes_a_setting() {
    let scene = Scene::set("upgrade").await;
    let release = scene.install(&[]);
    let before = release.settled(2).await;
    let load = scene.load(&release).await;
    release.upgrade(&["--set=config.cache.ttl=1h"]).unwrap();
    let after = release.settled(2).await;
    load.end_without_failure("helm upgrade").await;
    assert!(before.is_disjoint(&after), "the setting has not reached the pods: {before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn no_request_fails_while_pods_are_added_and_taken_away() {
    let scene = Scene::set("scale").await;
    let release = scene.install(&[]);
    for (from, to) in [(2, 4), (4, 2)] {
        release.settled(from).await;
        // Its connections are to all pods, those included that are to go.
        let load = scene.load(&release).await;
        let server = "--selector=app.kubernetes.io/component=server";
        scene.namespace.kubectl(&["scale", "deployment", server, &format!("--replicas={to}")]);
        release.settled(to).await;
        load.end_without_failure(&format!("scale from {from} to {to}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn no_request_fails_while_a_pod_is_deleted() {
    let scene = Scene::set("deletion").await;
    let release = scene.install(&[]);
    let before = release.settled(2).await;
    let load = scene.load(&release).await;
    let deleted = before.first().unwrap();
    scene.namespace.kubectl(&["delete", "pod", deleted, "--wait=false"]);
    eventually(|| {
        let gone = !release.pods().iter().any(|pod| name_of(pod) == *deleted);
        (!gone).then(|| format!("there: {deleted}"))
    })
    .await;
    release.settled(2).await;
    load.end_without_failure("a pod deleted").await;
}

/// How many rollouts are tried until one loses a request.
const ROLLOUTS: usize = 5;

/// The counterpart: the load does notice.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn requests_fail_where_pods_end_at_once() {
    let scene = Scene::set("without-drain").await;
    let release = scene.install(&["--set=config.server.drain_delay=0s"]);
    let load = scene.load(&release).await;
    for _ in 0..ROLLOUTS {
        scene.namespace.kubectl(&["rollout", "restart", "deployment"]);
        scene.namespace.kubectl(&["rollout", "status", "deployment", "--timeout=2m"]);
        release.settled(2).await;
        if load.failed() > 0 {
            break;
        }
    }
    let failed = load.end("rollout restarts without a drain").await;
    assert!(failed > 0, "the load would not notice a lost request");
}
