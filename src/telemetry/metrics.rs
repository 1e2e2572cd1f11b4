//! Metrics, in the format of Prometheus.
//!
//! The parts of the program resolve their handles once, when they are built within [`MetricsRegistry::scope`]; after that
//! counting is an atomic addition. No registry is global to the process.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::process_metrics;

/// The buckets of all histograms, in seconds: from a hit in memory to the longest that a request may take.
const BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The pause between two rounds of adding samples to their buckets. Without them samples pile up until the next scrape.
/// A sample takes 16 bytes: at 100,000 requests a second, those of one second take 1.6 MB.
const UPKEEP: Duration = Duration::from_secs(1);

/// The registry of all metrics.
pub struct MetricsRegistry {
    recorder: Arc<PrometheusRecorder>,
}

/// Reads a registry.
#[derive(Clone)]
pub struct MetricsReader(PrometheusHandle);

impl MetricsRegistry {
    /// Makes a registry with the metric of the version, and nothing else yet.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let registry = Self { recorder: Arc::new(recorder) };
        registry.scope(|| {
            metrics::describe_gauge!("nebulink_build_info", "Always 1; the label is the running version");
            metrics::gauge!("nebulink_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        });
        Ok(registry)
    }

    /// Runs `build`; the metric handles that it resolves count here.
    pub fn scope<T>(&self, build: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, build)
    }

    /// The recorder, for parts that register some of their series only when they are first counted.
    #[must_use]
    pub fn recorder(&self) -> Arc<dyn metrics::Recorder + Send + Sync> {
        Arc::<PrometheusRecorder>::clone(&self.recorder)
    }

    /// A reader of this registry.
    #[must_use]
    pub fn reader(&self) -> MetricsReader {
        MetricsReader(self.recorder.handle())
    }
}

impl MetricsReader {
    /// Writes all metrics, and those of the process, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        process_metrics::write_to(&mut text);
        text
    }

    /// Adds samples to their buckets forever, so that memory stays flat between scrapes.
    pub async fn keep_up(self) {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            self.0.run_upkeep();
        }
    }
}
