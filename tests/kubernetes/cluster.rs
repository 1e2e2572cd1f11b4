//! The cluster that `.ci/kubernetes` names, and the two programs that speak to it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

/// Far longer than anything here takes on a loaded machine; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long to wait before a question to the cluster is repeated. Each costs a process.
const PAUSE: Duration = Duration::from_millis(300);

/// The cluster is one, and its node can be drained.
static TURN: Mutex<()> = Mutex::const_new(());

/// A cluster that has our image, for one test at a time.
pub(crate) struct Cluster {
    /// Our image, as the cluster knows it.
    pub(crate) image: String,
    /// An image with `redis-server`, if there is one: otherwise the chart's own is pulled.
    pub(crate) redis_image: Option<String>,
    /// This machine, as pods see it.
    pub(crate) host: IpAddr,
    /// The folder with the definitions of the Gateway API and of the Prometheus operator.
    pub(crate) definitions: Option<PathBuf>,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits until no other test has it.
    pub(crate) async fn turn() -> Self {
        Self {
            _turn: TURN.lock().await,
            image: variable("NEBULINK_TEST_IMAGE"),
            redis_image: std::env::var("NEBULINK_TEST_REDIS_IMAGE").ok(),
            host: variable("NEBULINK_TEST_HOST").parse().unwrap(),
            definitions: std::env::var_os("NEBULINK_TEST_CRDS").map(PathBuf::from),
        }
    }
}

/// The chart.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/nebulink")
}

/// Runs kubectl, which must succeed.
#[track_caller]
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    run("kubectl", arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs kubectl, and reads what it prints as JSON.
#[track_caller]
pub(crate) fn kubectl_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&kubectl(&[arguments, &["--output=json"]].concat())).unwrap()
}

/// Runs kubectl or helm: what it prints, or what it says against it.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}. .ci/kubernetes puts it on the path"));
    let [printed, complaint] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if output.status.success() {
        Ok(printed)
    } else {
        Err(format!("{program} {}: {}\n{printed}{complaint}", arguments.join(" "), output.status))
    }
}

/// Waits until the state is as it should be. `problem` says what is not, or nothing.
#[track_caller]
pub(crate) fn eventually<P>(mut problem: P) -> impl Future<Output = ()>
where
    P: FnMut() -> Option<String>,
{
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while let Some(problem) = problem() {
            assert!(start.elapsed() < PATIENCE, "{caller}: still {problem}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set. These tests need a Kubernetes: .ci/kubernetes starts one, and runs them in it"
        )
    })
}
