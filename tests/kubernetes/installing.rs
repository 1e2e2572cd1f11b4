//! Every file of trial values, from its installation to the last trace of it.

use std::path::Path;
use std::time::Instant;

use nebulink::demo::StandInProject;
use serde_json::Value;

use crate::cluster::{Cluster, PATIENCE, chart, eventually, kubectl};
use crate::connection::{Connection, Head};
use crate::namespace::Namespace;
use crate::nebuly::{KEY, Link, Nebuly};
use crate::release::Release;

/// The key of the second project, where trial values have two.
const SECOND_KEY: &str = "second-key-of-trials";

/// A conversation for `helm test`.
const TESTED: &str = "chat-of-helm-test";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes: .ci/kubernetes"]
async fn trial_values_can_be_installed_asked_tested_and_removed_without_a_trace() {
    let cluster = Cluster::turn().await;
    define(&cluster);
    let mut files: Vec<_> = chart().join("ci").read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().strip_suffix("-values.yaml").unwrap();
        let needs = std::fs::read_to_string(&file).unwrap();
        let extensions = ["httpRoute:", "serviceMonitor:", "prometheusRule:"];
        if cluster.definitions.is_none() && extensions.iter().any(|extension| needs.contains(extension)) {
            println!(
                "{name}: skipped, NEBULINK_TEST_CRDS names no definitions of the Gateway API and the Prometheus operator"
            );
            continue;
        }
        try_out(&cluster, name, &file).await;
    }
}

/// Teaches the cluster the kinds of objects that others bring.
fn define(cluster: &Cluster) {
    let Some(folder) = &cluster.definitions else { return };
    kubectl(&["apply", "--server-side", "--recursive", "--filename", folder.to_str().unwrap()]);
    kubectl(&["wait", "--for=condition=Established", "--all", "customresourcedefinitions", "--timeout=60s"]);
}

async fn try_out(cluster: &Cluster, name: &str, values: &Path) {
    let nebuly = Nebuly::start(cluster).await;
    nebuly.stand_in().add_project(StandInProject::new(SECOND_KEY, "project-2", "organization-1"));
    nebuly.stand_in().add_conversation(KEY, TESTED);
    let namespace = Namespace::create(name).await;
    let before = namespace.objects();
    let test = format!("--set=test.kind=conversation,test.id={TESTED}");
    let release = Release::install(cluster, &nebuly, &namespace, values, &[&test]);

    let in_effect = release.values();
    let mut caller = Caller::new(&release, &in_effect);
    let link = nebuly.known_link(0);
    caller.get(link).await.redirects_to(&link.location).unwrap();
    if in_effect["valkey"]["enabled"] == true {
        caller.finds_what_another_pod_resolved(&nebuly).await;
        // The new pods read the password that the chart made, and the shared cache knows only the one of its start.
        let before = release.settled(2).await;
        release.upgrade(&["--set=config.cache.ttl=1h"]).unwrap();
        assert!(before.is_disjoint(&release.settled(2).await));
        caller.finds_what_another_pod_resolved(&nebuly).await;
    }
    release.test().unwrap();

    release.uninstall();
    eventually(|| {
        let after = namespace.objects();
        (after != before).then(|| format!("left behind: {:?}", after.symmetric_difference(&before)))
    })
    .await;
    println!("{name}: installed, answered, tested, removed");
}

/// A caller that asks as an installation with these values demands it.
struct Caller {
    connection: Connection,
    base_path: String,
    headers: String,
}

impl Caller {
    fn new(release: &Release<'_>, values: &Value) -> Self {
        let base_path = values["config"]["server"]["base_path"].as_str().unwrap_or_default().to_owned();
        let identity = values["config"]["access"]["identity_header"].as_str();
        let headers = identity.map(|name| format!("{name}: ada@example.com\r\n")).unwrap_or_default();
        Self { connection: Connection::single(release.address()), base_path, headers }
    }

    /// Asks on a connection of its own, which may lead to any pod.
    async fn get(&mut self, link: &Link) -> Head {
        self.connection.get(&format!("{}{}", self.base_path, link.path), &self.headers).await.unwrap()
    }

    /// Asks for new links until one comes from the shared cache.
    async fn finds_what_another_pod_resolved(&mut self, nebuly: &Nebuly) {
        let start = Instant::now();
        loop {
            let link = nebuly.new_link();
            // The answer to the first does not wait for the shared cache, so several are asked for.
            for _ in 0..10 {
                let answer = self.get(&link).await;
                answer.redirects_to(&link.location).unwrap();
                if answer.header("cache-status") == Some("nebulink; hit; detail=shared") {
                    return;
                }
            }
            assert!(start.elapsed() < PATIENCE, "no pod finds what another has resolved");
        }
    }
}
