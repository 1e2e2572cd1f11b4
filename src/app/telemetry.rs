//! Logs, metrics and traces, as the settings ask for them.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;

use super::error::StartError;
use super::nebuly_clients::read_authorities;
use crate::server::OpenConnections;
use crate::settings;
use crate::telemetry::{
    Authorities, LogFormat, LogOptions, MetricsRegistry, Traces, TracesOptions, json_lines, log_lines_dropped,
};
use crate::web::management::RenderMetrics;
use crate::web::{
    ACCESS_TARGET, AccessLogger, Escaping, JsonLines, LoggedRequests, RequestTracer, TraceSampling,
};

/// The options of the log.
#[must_use]
pub fn log_options(settings: &settings::LogSettings) -> LogOptions {
    let format = match settings.format {
        settings::LogFormatSetting::Auto => None,
        settings::LogFormatSetting::Text => Some(LogFormat::Text),
        settings::LogFormatSetting::Json => Some(LogFormat::Json),
    };
    LogOptions { format, level: settings.level.clone() }
}

/// The options of the access log.
pub(super) fn access_log(settings: &settings::LogSettings) -> AccessLogger {
    let level = [LevelFilter::INFO, LevelFilter::WARN, LevelFilter::ERROR].into_iter().find(|level| {
        level.into_level().is_some_and(|level| settings.level.would_enable(ACCESS_TARGET, &level))
    });
    let level = level.unwrap_or(LevelFilter::OFF);
    AccessLogger {
        json: json_lines().map(|push| JsonLines { push, level }),
        requests: match settings.access {
            settings::AccessLogSetting::All => LoggedRequests::All,
            settings::AccessLogSetting::Cold => LoggedRequests::Cold,
            settings::AccessLogSetting::Errors => LoggedRequests::Errors,
            settings::AccessLogSetting::None => LoggedRequests::None,
        },
        escaping: match log_options(settings).format_of_stderr() {
            LogFormat::Text => Escaping::PrintableAscii,
            LogFormat::Json => Escaping::ByFormat,
        },
    }
}

/// Makes the function that answers a scrape. `open` counts the connections of the public listener. To be called within
/// `MetricsRegistry::scope`.
pub(super) fn render_metrics(metrics: MetricsRegistry, open: OpenConnections) -> RenderMetrics {
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

/// Starts the exporter of traces, if a collector is set. Nothing is sent before the first span ends.
pub fn traces_of(settings: Option<&settings::TracesSettings>) -> Result<Option<Traces>, StartError> {
    settings.map(|settings| Ok(Traces::start(traces_options(settings)?)?)).transpose()
}

/// The options of the exporter.
fn traces_options(settings: &settings::TracesSettings) -> Result<TracesOptions, StartError> {
    let authorities = |file: &settings::TracesCaFile| {
        let pem = read_authorities(file.variable, &file.path)?;
        Ok::<_, StartError>(Authorities { variable: file.variable, pem })
    };
    Ok(TracesOptions {
        endpoint: settings.endpoint.clone(),
        headers: settings.headers.clone(),
        certificate_authorities: settings.ca_file.as_ref().map(authorities).transpose()?,
        timeout: settings.timeout,
        service_name: settings.service_name.clone(),
        resource_attributes: settings.resource_attributes.clone(),
        max_queue_size: settings.max_queue_size,
        max_export_batch_size: settings.max_export_batch_size,
        schedule_delay: settings.schedule_delay,
    })
}

/// The tracing of requests, if a collector is set.
pub(super) fn tracing(
    settings: Option<&settings::TracesSettings>,
    traces: Option<&Traces>,
) -> Option<RequestTracer> {
    let settings::SamplingSettings { parent_decides, ratio } = settings?.sampling;
    Some(RequestTracer { tracer: traces?.tracer(), sampling: TraceSampling { parent_decides, ratio } })
}
