//! An upgrade that cannot work.

use crate::scene::Scene;

/// A setting that only the program can see through: it is of the right form.
const WRONG: &str = "--set=config.nebuly.allow_http=false";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn a_wrong_setting_fails_the_upgrade_while_the_old_pods_serve_until_it_is_rolled_back() {
    let scene = Scene::set("wrong-setting").await;
    let release = scene.install(&[]);
    let before = release.settled(2).await;
    let load = scene.load(&release).await;

    let refusal = release.upgrade(&[WRONG, "--timeout=20s"]).unwrap_err();
    assert!(refusal.contains("context deadline exceeded"), "{refusal}");
    let logs =
        scene.namespace.kubectl(&["logs", "--selector=app.kubernetes.io/component=server", "--tail=5"]);
    assert!(logs.contains("nebuly.api_base_url"), "the pod does not say what is wrong: {logs}");
    load.goes_on().await;
    release.roll_back();
    assert_eq!(release.settled(2).await, before);
    load.end_without_failure("a wrong setting").await;
}
