//! `nebulink serve`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::runtime::Builder;

use super::signals::Signals;
use super::{FAILED, WRONG_USAGE, complain, load, process};
use crate::app::{App, Listeners, log_options};
use crate::settings::{LoadedSettings, SettingProblem, SettingSources, Settings};
use crate::telemetry;

/// Serves until a signal.
pub(super) fn run(sources: &SettingSources) -> ExitCode {
    try_run(sources).unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::from(FAILED)
    })
}

fn try_run(sources: &SettingSources) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    let LoadedSettings { settings, warnings, .. } = match load(sources) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    telemetry::init(&log_options(&settings.log)).context("there is no thread for the log")?;
    for SettingProblem { key, source, message } in warnings {
        tracing::warn!(setting = key, %source, problem = message, "a setting is probably not what was meant");
    }
    on_runtime(settings.server.workers, serve(settings, signals))
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
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    // Nothing is waited for, not even after a panic: a thread may read a file that hangs.
    runtime.shutdown_background();
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn serve(settings: Settings, signals: Signals) -> anyhow::Result<ExitCode> {
    process::keep_secrets();
    let app = match App::build(&settings) {
        Ok(app) => app,
        Err(error) => {
            complain(&format!("{:#}", anyhow::Error::new(error)));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let descriptors = process::raise_file_limit(app.wanted_descriptors());
    let app = app.within_descriptors(descriptors);
    let listeners = Listeners::bind(&settings.server)?;
    app.run(listeners, signals.listen()?).await?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_does_not_wait_for_a_thread_that_hangs() {
        let (release, hang) = mpsc::channel::<()>();
        let (outcome, ended) = mpsc::channel();
        let work = async {
            let (reading, has_begun) = mpsc::channel();
            drop(tokio::task::spawn_blocking(move || reading.send(()).is_ok() && hang.recv().is_ok()));
            has_begun.recv().unwrap();
            panic!("on purpose");
        };
        thread::spawn(move || {
            outcome.send(catch_unwind(AssertUnwindSafe(|| on_runtime::<()>(1, work))).is_err())
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(true));
        drop(release);
    }
}
