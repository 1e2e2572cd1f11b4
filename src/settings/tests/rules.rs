//! What each setting may be.

use std::time::Duration;

use super::super::{ApiKeySetting, ProjectSettings, schema};
use super::*;

/// The messages about one setting, from the environment, with a key set beside it.
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

fn project(settings: &str) -> Result<Vec<ProjectSettings>, SettingProblems> {
    load_file(&format!("[[projects]]\n{settings}"), &[]).map(|loaded| loaded.settings.projects)
}

#[test]
fn durations_in_their_spellings() {
    for (text, milliseconds) in [
        ("15s", 15_000),
        ("90s", 90_000),
        ("1m", 60_000),
        ("500ms", 500),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("24h", 86_400_000),
        ("30d", 2_592_000_000),
        ("3650d", 315_360_000_000),
    ] {
        assert_eq!(accepted("cache.ttl", text).cache.ttl, Duration::from_millis(milliseconds), "{text}");
    }
    let not_a_duration = "not a duration such as 15s, 24h or 30d";
    let values = ["", "15", "s", "-1s", "1 fortnight", "1e3s", "18446744073709551615s1000ms", "١s"];
    each_is_refused("cache.ttl", not_a_duration, &values);
    assert_eq!(
        messages(load_file("[cache]\nttl = 15\nstale = ['1d']\nnegative_ttl = 1979-05-27", &[KEY])),
        ["cache.ttl", "cache.stale", "cache.negative_ttl"].map(|key| format!("{key}: {not_a_duration}"))
    );
    each_is_refused("cache.ttl", "must be at most 3650d", &["3651d", "11y", "584542046090y"]);
    each_is_refused("redirect.max_age", "must be at most 365d", &["366d"]);
    each_is_refused("cache.snapshot_interval", "must be at least 1s", &["1ns", "999ms", "0s"]);
    accepted("cache.snapshot_interval", "1s");
}

#[test]
fn zero_is_refused_where_it_makes_no_sense() {
    for key in [
        "server.header_timeout",
        "server.idle_timeout",
        "server.request_timeout",
        "nebuly.connect_timeout",
        "nebuly.attempt_timeout",
        "nebuly.deadline",
        "cache.ttl",
        "shared_cache.timeout",
        "lookup.window",
    ] {
        assert_eq!(refused(key, "0s"), "must be longer than 0s", "{key}");
    }
    for key in [
        "server.drain_delay",
        "server.drain_timeout",
        "cache.stale",
        "cache.negative_ttl",
        "redirect.max_age",
        "redirect.max_wait",
    ] {
        accepted(key, "0s");
    }
}

