//! Metrics, as a scrape of Prometheus reads them.
//!
//! The parts of the program resolve their handles once, when they are built within [`MetricsRegistry::scope`]; after that
//! counting is an atomic addition. Every registry is its own: nothing here is the whole process's.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Seconds, from a hit in memory to the longest that a request may take.
const BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often samples are folded into their buckets. Without it they pile up until somebody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the parts of the program count.
pub struct MetricsRegistry {
    recorder: PrometheusRecorder,
}

/// Reads a registry.
#[derive(Clone)]
pub struct MetricsReader(PrometheusHandle);

impl MetricsRegistry {
    /// An empty registry.
    pub fn new() -> Result<Self, BuildError> {
        Ok(Self { recorder: PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder() })
    }

    /// Builds something whose handles count here.
    pub fn scope<T>(&self, build: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.recorder, build)
    }

    /// Reads it.
    #[must_use]
    pub fn reader(&self) -> MetricsReader {
        MetricsReader(self.recorder.handle())
    }
}

impl MetricsReader {
    /// Everything that was counted, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
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
