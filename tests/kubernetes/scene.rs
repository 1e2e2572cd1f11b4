//! Two pods in front of the stand-in, whose key is in a Secret that was there before them: what an operator has.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;
use tempfile::NamedTempFile;

use crate::cluster::Cluster;
use crate::load::Load;
use crate::namespace::Namespace;
use crate::nebuly::{KEY, Nebuly};
use crate::release::Release;

/// All that a test of a running installation needs. It goes with its value.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: Namespace,
    pub(crate) nebuly: Arc<Nebuly>,
}

impl Scene {
    /// A namespace with the Secret that the chart expects by default.
    pub(crate) async fn set(name: &str) -> Self {
        let cluster = Cluster::turn().await;
        let nebuly = Arc::new(Nebuly::start(&cluster).await);
        let namespace = Namespace::create(name).await;
        namespace.kubectl(&[
            "create",
            "secret",
            "generic",
            "nebuly",
            &format!("--from-literal=api-key={KEY}"),
        ]);
        Self { cluster, namespace, nebuly }
    }

    /// The chart as it is by default, but for further `--set` arguments, and for the limit of each caller, since all of
    /// the load is one caller.
    pub(crate) fn install(&self, further: &[&str]) -> Release<'_> {
        let mut values = NamedTempFile::new().unwrap();
        let limits = json!({"config": {"limits": {"cold_per_second": 100_000, "cold_burst": 100_000}}});
        values.write_all(limits.to_string().as_bytes()).unwrap();
        Release::install(&self.cluster, &self.nebuly, &self.namespace, values.path(), further)
    }

    /// Load on that.
    pub(crate) async fn load(&self, release: &Release<'_>) -> Load {
        Load::start(release.address(), &self.nebuly).await
    }
}
