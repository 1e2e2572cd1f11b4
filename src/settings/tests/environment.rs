//! Environment variables.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

#[test]
fn unknown_variables_are_problems_and_those_of_kubernetes_are_ignored() {
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
    // No setting's name is taken for a variable of Kubernetes.
    for (section, name) in schema::Schema::embedded().unwrap().settings() {
        for joined in ["_", "__"] {
            let variable = format!("NEBULINK_{section}{joined}{name}").to_ascii_uppercase();
            assert!(load_environment(&[KEY, (&variable, "1")]).is_err(), "{variable}");
        }
    }
}

#[test]
fn variables_of_kubernetes_services_are_ignored() {
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
fn a_variable_that_is_not_utf_8_is_a_problem() {
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
