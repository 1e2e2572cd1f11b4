//! Layers, and the source of each value.

use std::time::Duration;

use super::*;
use crate::files::FilePath;

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file_and_that_over_the_defaults() {
    let file = file_with(b"[cache]\nttl = '1h'\nstale = '2h'\nnegative_ttl = '3s'\n");
    let loaded = load(&SettingSources {
        config_file: Some(file.path().to_owned()),
        environment: environment(&[
            KEY,
            ("NEBULINK__CACHE__STALE", "4h"),
            ("NEBULINK__CACHE__NEGATIVE_TTL", "5s"),
        ]),
        overrides: vec![("cache.negative_ttl".to_owned(), "6s".to_owned())],
    })
    .unwrap();
    let cache = &loaded.settings.cache;
    assert_eq!(cache.max_size, 64 << 20);
    assert_eq!(cache.ttl, Duration::from_secs(60 * 60));
    assert_eq!(cache.stale, Duration::from_secs(4 * 60 * 60));
    assert_eq!(cache.negative_ttl, Duration::from_secs(6));
    // All four sources have the section, and each value has its own source.
    assert_eq!(source(&loaded, "cache.max_size"), SettingSource::Default);
    assert_eq!(source(&loaded, "cache.ttl"), SettingSource::File(FilePath::known(file.path())));
    assert_eq!(source(&loaded, "cache.stale"), variable("NEBULINK__CACHE__STALE"));
    assert_eq!(source(&loaded, "cache.negative_ttl"), SettingSource::CommandLine);
}

#[test]
fn each_problem_has_its_own_source_and_all_are_reported() {
    let file = file_with(b"[cache]\nttl = 'soon'\nmax_size = 5\n[log]\nformat = 'xml'\n");
    let problems = load(&SettingSources {
        config_file: Some(file.path().to_owned()),
        environment: environment(&[KEY, ("NEBULINK__CACHE__STALE", "4"), ("NEBULINK__LOG__LEVEL", "inof")]),
        overrides: vec![("server.listen".to_owned(), "8080".to_owned())],
    })
    .unwrap_err();
    let path = file.path().display();
    assert_eq!(
        problems.to_string(),
        format!(
            "server.listen (command line): not an address and port such as [::]:8080 or 127.0.0.1:8080\n\
             cache.max_size ({path}): not a size such as 64MiB\n\
             cache.ttl ({path}): not a duration such as 15s, 24h or 30d\n\
             cache.stale (environment variable NEBULINK__CACHE__STALE): \
             not a duration such as 15s, 24h or 30d\n\
             log.format ({path}): not one of: auto, text, json\n\
             log.level (environment variable NEBULINK__LOG__LEVEL): not off, error, warn, info, debug or trace, \
             or target=level for one part, separated by commas"
        )
    );
}

#[test]
fn the_environment_names_the_file_unless_the_command_line_does() {
    let (named, ignored) = (file_with(b"[cache]\nttl = '1h'\n"), file_with(b"[cache]\nttl = '2h'\n"));
    let path = |file: &NamedTempFile| file.path().to_str().unwrap().to_owned();
    let of_environment = load_environment(&[KEY, ("NEBULINK_CONFIG", &path(&named))]).unwrap();
    assert_eq!(of_environment.settings.cache.ttl, Duration::from_secs(60 * 60));
    let of_command_line = load(&SettingSources {
        config_file: Some(named.path().to_owned()),
        environment: environment(&[KEY, ("NEBULINK_CONFIG", &path(&ignored))]),
        ..SettingSources::default()
    });
    assert_eq!(of_command_line.unwrap().settings.cache.ttl, Duration::from_secs(60 * 60));
    assert!(load_environment(&[KEY, ("NEBULINK_CONFIG", "")]).is_ok());
}

#[test]
fn unknown_and_secret_settings_are_refused_on_the_command_line() {
    let overrides =
        [("cache.tttl", "1h"), ("ttl", "1h"), ("shared_cache.url", "redis://h"), ("nebuly.proxy", "")];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let sources = SettingSources { environment: environment(&[KEY]), overrides, ..SettingSources::default() };
    assert_eq!(
        messages(load(&sources)),
        [
            "cache.tttl: not a setting; did you mean cache.ttl?",
            "ttl: not a setting",
            "shared_cache.url: a secret, and never taken from the command line",
            "nebuly.proxy: a secret, and never taken from the command line",
        ]
    );
}