#[test]
fn sizes_in_their_spellings() {
    for (text, bytes) in [
        ("1MiB", 1 << 20),
        ("64 MiB", 64 << 20),
        ("64mib", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("2MB", 2_000_000),
        ("1048576", 1 << 20),
        ("1TiB", 1 << 40),
    ] {
        assert_eq!(accepted("cache.max_size", text).cache.max_size, bytes, "{text}");
    }
    each_is_refused("cache.max_size", "not a size such as 64MiB", &["", "big", "-1MiB", "64XiB", "NaN"]);
    each_is_refused(
        "cache.max_size",
        "not a size from 1MiB to 1TiB",
        &["0", "1023KiB", "2TiB", "99999999EiB"],
    );
}

#[test]
fn whole_numbers_have_bounds() {
    for (key, range) in [
        ("server.max_connections", "1 to 1000000"),
        ("server.workers", "0 to 1024"),
        ("nebuly.retries", "0 to 10"),
        ("nebuly.max_in_flight", "1 to 10000"),
        ("limits.cold_per_second", "1 to 1000000"),
        ("limits.cold_burst", "1 to 1000000"),
        ("limits.batch", "1 to 10000"),
    ] {
        let message = format!("not a whole number from {range}");
        each_is_refused(
            key,
            &message,
            &["", "-1", "1.5", "many", "1000001", "99999999999999999999999999999999999999999"],
        );
        let (least, most) = range.split_once(" to ").unwrap();
        accepted(key, least);
        accepted(key, most);
        if least == "1" {
            each_is_refused(key, &message, &["0"]);
        }
        let (section, name) = key.split_once('.').unwrap();
        for value in ["-1", "0.5", "nan", "1e300", "true", "[1]"] {
            let loaded = load_file(&format!("[{section}]\n{name} = {value}"), &[KEY]);
            assert_eq!(messages(loaded), [format!("{key}: {message}")], "{value}");
        }
    }
    assert!(accepted("server.workers", "0").server.workers > 0);
    assert_eq!(accepted("server.workers", "3").server.workers, 3);
}

#[test]
fn words_and_flags() {
    for (key, words) in [
        ("nebuly.resolve", "api, construct"),
        ("redirect.on_outage", "construct, error"),
        ("log.format", "auto, text, json"),
        ("log.access", "all, cold, errors, none"),
    ] {
        each_is_refused(key, &format!("not one of: {words}"), &["", "other"]);
        for word in words.split(", ") {
            let file = "[[projects]]\nname = 'a'\napi_key = 'x'\nproject_id = 'p'\norganization_id = 'o'";
            let (section, name) = key.split_once('.').unwrap();
            let variable = schema::variable(section, name);
            assert!(load_file(file, &[(&variable, word)]).is_ok(), "{key} = {word}");
        }
    }
    for key in ["nebuly.allow_http", "preview.details", "preview.unfurl"] {
        each_is_refused(key, "neither true nor false", &["", "yes", "1", "TRUE"]);
        accepted(key, "true");
        accepted(key, "false");
    }
}

#[test]
fn the_two_listeners_need_addresses_of_their_own() {
    let each = "not an address and port such as [::]:8080 or 127.0.0.1:8080";
    each_is_refused("server.listen", each, &["", "8080", ":8080", "localhost:8080", "[::]", "1.2.3.4:99999"]);
    each_is_refused("server.management_listen", each, &["9090"]);
    let load = |public, management| {
        load_environment(&[
            KEY,
            ("NEBULINK__SERVER__LISTEN", public),
            ("NEBULINK__SERVER__MANAGEMENT_LISTEN", management),
        ])
    };
    for (key, value, listeners) in [
        ("server.listen", "[::]:9090", ["[::]:9090", "127.0.0.1:9091"]),
        ("server.listen", "127.0.0.1:9090", ["127.0.0.1:9090", "127.0.0.1:9091"]),
        ("server.listen", "10.0.0.1:9090", ["10.0.0.1:9090", "127.0.0.1:9090"]),
        ("server.management_listen", "0.0.0.0:8080", ["[::]:8081", "0.0.0.0:8080"]),
        ("server.management_listen", "[::]:8081", ["[::]:8080", "[::]:8081"]),
    ] {
        let server = accepted(key, value).server;
        let expected = listeners.map(|address| address.parse().unwrap());
        assert_eq!([server.listen, server.management_listen], expected, "{key} = {value}");
    }
    for (public, management) in [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::]:80", "127.0.0.1:80"),
        ("10.0.0.1:80", "0.0.0.0:80"),
        ("[::]:80", "0.0.0.0:80"),
    ] {
        assert_eq!(
            messages(load(public, management)),
            [
                "server.management_listen: server.listen and server.management_listen take the same port of the \
              same address"
            ]
        );
    }
    for (public, management) in [
        ("[::]:80", "[::]:81"),
        ("[::]:0", "[::]:0"),
        ("127.0.0.1:80", "10.0.0.1:80"),
        ("0.0.0.0:80", "[::1]:80"),
    ] {
        assert!(load(public, management).is_ok(), "{public} {management}");
    }
}

