//! `nebulink check`: the verdict first, then what it rests on.

use std::process::ExitCode;

use clap::Args;
use futures_util::stream::{self, StreamExt as _};

use super::output::{FAILED, WRONG_USAGE, complain, failed, say};
use super::process::{self, on_runtime};
use crate::app::{
    StartError, api_tokens_of, check_shared_cache, check_snapshot, nebuly_clients_of, traces_of,
};
use crate::domain::{Cause, ProjectName};
use crate::nebuly::{KeyCheck, Nebuly};
use crate::settings::{LoadedSettings, Resolve, SettingSources, Settings};

/// The arguments of `nebulink check`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct CheckArguments {
    /// Show all settings, also those that are as by default
    #[arg(long)]
    all: bool,

    /// Make no call to Nebuly: the keys are not tried
    #[arg(long)]
    offline: bool,
}

/// A project, and what became of its key; `None` if that was not tried.
type CheckedKey<'a> = (&'a ProjectName, Option<KeyCheck>);

/// Prints what is wrong with settings and keys, and then the settings without secrets.
pub(super) fn run(sources: &SettingSources, arguments: &CheckArguments) -> ExitCode {
    let (loaded, unreadable) = match Settings::inspect(sources) {
        Ok(inspected) => inspected,
        Err(broken) => {
            complain(&broken.to_string());
            return ExitCode::from(WRONG_USAGE);
        }
    };
    process::keep_secrets();
    let settings = &loaded.settings;
    let (nebuly, error) = match nebuly_clients_of(settings, None) {
        Ok(nebuly) => (Some(nebuly), None),
        // The projects that could not be read may have one.
        Err(StartError::NoKey(_)) if settings.projects.is_empty() => (None, None),
        Err(error) => (None, Some(error)),
    };
    let unusable = [
        error,
        api_tokens_of(&settings.access).err(),
        check_shared_cache(settings).err(),
        check_snapshot(&settings.cache).err(),
        traces_of(settings.traces.as_ref()).err(),
    ];
    let unusable = unusable.into_iter().flatten().map(|error| format!("{:#}", anyhow::Error::new(error)));
    let mut problems: Vec<String> = unreadable.iter().map(ToString::to_string).chain(unusable).collect();

    let callable = nebuly.as_ref().filter(|_| settings.nebuly.resolve == Resolve::Api);
    let clients = callable.map(|nebuly| nebuly.clients.as_slice()).unwrap_or_default();
    // A setting that cannot be read has its default, so a key might be sent to a server that it is not for.
    let may_call = unreadable.is_empty() && !arguments.offline;
    let at_once = settings.nebuly.max_in_flight;
    let keys = match on_runtime(async { Ok(check_keys(clients, may_call, at_once).await) }) {
        Ok(keys) => keys,
        Err(error) => return failed(&error),
    };

    let wrong_keys = failure(&keys);
    let wrong_settings = match problems.len() {
        0 => None,
        // The verdict is said twice, so it is not among the problems as well.
        1 if wrong_keys.is_none() => problems.pop(),
        1 => Some("1 problem with the settings".to_owned()),
        several => Some(format!("{several} problems with the settings")),
    };
    let exit_code = if wrong_settings.is_some() { WRONG_USAGE } else { FAILED };
    let verdict = wrong_settings.into_iter().chain(wrong_keys).collect::<Vec<_>>().join("; ");
    if verdict.is_empty() {
        say(&format!("OK: the settings are valid{}", success(&keys, settings)));
    } else {
        say(&format!("FAILED: {verdict}"));
    }
    problems.extend(nebuly.iter().flat_map(|nebuly| nebuly.keys.last_file_errors()));
    if !problems.is_empty() {
        complain(&problems.join("\n"));
    }
    show_keys(&keys, settings);
    show_settings(&loaded, arguments.all);
    if verdict.is_empty() {
        return ExitCode::SUCCESS;
    }
    // Again, for the eye that is here when the output has ended.
    complain(&verdict);
    ExitCode::from(exit_code)
}

/// Tries so many keys at once, and returns them in the order of the projects.
async fn check_keys(clients: &[Nebuly], may_call: bool, at_once: usize) -> Vec<CheckedKey<'_>> {
    let check = async |client: &Nebuly| match client.has_key() {
        false => Some(KeyCheck::NoKey),
        true if may_call => Some(client.check_key().await),
        true => None,
    };
    let checks = clients.iter().map(async |client| (client.project(), check(client).await));
    stream::iter(checks).buffered(at_once).collect().await
}

