//! Layers, and where a value came from.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::{ApiKeySetting, SettingSource};
use super::*;
use crate::files::FilePath;

fn variable(name: &str) -> SettingSource {
    SettingSource::Environment(name.to_owned())
}

#[track_caller]
fn source(loaded: &LoadedSettings, key: &str) -> SettingSource {
    loaded.effective.iter().find(|row| row.key == key).unwrap().source.clone()
}

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
    // All four sources have touched the section, and none is taken for another.
    assert_eq!(source(&loaded, "cache.max_size"), SettingSource::Default);
    assert_eq!(source(&loaded, "cache.ttl"), SettingSource::File(FilePath::known(file.path())));
    assert_eq!(source(&loaded, "cache.stale"), variable("NEBULINK__CACHE__STALE"));
    assert_eq!(source(&loaded, "cache.negative_ttl"), SettingSource::CommandLine);
}

#[test]
fn a_bad_value_is_blamed_on_its_own_source_and_all_of_them_are_reported() {
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
fn a_setting_that_cannot_be_read_breaks_no_rule_between_settings() {
    // The default of the one that cannot be read would break it.
    for (content, wrong) in [
        ("[server]\nlisten = 'x'\nmanagement_listen = '127.0.0.1:8080'", "server.listen"),
        ("[server]\npublic_url = 'x'\nbase_path = '/nebuly'", "server.public_url"),
        ("[server]\npublic_url = 'https://go.example'\nbase_path = '/?'", "server.base_path"),
        ("[nebuly]\napi_base_url = 'http://nebuly.example'\nallow_http = 'maybe'", "nebuly.allow_http"),
        ("[nebuly]\ndeadline = 'x'\nattempt_timeout = '1m'", "nebuly.deadline"),
        ("[shared_cache]\nurl = 'x'\nurl_file = '/nowhere'", "shared_cache.url"),
    ] {
        let problems = messages(load_file(content, &[KEY]));
        assert!(problems[0].starts_with(wrong), "{problems:?}");
        // A file that is not there is a problem of its own.
        assert_eq!(problems.len(), 1 + usize::from(wrong == "shared_cache.url"), "{problems:?}");
    }
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
fn a_file_that_cannot_be_used_is_named_once_and_the_rest_is_still_checked() {
    let missing = load(&SettingSources {
        config_file: Some("/nowhere/nebulink.toml".into()),
        environment: environment(&[("NEBULINK__CACHE__TTL", "x")]),
        ..SettingSources::default()
    });
    assert_eq!(
        missing.unwrap_err().to_string(),
        "/nowhere/nebulink.toml: cannot be read: No such file or directory (os error 2)\n\
         cache.ttl (environment variable NEBULINK__CACHE__TTL): not a duration such as 15s, 24h or 30d"
    );
    let file = file_with(b"[cache]\nttl = \xff");
    let config_file = Some(file.path().to_owned());
    assert_eq!(
        messages(load(&SettingSources { config_file, ..SettingSources::default() })),
        ["-: not UTF-8"]
    );
}

#[test]
fn a_syntax_error_is_shown_by_line_and_column_alone() {
    for (content, expected) in [
        ("[cache]\nttl = soon\n", "-: not TOML (line 2, column 7)"),
        ("[cache]\nttl = '1h'\nttl = '2h'\n", "-: not TOML (line 3, column 1)"),
        ("[cache", "-: not TOML (line 1, column 7)"),
    ] {
        assert_eq!(messages(load_file(content, &[])), [expected], "{content}");
    }
}

#[test]
fn unknown_keys_of_a_file_are_all_listed_with_what_may_have_been_meant() {
    let content = "
        listen = ':80'
        [cach]
        [cache]
        max-size = '1MiB'
        tttl = '1h'
        deadline = '1s'
        [server.tls]
        [frobnicate]
        x = 1
        [[projects]]
        name = 'a'
        apiKey = 'x'
        api_key_file = '/key'
        [[projects]]
        url = 1
        name = 'b'
        api_key = 'y'";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "cach: not a setting; did you mean cache?",
            "cache.deadline: not a setting; did you mean nebuly.deadline?",
            "cache.max-size: not a setting; did you mean cache.max_size?",
            "cache.tttl: not a setting; did you mean cache.ttl?",
            "frobnicate: not a setting",
            "listen: not a setting; did you mean server.listen?",
            "projects[0].apiKey: not a setting; did you mean projects[0].api_key?",
            "projects[1].url: not a setting",
            "server.tls: not a setting",
        ]
    );
}

