//! A key is replaced. The order is the one of every rotation: the new key is issued, the Secret is changed, and the old
//! key is revoked once every pod reports that it has read the new one. No order without that overlap can do: between the
//! change of a Secret and its arrival in the pods lies the kubelet's pace, and no program can know a key before.

use serde_json::json;

use crate::cluster::eventually;
use crate::scene::Scene;

/// The key that follows.
const NEXT_KEY: &str = "next-key-of-trials";

/// When a pod read the key that it uses.
const KEY_LOADED: &str = "nebulink_nebuly_key_loaded_timestamp_seconds";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn no_request_fails_while_a_key_is_replaced_and_the_old_one_revoked() {
    let scene = Scene::set("rotation").await;
    let release = scene.install(&[]);
    let pods = release.settled(2).await;
    let before = release.gauge(&pods, KEY_LOADED);
    let load = scene.load(&release).await;

    scene.nebuly.issue(NEXT_KEY);
    let patch = json!({"stringData": {"api-key": NEXT_KEY}}).to_string();
    scene.namespace.kubectl(&["patch", "secret", "nebuly", "--patch", &patch]);
    // The kubelet looks at a pod's Secrets once a minute, and at once when something about the pod changes.
    scene.namespace.kubectl(&["annotate", "pods", "--all", "example.com/secret-changed=now"]);
    eventually(|| {
        let now = release.gauge(&pods, KEY_LOADED);
        let all = now.iter().zip(&before).all(|(now, before)| now > before);
        (!all).then(|| format!("an old key in use: {now:?}, at first {before:?}"))
    })
    .await;
    scene.nebuly.revoke_all_but(NEXT_KEY);
    scene.nebuly.stand_in().forget_calls();
    load.goes_on().await;

    load.end_without_failure("a key replaced").await;
    assert_eq!(release.settled(2).await, pods, "pods were replaced");
    let calls = scene.nebuly.stand_in().calls();
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| call.key.as_deref() == Some(NEXT_KEY)));
    for pod in release.pods() {
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{pod}");
    }
}
