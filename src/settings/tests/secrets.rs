//! Secrets are never shown.

use secrecy::ExposeSecret;

use super::*;

/// A secret that must not be shown.
const CANARY: &str = "CANARYcanary0123";

/// Returns everything that a load may show.
fn visible(loaded: &Result<LoadedSettings, SettingProblems>) -> String {
    match loaded {
        Ok(loaded) => format!("{loaded:?} {:?}", loaded.settings.clone()),
        Err(problems) => format!("{problems} {problems:?}"),
    }
}

#[track_caller]
fn hidden(loaded: &Result<LoadedSettings, SettingProblems>) {
    let visible = visible(loaded);
    assert!(!visible.contains(CANARY) && !visible.contains(&CANARY.to_ascii_lowercase()), "{visible}");
}

#[test]
fn good_secrets_are_kept_and_not_shown() {
    let file = file_with(format!("redis://:{CANARY}@cache").as_bytes());
    let loaded = load_environment(&[
        ("NEBULY_API_KEY", CANARY),
        ("NEBULINK__NEBULY__PROXY", &format!("http://{CANARY}:{CANARY}@proxy.example:3128")),
        ("NEBULINK__SHARED_CACHE__URL_FILE", file.path().to_str().unwrap()),
    ]);
    hidden(&loaded);
    let loaded = loaded.unwrap();
    assert_eq!(effective(&loaded, "projects[0].api_key"), "(set)");
    assert_eq!(effective(&loaded, "nebuly.proxy"), "http://proxy.example:3128");
    assert_eq!(effective(&loaded, "shared_cache.url"), "(not set)");
    let settings = loaded.settings;
    assert!(settings.shared_cache.url.unwrap().expose_secret().contains(CANARY));
    assert!(settings.nebuly.proxy.unwrap().expose_secret().contains(CANARY));

    let url = format!("redis://{CANARY}:{CANARY}@cache.example/0?token={CANARY}");
    let loaded = load_environment(&[KEY, ("NEBULINK__SHARED_CACHE__URL", &url)]);
    hidden(&loaded);
    assert_eq!(effective(&loaded.unwrap(), "shared_cache.url"), "redis://cache.example");
}

#[test]
fn malformed_secrets_are_not_shown() {
    for (name, value) in [
        ("NEBULY_API_KEY", format!("{CANARY} {CANARY}")),
        ("NEBULY_API_KEY", format!("ä{CANARY}")),
        ("NEBULY_API_BASE_URL", format!("https://user:{CANARY}@nebuly.example")),
        ("NEBULY_API_BASE_URL", format!("https://nebuly.example?key={CANARY}")),
        ("NEBULY_API_BASE_URL", CANARY.to_owned()),
        ("NEBULINK__NEBULY__PLATFORM_URL", format!("https://user:{CANARY}@nebuly.example")),
        ("NEBULINK__NEBULY__ALLOWED_HOSTS", format!("user:{CANARY}@nebuly.example")),
        ("NEBULINK__NEBULY__PROXY", format!("http://user:{CANARY}#@proxy")),
        ("NEBULINK__NEBULY__PROXY", CANARY.to_owned()),
        ("NEBULINK__NEBULY__CA_FILE", CANARY.to_owned()),
        ("NEBULINK__SERVER__PUBLIC_URL", format!("https://user:{CANARY}@go.example")),
        ("NEBULINK__SHARED_CACHE__URL", format!("rediss://:{CANARY}@cache#insecure")),
        ("NEBULINK__SHARED_CACHE__URL", CANARY.to_owned()),
        ("NEBULINK__ACCESS__CORS_ORIGINS", format!("https://user:{CANARY}@tools.example")),
        ("NEBULINK__ACCESS__API_TOKENS_FILE", format!("name = {CANARY}")),
        ("NEBULINK__CACHE__TTL", CANARY.to_owned()),
        ("NEBULINK__CACHE__MAX_SIZE", CANARY.to_owned()),
        ("NEBULINK__NO__SETTING", CANARY.to_owned()),
    ] {
        let loaded = load_environment(&[(name, &value)]);
        hidden(&loaded);
        assert!(loaded.is_err(), "{name}");
    }
    let file = file_with(format!("{CANARY}://x").as_bytes());
    hidden(&load_environment(&[KEY, ("NEBULINK__SHARED_CACHE__URL_FILE", file.path().to_str().unwrap())]));
}

