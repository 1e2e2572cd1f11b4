//! Metrics, as a scrape of Prometheus reads them.
//!
//! The parts of the program resolve their handles once, when they are built within [`MetricsRegistry::scope`]; after that
//! counting is an atomic addition. Every registry is its own: nothing here is the whole process's.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::process_metrics;

/// Seconds, from a hit in memory to the longest that a request may take.
const BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often samples are folded into their buckets. Without it they pile up until somebody scrapes.
/// A sample takes 16 bytes: at 100,000 requests a second, a second's weigh 1.6 MB.
const UPKEEP: Duration = Duration::from_secs(1);

/// Where the parts of the program count.
pub struct MetricsRegistry {
    recorder: Arc<PrometheusRecorder>,
}

/// Reads a registry.
#[derive(Clone)]
pub struct MetricsReader(PrometheusHandle);

impl MetricsRegistry {
    /// A registry that says which version this is, and nothing else yet.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let registry = Self { recorder: Arc::new(recorder) };
        registry.scope(|| {
            metrics::describe_gauge!("nebulink_build_info", "Always 1; the label says which version runs");
            metrics::gauge!("nebulink_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        });
        Ok(registry)
    }

    /// Builds something whose handles count here.
    pub fn scope<T>(&self, build: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, build)
    }

    /// For a part that registers some of its series only when they are first counted.
    #[must_use]
    pub fn recorder(&self) -> Arc<dyn metrics::Recorder + Send + Sync> {
        Arc::<PrometheusRecorder>::clone(&self.recorder)
    }

    /// Reads it.
    #[must_use]
    pub fn reader(&self) -> MetricsReader {
        MetricsReader(self.recorder.handle())
    }
}

impl MetricsReader {
    /// Everything that was counted and what the process takes now, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        process_metrics::write_to(&mut text);
        text
    }

    /// Keeps memory flat between scrapes, for ever.
    pub async fn keep_up(self) {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            self.0.run_upkeep();
        }
    }
}
