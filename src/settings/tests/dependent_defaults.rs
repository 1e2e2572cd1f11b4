//! Defaults that are adapted to settings, and settings that contradict each other.

use std::time::Duration;

use super::*;

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

/// The durations that have to fit into each other, in this order.
const DURATIONS: [&str; 4] =
    ["nebuly.connect_timeout", "nebuly.attempt_timeout", "nebuly.deadline", "server.request_timeout"];

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
    // Another problem in the same section does not hide these.
    let file = "[nebuly]\nconnect_timeout = '7s'\nattempt_timeout = '6s'\ndeadline = '5s'\nretries = 'x'";
    assert_eq!(messages(load_file(file, &[KEY])).len(), 3);
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
        // The missing file is a second problem.
        assert_eq!(problems.len(), 1 + usize::from(wrong == "shared_cache.url"), "{problems:?}");
    }
}