#[test]
fn the_base_path_is_ready_to_stand_before_a_route() {
    for (text, path) in [("", ""), ("/", ""), ("/nebuly", "/nebuly"), ("/a/b-c.d_e~f/", "/a/b-c.d_e~f")] {
        assert_eq!(accepted("server.base_path", text).server.base_path, path);
    }
    let message = "not a path such as /nebuly, of letters, digits, hyphens, dots, underscores and tildes";
    let values = ["nebuly", "//", "/a//b", "/a/../b", "/.", "/a b", "/{x}", "/%61", "/a?b", "/ä"];
    each_is_refused("server.base_path", message, &values);
}

#[test]
fn the_public_url_is_complete_and_ends_with_the_base_path() {
    let load = |url, path| load_with_both(("server.public_url", url), ("server.base_path", path));
    for (url, path) in [
        ("https://go.example/nebuly", "/nebuly"),
        ("https://go.example/a/nebuly/", "/nebuly/"),
        ("https://go.example/a", "/"),
    ] {
        assert!(load(url, path).is_ok(), "{url} {path}");
    }
    let message =
        "server.public_url: server.public_url is complete, so its path must end with server.base_path";
    for url in ["https://go.example", "https://go.example/my-nebuly", "https://go.example/nebuly/a"] {
        assert_eq!(messages(load(url, "/nebuly")), [message], "{url}");
    }
}

#[test]
fn a_contact_is_a_link_or_a_short_text() {
    for text in [
        "https://help.example/?a=b",
        "mailto:help@example.com",
        "Service desk, ext. 77: ask for Ada",
        "Hilfe ☎ 7",
    ] {
        assert_eq!(accepted("server.contact", text).server.contact.as_deref(), Some(text));
    }
    let message = "not an address such as https://help.example or mailto:help@example.com, or a short text";
    let values = ["https://", "https:x", "https://a b", "mailto:", "mailto:a@b c", "a\nb", &"x".repeat(257)];
    each_is_refused("server.contact", message, &values);
}

#[test]
fn proxies_are_addresses_or_ranges() {
    let proxies = accepted("server.trusted_proxies", "10.0.0.7,10.1.0.0/16,fd00::/8").server.trusted_proxies;
    assert_eq!(proxies, ["10.0.0.7/32", "10.1.0.0/16", "fd00::/8"].map(|range| range.parse().unwrap()));
    each_is_refused(
        "server.trusted_proxies",
        "item 2: not an address or range such as 10.0.0.7 or 10.0.0.0/24",
        &["10.0.0.1,ingress", "10.0.0.1,10.0.0.0/33", "10.0.0.1, *"],
    );
    assert_eq!(
        messages(load_file("[server]\ntrusted_proxies = [10]", &[KEY])),
        ["server.trusted_proxies: not a list of texts in quotes"]
    );
}

#[test]
fn base_urls_are_plain_and_lose_their_trailing_slash() {
    for (text, url) in [
        ("https://nebuly.example", "https://nebuly.example/"),
        ("https://nebuly.example/api/external/", "https://nebuly.example/api/external"),
        ("https://nebuly.example:8443//", "https://nebuly.example:8443/"),
        ("http://localhost:9000/api", "http://localhost:9000/api"),
        ("http://127.0.0.2:1", "http://127.0.0.2:1/"),
        ("http://[::1]:1", "http://[::1]:1/"),
    ] {
        assert_eq!(accepted("nebuly.api_base_url", text).nebuly.api_base_url.as_str(), url);
        assert_eq!(accepted("nebuly.platform_url", text).nebuly.platform_url.as_str(), url);
        assert_eq!(accepted("server.public_url", text).server.public_url.unwrap().as_str(), url);
    }
    for key in ["nebuly.api_base_url", "nebuly.platform_url", "server.public_url"] {
        let no_url = [
            "nebuly.example",
            "https:nebuly.example",
            "https:/nebuly.example",
            "https://",
            "ftp://nebuly.example",
            "https://neb uly.example",
            "https://nebuly.example\\x",
            "https://nebuly\t.example",
            "HTTPS://nebuly.example",
        ];
        each_is_refused(key, "not a URL such as https://nebuly.example", &no_url);
        let user = [
            "https://user@nebuly.example",
            "https://user:pw@nebuly.example",
            "https://:pw@nebuly.example",
            "https://@nebuly.example",
            "https://user:1/pw@nebuly.example",
        ];
        each_is_refused(key, "must not hold a user or a password", &user);
        let more = ["https://nebuly.example?a=b", "https://nebuly.example/?", "https://nebuly.example/#a"];
        each_is_refused(key, "must not have a query or a fragment", &more);
    }
    each_is_refused("nebuly.api_base_url", "not a URL such as https://nebuly.example", &[""]);
    assert_eq!(
        accepted("server.public_url", "http://go.example/x").server.public_url.unwrap().as_str(),
        "http://go.example/x"
    );
}

