//! Metrics, in the format of Prometheus.
//!
//! The parts of the program resolve their handles once, when they are built within [`MetricsRegistry::scope`]; after that
//! counting is one or two atomic additions, to memory that no other thread writes to. No registry is global to the process.
//!
//! | file | job |
//! |---|---|
//! | `series` | the counters, gauges and histograms that are counted with |
//! | `families` | all series by their names and labels, and the text of a scrape |
//! | `process_metrics` | the metrics of the process itself |
//!
//! The usual exporter keeps each sample of a histogram until a scrape or a timer puts it into its bucket. That costs a
//! redirect more than all of its other metrics, and takes memory in bursts; so the recorder is our own.

mod families;
mod process_metrics;
mod series;

use std::sync::Arc;

use self::families::Families;

/// The registry of all metrics.
#[derive(Clone, Default)]
pub struct MetricsRegistry {
    families: Arc<Families>,
}

impl MetricsRegistry {
    /// Makes a registry with the metric of the version, and nothing else yet.
    #[must_use]
    pub fn new() -> Self {
        let registry = Self::default();
        registry.scope(|| {
            metrics::describe_gauge!("nebulink_build_info", "Always 1; the label is the running version");
            metrics::gauge!("nebulink_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        });
        registry
    }

    /// Runs `build`; the metric handles that it resolves count here.
    pub fn scope<T>(&self, build: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.families, build)
    }

    /// The recorder, for parts that register some of their series only when they are first counted.
    #[must_use]
    pub fn recorder(&self) -> Arc<dyn metrics::Recorder + Send + Sync> {
        Arc::<Families>::clone(&self.families)
    }

    /// Writes all metrics, and those of the process, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.families.write_to(&mut text);
        process_metrics::write_to(&mut text);
        text
    }
}
