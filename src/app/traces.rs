//! Which requests are traced, and where the traces go.

use super::StartError;
use super::projects::{install_crypto_provider, read_authorities};
use crate::settings;
use crate::telemetry::{Authorities, Traces, TracesOptions};
use crate::web::{RequestTracer, TraceSampling};

/// Starts what sends traces, if a collector is named. Nothing is sent before there is a span.
pub fn traces_of(settings: &settings::Telemetry) -> Result<Option<Traces>, StartError> {
    settings.traces.as_ref().map(|settings| Ok(Traces::start(traces_options(settings)?)?)).transpose()
}

/// What traces are sent with.
fn traces_options(settings: &settings::Traces) -> Result<TracesOptions, StartError> {
    install_crypto_provider();
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

/// How requests are traced.
pub(super) fn tracing(settings: &settings::Telemetry, traces: Option<&Traces>) -> Option<RequestTracer> {
    let settings::Sampling { parent_decides, ratio } = settings.traces.as_ref()?.sampling;
    Some(RequestTracer { tracer: traces?.tracer(), sampling: TraceSampling { parent_decides, ratio } })
}