/// The verdict on keys that do not work, with the reason if all of them have the same.
fn failure(keys: &[CheckedKey<'_>]) -> Option<String> {
    let failures = keys.iter().filter_map(|(project, check)| match check {
        None | Some(KeyCheck::Valid) => None,
        Some(check) => Some((project, described(check))),
    });
    let failures: Vec<_> = failures.collect();
    let (first, reason) = failures.first()?;
    let projects = match failures.len() {
        1 => first.to_string(),
        all if all == keys.len() => format!("all {all} projects"),
        some => format!("{some} of {} projects", keys.len()),
    };
    let is_shared = failures.iter().all(|(_, other)| other == reason);
    Some(format!("{projects}: {}", if is_shared { reason } else { "their keys do not work, see below" }))
}

/// The verdict on keys among which none is known not to work.
fn success(keys: &[CheckedKey<'_>], settings: &Settings) -> String {
    match keys {
        _ if settings.nebuly.resolve == Resolve::Construct => {
            ". Nebuly is not called: nebuly.resolve = \"construct\" builds every URL, and needs no key"
                .to_owned()
        }
        [(_, Some(_))] => ", and so is the key".to_owned(),
        [(_, Some(_)), ..] => format!(", and so are all {} keys", keys.len()),
        _ => "; no key was tried".to_owned(),
    }
}

fn show_keys(keys: &[CheckedKey<'_>], settings: &Settings) {
    if keys.is_empty() {
        return;
    }
    say(&format!("\nNebuly at {}:", settings.nebuly.api_base_url));
    let mut given = Vec::new();
    for (project, check) in keys {
        let Some(check) = check else {
            say(&format!("  {project}: the key was not tried"));
            continue;
        };
        say(&format!("  {project}: {}", described(check)));
        if let Some(advice) = advice(check).filter(|advice| !given.contains(advice)) {
            say(&format!("    {advice}"));
            given.push(advice);
        }
    }
}

fn show_settings(loaded: &LoadedSettings, all: bool) {
    if !loaded.warnings.is_empty() {
        say("\nWarnings:");
    }
    for warning in &loaded.warnings {
        say(&format!("  {warning}"));
    }
    if let Some(traces) = &loaded.settings.traces {
        // A path may be a token.
        say(&format!("\nTraces: sent to {}", traces.endpoint.origin().ascii_serialization()));
    }
    let shown: Vec<_> = loaded.effective.iter().filter(|setting| all || !setting.is_default).collect();
    match shown.as_slice() {
        [] => say("\nNo setting differs from its default (--all shows all)."),
        _ if all => say("\nAll settings:"),
        _ => say("\nSettings that differ from their defaults (--all shows all):"),
    }
    for setting in shown {
        say(&format!("  {} = {}  ({})", setting.key, setting.value, setting.source));
    }
}

fn described(check: &KeyCheck) -> String {
    match check {
        KeyCheck::Valid => "the key is valid".to_owned(),
        KeyCheck::Rejected(status) => format!("the key is not valid: Nebuly answers {status}"),
        KeyCheck::NoKey => "there is no key to try: api_key_file has none".to_owned(),
        KeyCheck::WrongAddress(status) => {
            format!("what answers is not Nebuly's API (status {status}): nebuly.api_base_url is wrong")
        }
        KeyCheck::Unreachable(unreachable) => unreachable.to_string(),
        KeyCheck::Failed(failure) => {
            let what = match failure.cause {
                Cause::Overloaded { .. } => "Nebuly asks us to slow down",
                Cause::Unavailable => "Nebuly, or what is in front of it, fails",
                _ => "the answer says nothing of the key",
            };
            let status = failure.status.map(|status| format!(" (status {status})")).unwrap_or_default();
            format!("the key could not be tried: {what}{status}")
        }
    }
}

/// Tells an operator how to go on, where that is known.
fn advice(check: &KeyCheck) -> Option<String> {
    match check {
        KeyCheck::Rejected(_) => Some(
            "It was revoked, or is of another Nebuly than this one. Create a new one in the project's settings."
                .to_owned(),
        ),
        KeyCheck::WrongAddress(_) => {
            Some("It is such as https://backend.nebuly.com/api/external, with the path.".to_owned())
        }
        KeyCheck::Unreachable(unreachable) => Some(unreachable.advice()),
        KeyCheck::Valid | KeyCheck::NoKey | KeyCheck::Failed(_) => None,
    }
}
