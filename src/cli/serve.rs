//! `nebulink serve`.

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::signals::Signals;
use super::{FAILED, WRONG_USAGE, complain, load, process};
use crate::app::{App, Listeners, log_options};
use crate::settings::{Loaded, Problem, Settings, Sources};
use crate::telemetry;

/// Serves until a signal.
pub(super) fn run(sources: &Sources) -> ExitCode {
    let Loaded { settings, warnings, .. } = match load(sources) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    telemetry::init(&log_options(&settings.log));
    for Problem { key, source, message } in warnings {
        tracing::warn!(setting = key, %source, problem = message, "a setting is probably not what was meant");
    }
    match on_runtime(settings.server.workers, serve(settings)) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Runs a command's work on a runtime with this many workers.
pub(super) fn on_runtime<T>(
    workers: usize,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut builder = match workers {
        // One worker has nobody to share work with, and saves what sharing costs.
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    runtime.block_on(work)
}

async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    process::keep_secrets();
    process::raise_file_limit(settings.server.max_connections);
    let app = match App::build(&settings) {
        Ok(app) => app,
        Err(error) => {
            complain(&format!("{:#}", anyhow::Error::new(error)));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let listeners = Listeners::bind(&settings.server)?;
    app.run(listeners, signals.first()).await;
    Ok(ExitCode::SUCCESS)
}
