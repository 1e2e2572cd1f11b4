//! `nebulink serve`.

use std::process::ExitCode;

use anyhow::Context as _;

use super::output::{WRONG_USAGE, complain, failed};
use super::process;
use super::signals::Signals;
use crate::app::{App, Listeners, StartError, log_options};
use crate::settings::{LoadedSettings, SettingProblem, SettingSources, Settings};
use crate::telemetry;

/// Serves until a signal.
pub(super) fn run(sources: &SettingSources) -> ExitCode {
    try_run(sources).unwrap_or_else(|error| failed(&error))
}

fn try_run(sources: &SettingSources) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    let LoadedSettings { settings, warnings, .. } = match load(sources) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    telemetry::init(&log_options(&settings.log)).context("failed to start the thread of the log")?;
    for SettingProblem { key, source, message } in warnings {
        tracing::warn!(setting = key, %source, problem = message, "setting is probably a mistake");
    }
    process::on_runtime(serve(settings, signals))
}

/// Builds the program, in a process without core dumps and with as many open files as it wants or may have.
pub(super) fn in_process(build: impl FnOnce() -> Result<App, StartError>) -> Result<App, StartError> {
    process::keep_secrets();
    let app = build()?;
    let limit = process::raise_file_limit(app.wanted_descriptors());
    Ok(app.within_descriptors(limit))
}

/// Loads the settings, or prints everything that is wrong with them.
pub(super) fn load(sources: &SettingSources) -> Result<LoadedSettings, ExitCode> {
    Settings::load(sources).map_err(|problems| {
        complain(&problems.to_string());
        ExitCode::from(WRONG_USAGE)
    })
}

async fn serve(settings: Settings, signals: Signals) -> anyhow::Result<ExitCode> {
    let app = match in_process(|| App::build(&settings)) {
        Ok(app) => app,
        Err(error) => {
            complain(&format!("{:#}", anyhow::Error::new(error)));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let listeners = Listeners::bind(&settings.server)?;
    app.run(listeners, signals.listen()?).await?;
    Ok(ExitCode::SUCCESS)
}