#[test]
fn keys_go_out_in_clear_only_if_somebody_said_so() {
    each_is_refused(
        "nebuly.api_base_url",
        "must be https: http would send the keys in clear (nebuly.allow_http = true allows it)",
        &["http://nebuly.example", "http://localhost.example", "http://10.0.0.1", "http://[::2]"],
    );
    let url = ("NEBULINK__NEBULY__API_BASE_URL", "http://nebuly.example");
    assert!(load_environment(&[KEY, url, ("NEBULINK__NEBULY__ALLOW_HTTP", "true")]).is_ok());
    each_is_refused("nebuly.platform_url", "must be https", &["http://nebuly.example"]);
}

#[test]
fn the_front_end_is_always_an_allowed_host() {
    let nebuly = accepted("nebuly.platform_url", "https://nebuly.example:8443").nebuly;
    assert_eq!(nebuly.allowed_hosts.to_string(), "*.nebuly.com, nebuly.example:8443");
    each_is_refused(
        "nebuly.allowed_hosts",
        "item 2: not a host such as nebuly.example, *.nebuly.example or nebuly.example:8443",
        &["a.example,*", "a.example,https://b.example", "a.example,user:pw@b.example"],
    );
}

/// The durations that have to fit into each other, in this order.
const DURATIONS: [&str; 4] =
    ["nebuly.connect_timeout", "nebuly.attempt_timeout", "nebuly.deadline", "server.request_timeout"];

fn load_with_both(one: (&str, &str), other: (&str, &str)) -> Result<LoadedSettings, SettingProblems> {
    let variables = [one, other].map(|(key, value)| {
        let (section, name) = key.split_once('.').unwrap();
        (schema::variable(section, name), value)
    });
    let [one, other] = &variables;
    load_environment(&[KEY, (&one.0, one.1), (&other.0, other.1)])
}

fn durations(settings: &Settings) -> [Duration; 4] {
    let (nebuly, server) = (&settings.nebuly, &settings.server);
    [nebuly.connect_timeout, nebuly.attempt_timeout, nebuly.deadline, server.request_timeout]
}

#[track_caller]
fn fit(durations: [Duration; 4]) {
    let [connect, attempt, deadline, request] = durations;
    assert!(connect <= attempt && attempt <= deadline && deadline < request, "{durations:?}");
}

#[test]
fn a_duration_that_is_set_takes_precedence_over_every_default() {
    let seconds = Duration::from_secs;
    for (key, value, expected) in [
        ("nebuly.connect_timeout", "6s", [6_000, 6_000, 10_000, 30_000]),
        ("nebuly.connect_timeout", "1m", [60_000, 60_000, 60_000, 80_000]),
        ("nebuly.attempt_timeout", "600ms", [600, 600, 10_000, 30_000]),
        ("nebuly.attempt_timeout", "12s", [2_000, 12_000, 12_000, 30_000]),
        ("nebuly.deadline", "4s", [2_000, 4_000, 4_000, 30_000]),
        ("nebuly.deadline", "30s", [2_000, 5_000, 30_000, 40_000]),
        ("server.request_timeout", "10s", [2_000, 5_000, 7_500, 10_000]),
        ("server.request_timeout", "1s", [750, 750, 750, 1_000]),
    ] {
        assert_eq!(durations(&accepted(key, value)), expected.map(Duration::from_millis), "{key} = {value}");
    }
    for (position, key) in DURATIONS.iter().enumerate() {
        for value in ["10ns", "1ms", "1s 7ms 3ns", "7s", "11s", "2h", "2000d"] {
            let durations = durations(&accepted(key, value));
            fit(durations);
            assert_eq!(durations[position], humantime::parse_duration(value).unwrap(), "{key} = {value}");
        }
        accepted(key, "1ns");
        assert_eq!(durations(&accepted(key, "3650d"))[position], seconds(3650 * 24 * 60 * 60), "{key}");
    }
    let shown = load_with("nebuly.attempt_timeout", "600ms").unwrap();
    let row = shown.effective.iter().find(|row| row.key == "nebuly.connect_timeout").unwrap();
    assert_eq!(
        (row.value.as_str(), row.source.to_string().as_str()),
        ("600ms", "follows nebuly.attempt_timeout")
    );
}