#[test]
fn a_quoted_name_with_a_dot_is_no_setting() {
    assert_eq!(
        messages(load_file("'cache.ttl' = '1h'", &[KEY])),
        ["(a name that is not shown): not a setting"]
    );
}

#[test]
fn what_should_be_a_section_or_a_list_is_said() {
    let content = "cache = 5\nprojects = 'a'\nserver = []";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "cache: not a section: write it as [cache]",
            "projects: not a list: write each project as [[projects]]",
            "server: not a section: write it as [server]",
        ]
    );
    assert_eq!(
        messages(load_file("projects = ['key']", &[])),
        ["projects[0]: not a project: write it as [[projects]]"]
    );
}

#[test]
fn unknown_variables_are_named_and_those_of_kubernetes_left_alone() {
    let problems = load_environment(&[
        KEY,
        ("NEBULINK_PORT", "tcp://10.0.0.1:80"),
        ("NEBULINK_SERVICE_HOST", "10.0.0.1"),
        ("NEBULINK__CACHE__TTTL", "1h"),
        ("NEBULINK__SHARED_CASHE__CA_FILE", ""),
        ("NEBULINK__cache__ttl", "1h"),
        ("NEBULINK__CACHE", "1h"),
        ("NEBULINK__PROJECTS__0__API_KEY", "k"),
        ("NEBULINK__", ""),
    ])
    .unwrap_err();
    assert_eq!(
        problems.to_string(),
        "cache.tttl (environment variable NEBULINK__CACHE__TTTL): \
         not a setting; did you mean NEBULINK__CACHE__TTL?\n\
         shared_cashe.ca_file (environment variable NEBULINK__SHARED_CASHE__CA_FILE): \
         not a setting; did you mean NEBULINK__SHARED_CACHE__CA_FILE?\n\
         cache.ttl (environment variable NEBULINK__cache__ttl): \
         not a setting; did you mean NEBULINK__CACHE__TTL?\n\
         cache (environment variable NEBULINK__CACHE): not a setting\n\
         projects.0.api_key (environment variable NEBULINK__PROJECTS__0__API_KEY): not a setting; \
         projects are set in the settings file, or one by NEBULY_API_KEY or NEBULY_API_KEY_FILE\n \
         (environment variable NEBULINK__): not a setting"
    );
}

