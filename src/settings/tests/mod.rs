//! What all tests of the settings load, and how they look at the problems.

mod configuration_page;
mod defaults;
mod layers;
mod properties;
mod rules;
mod secrets;

use std::ffi::OsString;
use std::io::Write;

use tempfile::NamedTempFile;

use super::{LoadedSettings, SettingProblems, SettingSources, Settings};

/// A key, so that a test may speak of something else.
const KEY: (&str, &str) = ("NEBULY_API_KEY", "key");

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Settings of these variables alone. Those that have no effect yet are taken as if they had.
fn load_environment(variables: &[(&str, &str)]) -> Result<LoadedSettings, SettingProblems> {
    load(&SettingSources { environment: environment(variables), ..SettingSources::default() })
}

/// Settings of a file and these variables.
fn load_file(content: &str, variables: &[(&str, &str)]) -> Result<LoadedSettings, SettingProblems> {
    let file = file_with(content.as_bytes());
    let config_file = Some(file.path().to_owned());
    load(&SettingSources { config_file, environment: environment(variables), ..SettingSources::default() })
}

fn load(sources: &SettingSources) -> Result<LoadedSettings, SettingProblems> {
    Settings::load_without(&[], sources)
}

fn file_with(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// Each problem as `key: message`.
#[track_caller]
fn messages(loaded: Result<LoadedSettings, SettingProblems>) -> Vec<String> {
    let problems = loaded.expect_err("the settings should be refused");
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.key.as_deref().unwrap_or("-"), problem.message))
        .collect()
}

/// The value that `check` shows of a setting.
#[track_caller]
fn effective(loaded: &LoadedSettings, key: &str) -> String {
    let row = loaded.effective.iter().find(|row| row.key == key);
    row.unwrap_or_else(|| panic!("{key} is not shown")).value.clone()
}