#[test]
fn only_two_durations_that_are_both_set_contradict_each_other() {
    let values = ["600ms", "3s", "7s", "29s", "30s", "2m"];
    for (inner_at, inner) in DURATIONS.iter().enumerate() {
        for (outer_at, outer) in DURATIONS.iter().enumerate().skip(inner_at + 1) {
            for (short, long) in values.into_iter().flat_map(|one| values.map(|other| (one, other))) {
                let loaded = load_with_both((inner, short), (outer, long));
                let [inner_value, outer_value] =
                    [short, long].map(|text| humantime::parse_duration(text).unwrap());
                let is_last = *outer == "server.request_timeout";
                if inner_value < outer_value || (inner_value == outer_value && !is_last) {
                    let durations = durations(&loaded.unwrap().settings);
                    fit(durations);
                    assert_eq!((durations[inner_at], durations[outer_at]), (inner_value, outer_value));
                } else {
                    let must = if is_last { "be shorter" } else { "not be longer" };
                    let message = format!("{inner}: {inner} ({short}) must {must} than {outer} ({long})");
                    assert_eq!(messages(loaded), [message]);
                }
            }
        }
    }
    // Another mistake in the same section hides none of it.
    let file = "[nebuly]\nconnect_timeout = '7s'\nattempt_timeout = '6s'\ndeadline = '5s'\nretries = 'x'";
    assert_eq!(messages(load_file(file, &[KEY])).len(), 3);
}

#[test]
fn certificates_must_be_readable_files() {
    let file = file_with(b"");
    let path = file.path().to_str().unwrap();
    for key in ["nebuly.ca_file", "shared_cache.ca_file", "access.api_tokens_file"] {
        accepted(key, path);
        accepted(key, "");
        let missing = "the file cannot be read: No such file or directory (os error 2)";
        each_is_refused(key, missing, &["/nowhere/ca.pem"]);
        each_is_refused(key, "the file cannot be read: not a regular file", &["/", "/dev/zero"]);
    }
}

#[test]
fn proxy_urls() {
    let proxy = |text| load_with("nebuly.proxy", text).map(|loaded| effective(&loaded, "nebuly.proxy"));
    assert_eq!(proxy("http://proxy.example:3128").unwrap(), "http://proxy.example:3128");
    assert_eq!(proxy("https://user:pw@proxy.example/").unwrap(), "https://proxy.example");
    assert_eq!(proxy("").unwrap(), "(not set)");
    let no_url = "not a URL such as http://proxy.example:3128, without path, query and fragment \
                  (in a password, write / ? # @ as %2F %3F %23 %40)";
    let values =
        ["proxy.example:3128", "socks5://h", "http://", "http://h/x", "http://h?x", "http://u:1#pw@h"];
    each_is_refused("nebuly.proxy", no_url, &values);
}