#[test]
fn a_variable_with_an_underscore_too_few_is_a_problem_that_names_the_right_one() {
    for (name, key, message) in [
        ("NEBULINK_CACHE__TTL", "cache.ttl", "did you mean NEBULINK__CACHE__TTL?"),
        ("NEBULINK_CACHE_TTL", "cache_ttl", "did you mean NEBULINK__CACHE__TTL?"),
        ("NEBULINK__CACHE_TTL", "cache_ttl", "did you mean NEBULINK__CACHE__TTL?"),
        ("NEBULINK_cache_ttl", "cache_ttl", "did you mean NEBULINK__CACHE__TTL?"),
        (
            "NEBULINK_SHARED_CACHE_URL_FILE",
            "shared_cache_url_file",
            "did you mean NEBULINK__SHARED_CACHE__URL_FILE?",
        ),
        ("NEBULINK_SHARED__CACHE_URL", "shared.cache_url", "did you mean NEBULINK__SHARED_CACHE__URL?"),
        ("NEBULINK_SERVER_LISTEN", "server_listen", "did you mean NEBULINK__SERVER__LISTEN?"),
        ("NEBULINK_CACHE__TTTL", "cache.tttl", "did you mean NEBULINK__CACHE__TTL?"),
        ("NEBULINK_API_KEY", "api_key", "did you mean NEBULY_API_KEY?"),
        ("NEBULINK_API_KEY_FILE", "api_key_file", "did you mean NEBULY_API_KEY_FILE?"),
        ("NEBULINK_API_BASE_URL", "api_base_url", "did you mean NEBULY_API_BASE_URL?"),
        ("NEBULINK_LOG", "log", "those of log begin with NEBULINK__LOG__"),
        (
            "NEBULINK_SHARED_CACHE",
            "shared_cache",
            "those of shared_cache begin with NEBULINK__SHARED_CACHE__",
        ),
    ] {
        let problems = load_environment(&[KEY, (name, "canary")]).unwrap_err();
        let expected = format!("{key} (environment variable {name}): not a setting; {message}");
        assert_eq!(problems.to_string(), expected);
    }
    // Whatever a setting is called, it is not taken for what Kubernetes sets.
    for (section, name) in super::super::schema::Schema::embedded().unwrap().settings() {
        for joined in ["_", "__"] {
            let variable = format!("NEBULINK_{section}{joined}{name}").to_ascii_uppercase();
            assert!(load_environment(&[KEY, (&variable, "1")]).is_err(), "{variable}");
        }
    }
}

#[test]
fn what_kubernetes_sets_for_any_service_is_left_alone() {
    let address = "tcp://10.0.0.1:8080";
    for service in [
        "NEBULINK",
        "NEBULINK_CACHE",
        "NEBULINK_CACHE_TTL",
        "NEBULINK_LOG",
        "NEBULINK_A__B",
        "NEBULINK_SERVER",
        "NEBULINK__CANARY",
    ] {
        for ending in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "SERVICE_PORT_METRICS_2",
            "PORT",
            "PORT_8080_TCP",
            "PORT_8080_TCP_PROTO",
            "PORT_8080_TCP_PORT",
            "PORT_8080_TCP_ADDR",
            "PORT_53_UDP",
            "PORT_53_UDP_ADDR",
            "PORT_9_SCTP_PROTO",
        ] {
            let name = format!("{service}_{ending}");
            let loaded =
                load_environment(&[KEY, (&name, address)]).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(loaded.warnings, [], "{name}");
        }
    }
    for name in ["NEBULINK_TEST_HOST", "NEBULINK_TEST_CACHE__TTL", "NEBULY_OTHER", "NEBULINKS_CACHE_TTL"] {
        assert_eq!(load_environment(&[KEY, (name, "x")]).unwrap().warnings, [], "{name}");
    }
    let warnings = load_environment(&[KEY, ("NEBULINK_RELEASE", "x")]).unwrap().warnings;
    assert_eq!(
        warnings[0].to_string(),
        "release (environment variable NEBULINK_RELEASE): not a setting, and ignored"
    );
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

#[test]
fn a_value_that_is_not_utf_8_is_a_problem_of_its_variable() {
    let bytes = OsStr::from_bytes(b"\xff").to_owned();
    for (name, key) in [
        ("NEBULINK__CACHE__TTL", "cache.ttl"),
        ("NEBULY_API_KEY", "projects.api_key"),
        ("NEBULY_API_KEY_FILE", "projects.api_key_file"),
        ("NEBULY_API_BASE_URL", "nebuly.api_base_url"),
    ] {
        let mut variables = vec![(OsString::from(name), bytes.clone())];
        if !key.starts_with("projects") {
            variables.extend(environment(&[KEY]));
        }
        let problems =
            load(&SettingSources { environment: variables, ..SettingSources::default() }).unwrap_err();
        assert_eq!(problems.to_string(), format!("{key} (environment variable {name}): not UTF-8"));
    }
}