#[test]
fn secrets_in_place_of_a_path_are_not_shown() {
    const HIDDEN: &str = "(not shown, as it does not look like a path)";
    for secret in [CANARY.to_owned(), format!("redis://:{CANARY}@cache:6379"), format!("/a/{CANARY}z")] {
        let secret = secret.as_str();
        for name in [
            "NEBULINK_CONFIG",
            "NEBULINK__NEBULY__CA_FILE",
            "NEBULINK__SHARED_CACHE__CA_FILE",
            "NEBULINK__SHARED_CACHE__URL_FILE",
            "NEBULINK__ACCESS__API_TOKENS_FILE",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
        ] {
            let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318");
            let loaded = load_environment(&[KEY, collector, (name, secret)]);
            hidden(&loaded);
            assert!(loaded.is_err(), "{name}");
        }
        // The settings do not check that the file exists.
        let snapshot = ("NEBULINK__CACHE__SNAPSHOT_FILE", secret);
        let loaded = load_environment(&[("NEBULY_API_KEY_FILE", secret), snapshot]);
        hidden(&loaded);
        let loaded = loaded.unwrap();
        assert_eq!(effective(&loaded, "projects[0].api_key_file"), HIDDEN);
        assert_eq!(effective(&loaded, "cache.snapshot_file"), HIDDEN);
        let sources = SettingSources { config_file: Some(secret.into()), ..SettingSources::default() };
        assert!(!format!("{sources:?}").contains(CANARY));
        hidden(&load(&sources));
    }
}

#[test]
fn secrets_in_any_place_and_form_of_a_file_are_not_shown() {
    for content in [
        format!("[[projects]]\nname = 'a'\napi_key = ['{CANARY}']"),
        format!("[[projects]]\nname = 'a'\napi_key = {{ {CANARY} = '{CANARY}' }}"),
        format!("[[projects]]\nname = '{CANARY} '\napi_key = '{CANARY} {CANARY}'"),
        format!("[[projects]]\nname = 'a'\napi_kee = '{CANARY}'"),
        format!("[[projects]]\nname = 'a'\n{CANARY} = 'api_key'"),
        format!("[[projects]]\nname = 'a'\napi_key = '{CANARY}"),
        format!("[[projects]]\nname = 'a'\napi_key = {CANARY}"),
        format!("[[projects]]\nname = 'a'\napi_key = '{CANARY}'\napi_key = '{CANARY}'"),
        format!("projects = '{CANARY}'"),
        format!("projects = ['{CANARY}']"),
        format!("{CANARY} = 1"),
        format!("[{CANARY}]"),
        format!("cache = '{CANARY}'"),
        format!("[cache]\n{CANARY} = 1"),
        format!("[shared_cache]\nurl = ['redis://:{CANARY}@cache']"),
        format!("[nebuly]\nproxy = {{ url = 'http://:{CANARY}@proxy' }}"),
        format!("[nebuly]\nproxy = http://:{CANARY}@proxy"),
    ] {
        let loaded = load_file(&content, &[]);
        hidden(&loaded);
        assert!(loaded.is_err(), "{content}");
    }
}

#[test]
fn secrets_on_the_command_line_are_refused_and_not_shown() {
    let overrides = vec![
        ("shared_cache.url".to_owned(), format!("redis://:{CANARY}@cache")),
        ("projects.api_key".to_owned(), CANARY.to_owned()),
    ];
    let sources = SettingSources {
        overrides,
        environment: environment(&[("NEBULY_API_KEY", CANARY)]),
        ..SettingSources::default()
    };
    assert!(!format!("{sources:?}").contains(CANARY));
    let loaded = load(&sources);
    hidden(&loaded);
    assert_eq!(loaded.unwrap_err().iter().count(), 2);
}

#[test]
fn control_characters_are_escaped() {
    let tag = "a\u{202e}b";
    let loaded = load_environment(&[KEY, ("NEBULINK__LOOKUP__TAGS", tag)]).unwrap();
    assert_eq!(effective(&loaded, "lookup.tags"), "a\\u{202e}b");
    let problems = load_environment(&[KEY, ("NEBULINK__\u{1b}[2J", "")]).unwrap_err().to_string();
    assert!(!problems.contains('\u{1b}'), "{problems}");
}

#[test]
fn headers_and_user_of_the_collector_are_kept_and_not_shown() {
    let endpoint = format!("http://{CANARY}:{CANARY}@collector.example:4318");
    let loaded = load_environment(&[
        KEY,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-tenant={CANARY}")),
    ]);
    hidden(&loaded);
    let traces = loaded.unwrap().settings.traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://collector.example:4318/v1/traces");
    assert_eq!(traces.headers["x-tenant"], CANARY);
    assert!(traces.headers["authorization"].to_str().unwrap().starts_with("Basic "));
}