#[test]
fn shared_cache_urls() {
    let shown = |key, value: &str| effective(&load_with(key, value).unwrap(), key);
    assert_eq!(
        shown("shared_cache.url", "rediss://user:pw@cache.example:6380/0"),
        "rediss://cache.example:6380"
    );
    let no_url = "not a URL such as redis://cache.example:6379/0, without fragment \
                  (in a password, write / ? # @ as %2F %3F %23 %40)";
    let values = [
        "cache:6379",
        "http://cache",
        "redis://",
        "unix:///x",
        "redis+unix:///x",
        "rediss://cache/#insecure",
        "redis://cache#",
        "redis://user:1/pw@cache",
        "redis://user:1?pw@cache",
    ];
    each_is_refused("shared_cache.url", no_url, &values);

    let file = file_with(b" redis://:pw@cache\n");
    let path = file.path().to_str().unwrap();
    assert!(accepted("shared_cache.url_file", path).shared_cache.url.is_some());
    assert_eq!(shown("shared_cache.url_file", path), path);
    let both =
        [KEY, ("NEBULINK__SHARED_CACHE__URL", "redis://h"), ("NEBULINK__SHARED_CACHE__URL_FILE", path)];
    assert_eq!(
        messages(load_environment(&both)),
        ["shared_cache.url: set beside shared_cache.url_file: keep one of the two"]
    );
    for (content, message) in [
        (b"".as_slice(), format!("the file's content: {no_url}")),
        (b"rediss://cache/#insecure", format!("the file's content: {no_url}")),
        (b"redis://\xff", "the file's content is not UTF-8".to_owned()),
    ] {
        let file = file_with(content);
        each_is_refused("shared_cache.url_file", &message, &[file.path().to_str().unwrap()]);
    }
    each_is_refused(
        "shared_cache.url_file",
        "the file cannot be read: No such file or directory (os error 2)",
        &["/nowhere/url"],
    );
}

#[test]
fn key_prefixes_are_short_and_printable() {
    assert_eq!(accepted("shared_cache.key_prefix", "").shared_cache.key_prefix, "");
    let message = "not 0 to 128 printable ASCII characters without white space";
    each_is_refused("shared_cache.key_prefix", message, &["a b", "ä", &"x".repeat(129)]);
}

#[test]
fn identity_headers_are_header_names() {
    let access = accepted("access.identity_header", "X-Auth-Request-Email").access;
    assert_eq!(access.identity_header.unwrap(), "x-auth-request-email");
    each_is_refused(
        "access.identity_header",
        "not the name of a header such as x-auth-request-email",
        &["a b", "x:"],
    );
}

#[track_caller]
fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let loaded = load_environment(&[&[KEY], variables].concat()).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let header = ("NEBULINK__ACCESS__IDENTITY_HEADER", "x-auth-request-email");
    let proxies = |ranges| ("NEBULINK__SERVER__TRUSTED_PROXIES", ranges);
    assert_eq!(
        warnings(&[header]),
        ["access.identity_header (environment variable NEBULINK__ACCESS__IDENTITY_HEADER): set without \
          server.trusted_proxies: the header is not trusted from anybody, so nobody gets in"]
    );
    assert!(warnings(&[header, proxies("10.0.0.0/16,fd00:1:2::/48,::ffff:10.0.0.0/112,::1")]).is_empty());
    let wide = |item| {
        format!(
            "server.trusted_proxies (environment variable NEBULINK__SERVER__TRUSTED_PROXIES): item {item} is wider than \
             /16 (IPv6: /48): whoever is in it can take any identity and any address"
        )
    };
    let ranges = "10.0.0.0/8,10.0.0.1,fd00::/8,::ffff:10.0.0.0/104,0.0.0.0/0,::/0";
    assert_eq!(warnings(&[proxies(ranges)]), [1, 3, 4, 5, 6].map(wide));
    let own = ("NEBULY_API_BASE_URL", "https://nebuly.example");
    assert_eq!(
        warnings(&[own]),
        [
            "nebuly.platform_url (default): not set beside a nebuly.api_base_url that is not Nebuly's own: links lead to \
          your own front end only if nebuly.platform_url or nebuly.allowed_hosts names its host"
        ]
    );
    assert!(warnings(&[own, ("NEBULINK__NEBULY__PLATFORM_URL", "https://nebuly.example")]).is_empty());
    assert!(warnings(&[("NEBULY_API_BASE_URL", "https://eu.backend.nebuly.com/api")]).is_empty());
}

