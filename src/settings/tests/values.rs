//! The kinds of values: durations, sizes, numbers, words, flags and lists.

use std::time::Duration;

use super::super::schema;
use super::*;

#[test]
fn durations() {
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
fn sizes() {
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
    let as_in_a_file =
        "in the environment and behind --set a list is written as a,b, without brackets and quotes";
    each_is_refused("lookup.tags", as_in_a_file, &[r#"["ticket"]"#, r#"["a", "b"]"#]);
}

#[test]
fn numbers_and_flags_may_be_written_as_text_and_as_helm_writes_them() {
    let loaded =
        load_file("[limits]\ncold_burst = 200.0\nbatch = '7'\n[preview]\ndetails = 'true'", &[KEY]).unwrap();
    assert_eq!((loaded.settings.limits.cold_burst, loaded.settings.limits.batch), (200, 7));
    assert!(loaded.settings.preview.details);
    assert_eq!(effective(&loaded, "limits.cold_burst"), "200");
}
