//! Helpers of the settings' tests.

mod configuration_page;
mod defaults;
mod dependent_defaults;
mod environment;
mod file;
mod layers;
mod projects;
mod properties;
mod secrets;
mod sections;
mod values;

use std::ffi::OsString;
use std::io::Write;

use tempfile::NamedTempFile;

use super::schema;
use super::{LoadedSettings, SettingProblems, SettingSource, SettingSources, Settings};

/// A key for tests of other settings.
const KEY: (&str, &str) = ("NEBULY_API_KEY", "key");

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Loads settings from these variables alone.
fn load_environment(variables: &[(&str, &str)]) -> Result<LoadedSettings, SettingProblems> {
    load(&SettingSources { environment: environment(variables), ..SettingSources::default() })
}

/// Loads settings from a file and these variables.
fn load_file(content: &str, variables: &[(&str, &str)]) -> Result<LoadedSettings, SettingProblems> {
    let file = file_with(content.as_bytes());
    let config_file = Some(file.path().to_owned());
    load(&SettingSources { config_file, environment: environment(variables), ..SettingSources::default() })
}

fn load(sources: &SettingSources) -> Result<LoadedSettings, SettingProblems> {
    Settings::load(sources)
}

fn file_with(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// Returns each problem as `key: message`.
#[track_caller]
fn messages(loaded: Result<LoadedSettings, SettingProblems>) -> Vec<String> {
    let problems = loaded.expect_err("the settings should be refused");
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.key.as_deref().unwrap_or("-"), problem.message))
        .collect()
}

/// Returns the value of a setting that `check` shows.
#[track_caller]
fn effective(loaded: &LoadedSettings, key: &str) -> String {
    let row = loaded.effective.iter().find(|row| row.key == key);
    row.unwrap_or_else(|| panic!("{key} is not shown")).value.clone()
}

/// Sets one setting in the environment, beside an API key, and returns its one message.
#[track_caller]
fn refused(key: &str, value: &str) -> String {
    let [message] = messages(load_with(key, value)).try_into().expect("one problem");
    message.strip_prefix(&format!("{key}: ")).expect("a problem with the setting").to_owned()
}

fn load_with(key: &str, value: &str) -> Result<LoadedSettings, SettingProblems> {
    let (section, name) = key.split_once('.').unwrap();
    load_environment(&[KEY, (&schema::variable(section, name), value)])
}

#[track_caller]
fn accepted(key: &str, value: &str) -> Settings {
    load_with(key, value).unwrap_or_else(|problems| panic!("{problems}")).settings
}

#[track_caller]
fn each_is_refused(key: &str, message: &str, values: &[&str]) {
    for value in values {
        assert_eq!(refused(key, value), message, "{key} = {value}");
    }
}

fn load_with_both(one: (&str, &str), other: (&str, &str)) -> Result<LoadedSettings, SettingProblems> {
    let variables = [one, other].map(|(key, value)| {
        let (section, name) = key.split_once('.').unwrap();
        (schema::variable(section, name), value)
    });
    let [one, other] = &variables;
    load_environment(&[KEY, (&one.0, one.1), (&other.0, other.1)])
}

fn variable(name: &str) -> SettingSource {
    SettingSource::Environment(name.to_owned())
}

#[track_caller]
fn source(loaded: &LoadedSettings, key: &str) -> SettingSource {
    loaded.effective.iter().find(|row| row.key == key).unwrap().source.clone()
}