#[test]
fn origins_are_exact() {
    let origins =
        accepted("access.cors_origins", "https://tools.example,http://localhost:3000").access.cors_origins;
    assert_eq!(origins, ["https://tools.example", "http://localhost:3000"]);
    let every = "item 1: * and null would let every page in: name each origin";
    each_is_refused("access.cors_origins", every, &["*", "null"]);
    let message = "item 1: not an origin such as https://tools.example, in lower case, with nothing behind host and port";
    let values = [
        "tools.example",
        "https://tools.example/",
        "https://Tools.example",
        "https://tools.example:443",
        "https://*.tools.example/x",
        "https://user:pw@tools.example",
        "file://x",
    ];
    each_is_refused("access.cors_origins", message, &values);
}

#[test]
fn tags_and_fields_are_names() {
    assert_eq!(accepted("lookup.tags", "Ticket ID,größe").lookup.tags, ["Ticket ID", "größe"]);
    let message = "item 1: not the name of a tag: 1 to 128 bytes without slash or control character";
    each_is_refused("lookup.tags", message, &["a/b", ".", "..", "a\u{7}b", &"x".repeat(129)]);
    assert_eq!(accepted("preview.fields", "topic,intent").preview.fields, ["topic", "intent"]);
    let message = "item 1: not 1 to 64 printable ASCII characters without white space";
    each_is_refused("preview.fields", message, &["a b", &"x".repeat(65)]);
}

#[test]
fn a_misspelt_level_silences_nothing() {
    let level = |text| accepted("log.level", text).log.level;
    assert_eq!(level("debug"), "debug".parse().unwrap());
    assert_eq!(
        level("warn, nebulink::web=trace,hyper=off"),
        "warn,nebulink::web=trace,hyper=off".parse().unwrap()
    );
    let message =
        "not off, error, warn, info, debug or trace, or target=level for one part, separated by commas";
    let values = ["", "inof", "info,", "hyper", "hyper=", "=info", "hyper=inof", "a[b]=info", "a=b=info"];
    each_is_refused("log.level", message, &values);
}

#[test]
fn a_project_has_a_name_and_one_key() {
    for (settings, expected) in [
        ("api_key = 'x'", "projects[0].name: not set: a project needs a name such as default"),
        (
            "name = 'a b'\napi_key = 'x'",
            "projects[0].name: a project's name is 1 to 64 letters, digits, `_` or `-`",
        ),
        ("name = 'a'", "projects[0].api_key: neither api_key nor api_key_file is set"),
        ("name = 'a'\napi_key = ' '", "projects[0].api_key: neither api_key nor api_key_file is set"),
        (
            "name = 'a'\napi_key = 'x'\napi_key_file = '/x'",
            "projects[0].api_key: set beside api_key_file: keep one of the two",
        ),
        ("name = 'a'\napi_key = 12345", "projects[0].api_key: not text in quotes"),
        ("name = 'a'\napi_key = ['x']", "projects[0].api_key: not text in quotes"),
        ("name = 'a'\napi_key_file = true", "projects[0].api_key_file: not text in quotes"),
        (
            "name = 'a'\napi_key = 'x y'",
            "projects[0].api_key: not 1 to 4096 printable ASCII characters without white space",
        ),
        (
            "name = 'a'\napi_key = 'x'\nproject_id = 'p'",
            "projects[0].project_id: set without organization_id",
        ),
        (
            "name = 'a'\napi_key = 'x'\norganization_id = 'o'",
            "projects[0].organization_id: set without project_id",
        ),
        (
            "name = 'a'\napi_key = 'x'\nproject_id = 'p q'\norganization_id = 'o'",
            "projects[0].project_id: not 1 to 128 printable ASCII characters without white space",
        ),
        (
            "name = 'a'\napi_key = 'x'\n[[projects]]\nname = 'a'\napi_key = 'y'",
            "projects[1].name: another project has this name",
        ),
    ] {
        assert_eq!(messages(load_file(&format!("[[projects]]\n{settings}"), &[])), [expected], "{settings}");
    }
    let ids = project("name = 'a'\napi_key_file = '/x'\nproject_id = 'p'\norganization_id = 'o'").unwrap();
    assert_eq!(ids[0].project_id.as_deref().zip(ids[0].organization_id.as_deref()), Some(("p", "o")));
    let longest = |len| project(&format!("name = 'a'\napi_key = '{}'", "k".repeat(len)));
    assert!(longest(4096).is_ok());
    assert!(longest(4097).is_err());
}

