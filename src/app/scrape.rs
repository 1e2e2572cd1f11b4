//! What a scrape reads: what was counted, and what is looked at only now.

use std::sync::Arc;

use crate::server::OpenConnections;
use crate::telemetry::{MetricsReader, log_lines_dropped};
use crate::web::management::RenderMetrics;

/// Writes all metrics. `open` counts the connections of the public listener. The metrics recorder must be there already.
pub(super) fn render(metrics: MetricsReader, open: OpenConnections) -> RenderMetrics {
    metrics::describe_gauge!("nebulink_connections", "Open connections of the public listener");
    let connections = metrics::gauge!("nebulink_connections");
    metrics::describe_counter!(
        "nebulink_log_lines_dropped_total",
        "Lines of the log that were dropped because they were not read in time"
    );
    let dropped = metrics::counter!("nebulink_log_lines_dropped_total");
    Arc::new(move || {
        dropped.absolute(log_lines_dropped());
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        connections.set(open.get() as f64);
        metrics.render()
    })
}
