//! The chart, installed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cluster::{Cluster, chart, eventually, kubectl_json, run};
use crate::namespace::Namespace;
use crate::nebuly::Nebuly;

/// The name of every release: its namespace tells it from others.
pub(crate) const RELEASE: &str = "links";

/// The pods that answer, as opposed to those of the shared cache and of `helm test`.
pub(crate) const PODS: &str = "app.kubernetes.io/instance=links,app.kubernetes.io/component=server";

/// A release of our chart.
pub(crate) struct Release<'a> {
    namespace: &'a Namespace,
}

impl<'a> Release<'a> {
    /// Installs the chart and waits until it is up.
    pub(crate) fn install(
        cluster: &Cluster,
        nebuly: &Nebuly,
        namespace: &'a Namespace,
        values: &Path,
        further: &[&str],
    ) -> Self {
        let release = Self { namespace };
        let mut here = NamedTempFile::new().unwrap();
        // JSON is YAML.
        here.write_all(values_here(cluster, nebuly).to_string().as_bytes()).unwrap();
        let files = ["--values", path(values), "--values", path(here.path())];
        release.apply("install", &[&files, further].concat()).unwrap();
        release
    }

    /// Upgrades to what these arguments change.
    pub(crate) fn upgrade(&self, changes: &[&str]) -> Result<String, String> {
        self.apply("upgrade", &[&["--reuse-values"], changes].concat())
    }

    /// Goes back to the revision before.
    pub(crate) fn roll_back(&self) {
        self.run(&["rollback", RELEASE, "--wait", "--timeout=2m"]).unwrap();
    }

    /// Runs the chart's own test.
    pub(crate) fn test(&self) -> Result<String, String> {
        self.run(&["test", RELEASE, "--timeout=1m"])
    }

    /// Removes it, and waits until its pods are gone.
    pub(crate) fn uninstall(self) {
        self.run(&["uninstall", RELEASE, "--wait", "--timeout=2m"]).unwrap();
    }

    /// The values that are in effect.
    pub(crate) fn values(&self) -> Value {
        serde_json::from_str(&self.run(&["get", "values", RELEASE, "--all", "--output=json"]).unwrap())
            .unwrap()
    }

    /// Where its Service is found.
    pub(crate) fn address(&self) -> SocketAddr {
        let services = self.get("services", PODS);
        let public = services.iter().find_map(|service| {
            let ports = service["spec"]["ports"].as_array()?;
            let port = ports.iter().find(|port| port["name"] == "http")?["port"].as_u64()?;
            Some(format!("{}:{port}", service["spec"]["clusterIP"].as_str()?))
        });
        public.unwrap().parse().unwrap()
    }

    /// Its objects of a kind.
    pub(crate) fn get(&self, kind: &str, selector: &str) -> Vec<Value> {
        let arguments = ["--namespace", self.namespace.name(), "get", kind, "--selector", selector];
        let Value::Array(items) = kubectl_json(&arguments)["items"].take() else {
            panic!("a list is expected")
        };
        items
    }

    /// Its pods, those included that come and go.
    pub(crate) fn pods(&self) -> Vec<Value> {
        self.get("pods", PODS)
    }

    /// Waits until it has exactly so many pods, all of them ready, and none that goes. Their names.
    #[track_caller]
    pub(crate) fn settled(&self, count: usize) -> impl Future<Output = BTreeSet<String>> {
        let waiting = eventually(move || {
            let pods = self.pods();
            let good = pods.len() == count && pods.iter().all(|pod| is_ready(pod) && !is_going(pod));
            (!good).then(|| format!("not {count} pods that are ready and stay: {:?}", states(&pods)))
        });
        async move {
            waiting.await;
            self.pods().iter().map(name_of).collect()
        }
    }

    /// The value of a gauge of these pods, as each itself reports it, in their order.
    pub(crate) fn gauge(&self, pods: &BTreeSet<String>, name: &str) -> Vec<f64> {
        pods.iter().map(|pod| self.gauge_of(pod, name)).collect()
    }

    fn gauge_of(&self, pod: &str, name: &str) -> f64 {
        // Through the API server, since a Service would answer with any of them.
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:9090/proxy/metrics", self.namespace.name());
        let metrics = self.namespace.kubectl(&["get", "--raw", &path]);
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit_once(' '))
            .unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .1
            .parse()
            .unwrap()
    }

    fn apply(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        // Of two timeouts the later counts.
        self.run(&[&[command, RELEASE, path(&chart()), "--wait", "--timeout=2m"], arguments].concat())
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        run("helm", &[&["--namespace", self.namespace.name()], arguments].concat())
    }
}

/// An object's name.
pub(crate) fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

/// Returns true if a pod gets traffic.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Returns true if it has been told to end.
pub(crate) fn is_going(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// The state of pods, for a message.
pub(crate) fn states(pods: &[Value]) -> Vec<String> {
    let state = |pod: &Value| {
        let [ready, going] = [is_ready(pod), is_going(pod)];
        format!("{} ({}, ready: {ready}, going: {going})", name_of(pod), pod["status"]["phase"])
    };
    pods.iter().map(state).collect()
}

/// Where nodes, pods and this machine have their addresses: the ranges for private networks.
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// Our image, the stand-in, and who may come in where the cluster enforces network policies: this machine, which is
/// outside of it. Whoever asks is seen with an address of the node's, so for the trial all of these may name people.
fn values_here(cluster: &Cluster, nebuly: &Nebuly) -> Value {
    let image = |image: &str| {
        let (repository, tag) = image.rsplit_once(':').unwrap();
        json!({"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"})
    };
    let stand_in = nebuly.stand_in();
    let mut values = json!({
        "image": image(&cluster.image),
        "config": {
            "server": {"trusted_proxies": PRIVATE},
            "nebuly": {
                "api_base_url": stand_in.api_base_url(),
                "allow_http": true,
                "platform_url": stand_in.platform_url(),
            },
        },
        "networkPolicy": {
            "from": PRIVATE.map(|range| json!({"ipBlock": {"cidr": range}})),
            "egress": {"nebuly": {"ports": [stand_in.address().port()]}},
        },
    });
    if let Some(redis) = &cluster.redis_image {
        values["valkey"] = json!({"image": image(redis), "command": ["redis-server"]});
    }
    values
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