#[test]
fn what_is_wrong_with_each_project_is_reported_at_once() {
    let content = "[[projects]]\nname = '?'\napi_key = 1\nproject_id = 'p'\n[[projects]]\napi_key_file = 1";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "projects[0].name: a project's name is 1 to 64 letters, digits, `_` or `-`",
            "projects[0].api_key: not text in quotes",
            "projects[0].project_id: set without organization_id",
            "projects[1].name: not set: a project needs a name such as default",
            "projects[1].api_key_file: not text in quotes",
        ]
    );
}

#[test]
fn there_are_as_many_projects_as_a_set_of_them_can_hold() {
    let project = |number: usize| format!("[[projects]]\nname = 'p{number}'\napi_key = 'x'\n");
    let content = |count| (0..count).map(project).collect::<String>();
    assert_eq!(load_file(&content(128), &[]).unwrap().settings.projects.len(), 128);
    assert_eq!(messages(load_file(&content(129), &[])), ["projects: more than 128 projects"]);
}

#[test]
fn whoever_never_calls_needs_no_key() {
    let project = "[[projects]]\nname = 'a'\nproject_id = 'p'\norganization_id = 'o'\n";
    let construct = "[nebuly]\nresolve = 'construct'\n";
    let projects = load_file(&format!("{construct}{project}"), &[]).unwrap().settings.projects;
    assert!(matches!(projects[0].key, ApiKeySetting::NotNeeded));
    let neither = "projects[0].api_key: neither api_key nor api_key_file is set";
    assert_eq!(messages(load_file(project, &[])), [neither]);
    assert_eq!(messages(load_file(&format!("[nebuly]\nresolve = 'x'\n{project}"), &[])).len(), 2);
}

#[test]
fn whoever_never_calls_needs_the_ids_of_every_project() {
    let known = "[[projects]]\nname = 'a'\napi_key = 'x'\nproject_id = 'p'\norganization_id = 'o'\n";
    let unknown = "[[projects]]\nname = 'b'\napi_key = 'y'\n";
    let construct = "[nebuly]\nresolve = 'construct'\n";
    let message = "not set: nebuly.resolve = \"construct\" needs project_id and organization_id";
    assert!(load_file(&format!("{construct}{known}"), &[]).is_ok());
    assert!(load_file(&format!("{known}{unknown}"), &[]).is_ok());
    assert_eq!(
        messages(load_file(&format!("{construct}{known}{unknown}{unknown}").replacen("'b'", "'c'", 1), &[])),
        [format!("projects[1].project_id: {message}"), format!("projects[2].project_id: {message}")]
    );
    // Another mistake in [nebuly] does not hide it, and half of the ids is one mistake, not two.
    assert_eq!(messages(load_file(&format!("{construct}retries = 'x'\n{unknown}"), &[])).len(), 2);
    let half = "[[projects]]\nname = 'a'\napi_key = 'x'\nproject_id = 'p'\n";
    assert_eq!(messages(load_file(&format!("{construct}{half}"), &[])).len(), 1);
    // The project of the environment has no ids.
    let resolve = ("NEBULINK__NEBULY__RESOLVE", "construct");
    assert_eq!(messages(load_environment(&[KEY, resolve])), [format!("projects[0].project_id: {message}")]);
}
