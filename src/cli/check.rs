//! `nebulink check`.

use std::process::ExitCode;

use super::output::{FAILED, WRONG_USAGE, complain, failed, say};
use super::process::{self, on_runtime};
use super::serve::load;
use crate::app::{
    NebulyClients, StartError, api_tokens_of, check_shared_cache, check_snapshot, nebuly_clients_of,
    traces_of,
};
use crate::domain::Cause;
use crate::nebuly::{KeyCheck, Nebuly};
use crate::settings::{LoadedSettings, Resolve, SettingSources, Settings};

/// Prints the problems of the settings and the settings without secrets, and tries each key.
pub(super) fn run(sources: &SettingSources) -> ExitCode {
    let LoadedSettings { settings, effective, warnings } = match load(sources) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    process::keep_secrets();
    say("Settings:");
    for setting in &effective {
        say(&format!("  {} = {}  ({})", setting.key, setting.value, setting.source));
    }
    say("");
    if !warnings.is_empty() {
        say("Warnings:");
        for warning in &warnings {
            say(&format!("  {warning}"));
        }
        say("");
    }
    if let Some(traces) = &settings.traces {
        // A path may be a token.
        say(&format!("Traces: sent to {}\n", traces.endpoint.origin().ascii_serialization()));
    }
    let (clients, error) = match nebuly_clients_of(&settings, None) {
        Ok(clients) => (Some(clients), None),
        Err(error) => (None, Some(error)),
    };
    let errors: Vec<StartError> = [
        error,
        api_tokens_of(&settings.access).err(),
        check_shared_cache(&settings).err(),
        check_snapshot(&settings.cache).err(),
        traces_of(settings.traces.as_ref()).err(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let Some(NebulyClients { clients, keys }) = clients.filter(|_| errors.is_empty()) else {
        for error in errors {
            complain(&format!("{:#}", anyhow::Error::new(error)));
        }
        return ExitCode::from(WRONG_USAGE);
    };
    for error in keys.last_file_errors() {
        complain(&error);
    }
    if settings.nebuly.resolve == Resolve::Construct {
        say("Nebuly is not called: nebuly.resolve = \"construct\" builds every URL, and needs no key.");
        return ExitCode::SUCCESS;
    }
    match on_runtime(1, async { Ok(probe_all(&settings, &clients).await) }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => failed(&error),
    }
}

/// Tries the key of each project. Returns true if all are valid.
async fn probe_all(settings: &Settings, clients: &[Nebuly]) -> bool {
    say(&format!("Nebuly at {}:", settings.nebuly.api_base_url));
    let mut all_valid = true;
    for client in clients {
        let check = client.check_key().await;
        all_valid &= check == KeyCheck::Valid;
        say(&format!("  {}: {}", client.project(), verdict(check)));
    }
    all_valid
}

fn verdict(check: KeyCheck) -> String {
    match check {
        KeyCheck::Valid => "the key is valid".to_owned(),
        KeyCheck::Rejected(status) => format!("the key is not valid: Nebuly answers {status}"),
        KeyCheck::NoKey => "there is no key to try: api_key_file has none".to_owned(),
        KeyCheck::WrongAddress(status) => {
            format!("what answers is not Nebuly's API (status {status}): nebuly.api_base_url is wrong")
        }
        KeyCheck::Failed(failure) => {
            let what = match failure.cause {
                Cause::Timeout => "no answer in time",
                Cause::Unavailable => "Nebuly cannot be reached, or fails",
                Cause::Overloaded { .. } => "Nebuly asks us to slow down",
                Cause::KeyRejected | Cause::BadAnswer | Cause::RateLimited { .. } | Cause::Internal => {
                    "an answer that says nothing of the key"
                }
            };
            let status = failure.status.map(|status| format!(" (status {status})")).unwrap_or_default();
            format!("the key could not be tried: {what}{status}")
        }
    }
}
