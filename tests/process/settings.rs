//! Settings as the program loads them.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use nebulink::files::FilePath;
use nebulink::settings::{SettingProblem, SettingSource, SettingSources, Settings};

fn sources(config_file: Option<&Path>, environment: &[(&str, &str)]) -> SettingSources {
    SettingSources {
        config_file: config_file.map(Path::to_owned),
        environment: environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect(),
        overrides: Vec::new(),
    }
}

#[test]
fn one_variable_is_enough_to_start() {
    let loaded = Settings::load(&sources(None, &[("NEBULY_API_KEY", "key")])).unwrap();
    assert_eq!(loaded.settings.projects.len(), 1);
    let row = loaded.effective.iter().find(|row| row.key == "server.listen").unwrap();
    assert_eq!((row.value.as_str(), row.source.to_string()), ("[::]:8080", "default".to_owned()));
}

#[test]
fn all_that_is_wrong_is_reported_at_once_with_key_and_source() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[cache]\nttl = 'soon'\nsize = '1MiB'\n").unwrap();
    let environment = [("NEBULINK__SERVER__WORKERS", "many"), ("NEBULINK__SERVER__WORKER", "4")];
    let problems = Settings::load(&sources(Some(file.path()), &environment)).unwrap_err();
    let problems: Vec<(Option<&str>, &SettingSource)> =
        problems.iter().map(|SettingProblem { key, source, .. }| (key.as_deref(), source)).collect();
    let of_file = SettingSource::File(FilePath::known(file.path()));
    let of_variable = |name: &str| SettingSource::Environment(name.to_owned());
    assert_eq!(
        problems,
        [
            (Some("cache.size"), &of_file),
            (Some("server.worker"), &of_variable("NEBULINK__SERVER__WORKER")),
            (Some("server.workers"), &of_variable("NEBULINK__SERVER__WORKERS")),
            (Some("projects"), &SettingSource::Default),
            (Some("cache.ttl"), &of_file),
        ]
    );
}

#[test]
fn the_process_environment_is_taken_as_it_is() {
    let sources = SettingSources::of_process(None, vec![("server.listen".to_owned(), "[::]:0".to_owned())]);
    assert_eq!(sources.environment.len(), std::env::vars_os().count());
    assert_eq!(sources.overrides.len(), 1);
}