#[test]
fn the_names_of_nebulys_example_describe_one_project() {
    let loaded = load_environment(&[
        ("NEBULY_API_KEY", " 0123456789\n"),
        ("NEBULY_API_BASE_URL", "https://nebuly.example/api/external/"),
    ])
    .unwrap();
    let [project] = loaded.settings.projects.as_slice() else { panic!("one project") };
    assert_eq!(project.name.as_str(), "default");
    // Digits alone stay text.
    assert!(matches!(&project.key, ApiKeySetting::Inline(key) if key.expose_secret() == "0123456789"));
    assert_eq!(loaded.settings.nebuly.api_base_url.as_str(), "https://nebuly.example/api/external");
    assert_eq!(source(&loaded, "nebuly.api_base_url"), variable("NEBULY_API_BASE_URL"));
    assert_eq!(source(&loaded, "projects[0].api_key"), variable("NEBULY_API_KEY"));

    let loaded =
        load_environment(&[("NEBULY_API_KEY", ""), ("NEBULY_API_KEY_FILE", "/nowhere/key")]).unwrap();
    let project = &loaded.settings.projects[0];
    assert!(matches!(&project.key, ApiKeySetting::File(path) if path.as_path() == Path::new("/nowhere/key")));
}

#[test]
fn two_ways_to_set_one_thing_are_refused() {
    let file = "[[projects]]\nname = 'a'\napi_key = 'x'";
    assert_eq!(
        messages(load_file(file, &[KEY])),
        ["projects.api_key: describes a project beside [[projects]]: keep one of the two"]
    );
    assert_eq!(
        messages(load_file(file, &[("NEBULY_API_KEY_FILE", "/key")])),
        ["projects.api_key_file: describes a project beside [[projects]]: keep one of the two"]
    );
    assert!(load_file("projects = []", &[KEY]).is_ok());
    assert_eq!(
        messages(load_environment(&[KEY, ("NEBULY_API_KEY_FILE", "/key")])),
        ["projects.api_key_file: set beside NEBULY_API_KEY: keep one of the two"]
    );
    let (one, other) = ("https://one.example", "https://other.example");
    assert_eq!(
        messages(load_environment(&[
            KEY,
            ("NEBULY_API_BASE_URL", one),
            ("NEBULINK__NEBULY__API_BASE_URL", other)
        ])),
        ["nebuly.api_base_url: differs from NEBULINK__NEBULY__API_BASE_URL: set one of the two"]
    );
    let same = [KEY, ("NEBULY_API_BASE_URL", one), ("NEBULINK__NEBULY__API_BASE_URL", one)];
    assert!(load_environment(&same).is_ok());
}

#[test]
fn without_a_project_it_says_how_to_set_one() {
    for loaded in
        [load_environment(&[]), load_environment(&[("NEBULY_API_KEY", " ")]), load_file("projects = []", &[])]
    {
        assert_eq!(
            messages(loaded),
            ["projects: no project is set: set NEBULY_API_KEY or NEBULY_API_KEY_FILE in the environment, \
              or [[projects]] in the settings file"]
        );
    }
}

#[test]
fn lists_are_written_with_commas_in_the_environment() {
    let loaded = load_environment(&[
        KEY,
        ("NEBULINK__LOOKUP__TAGS", " ticket_id, trace_id ,"),
        ("NEBULINK__NEBULY__ALLOWED_HOSTS", ""),
    ])
    .unwrap();
    assert_eq!(loaded.settings.lookup.tags, ["ticket_id", "trace_id"]);
    assert_eq!(loaded.settings.nebuly.allowed_hosts.to_string(), "v2.platform.eu.nebuly.com");
    assert_eq!(effective(&loaded, "nebuly.allowed_hosts"), "(not set)");
}

#[test]
fn numbers_and_flags_may_be_written_as_text_and_as_helm_writes_them() {
    let loaded =
        load_file("[limits]\ncold_burst = 200.0\nbatch = '7'\n[preview]\ndetails = 'true'", &[KEY]).unwrap();
    assert_eq!((loaded.settings.limits.cold_burst, loaded.settings.limits.batch), (200, 7));
    assert!(loaded.settings.preview.details);
    assert_eq!(effective(&loaded, "limits.cold_burst"), "200");
}
