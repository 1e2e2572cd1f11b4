//! `config/default.toml` compared with the code.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::schema::{PROJECT_KEYS, PROJECTS, SECRETS, Schema};
use super::super::{AccessLogSetting, LogFormatSetting, OnOutage, Resolve, SettingSource};
use super::*;

const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// The fields of an item without personal data.
const FIELDS: &str = "timestamp end_timestamp sentiment emotions topic intent text_language latency cost start_session \
                      end_session session_length session_time";

fn keys_of_defaults() -> BTreeSet<String> {
    let schema = Schema::embedded().unwrap();
    schema.settings().map(|(section, name)| format!("{section}.{name}")).collect()
}

#[test]
fn every_default_is_read_and_everything_read_has_a_default() {
    let loaded = load_environment(&[KEY]).unwrap();
    let read: Vec<_> = loaded.effective.iter().filter(|row| !row.key.starts_with(PROJECTS)).collect();
    let keys: BTreeSet<_> = read.iter().map(|row| row.key.clone()).collect();
    assert_eq!(keys, keys_of_defaults());
    assert_eq!(keys.len(), read.len(), "a setting is read twice");
    assert!(read.iter().all(|row| row.source == SettingSource::Default), "{read:?}");
}

#[test]
fn every_default_has_a_comment_above_it() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    for pair in lines.windows(2) {
        assert!(
            !pair[1].contains(" = ") || pair[1].starts_with('#') || pair[0].starts_with("# "),
            "{}",
            pair[1]
        );
    }
}

#[test]
fn the_projects_in_the_comment_have_the_keys_that_the_code_reads() {
    let example: String = DEFAULTS
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let loaded = load_file(&example, &[]).unwrap();
    assert_eq!(loaded.settings.projects.len(), 1);
    for key in PROJECT_KEYS {
        assert!(example.contains(&format!("\n{key} = ")), "{key}");
    }
    let assignments = example.lines().filter(|line| line.contains(" = ")).count();
    assert_eq!(assignments, PROJECT_KEYS.len());
}

#[test]
fn the_defaults_are_a_settings_file_themselves() {
    let loaded = load_file(DEFAULTS, &[KEY]).unwrap();
    assert_eq!(loaded.settings.server.listen, "[::]:8080".parse().unwrap());
}

#[test]
fn secrets_are_settings() {
    let keys = keys_of_defaults();
    for key in &SECRETS {
        let of_project = key.strip_prefix("projects.").is_some_and(|name| PROJECT_KEYS.contains(&name));
        assert!(keys.contains(*key) || *key == PROJECTS || of_project, "{key}");
    }
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let settings = load_environment(&[KEY]).unwrap().settings;
    let seconds = Duration::from_secs;
    let days = |days: u64| seconds(days * 24 * 60 * 60);

    let server = settings.server;
    assert_eq!(server.management_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!((server.base_path.as_str(), server.public_url), ("", None));
    assert_eq!(server.contact, None);
    assert_eq!((server.trusted_proxies.len(), server.max_connections), (0, 10_000));
    assert_eq!((server.header_timeout, server.idle_timeout), (seconds(10), seconds(75)));
    assert_eq!(server.request_timeout, seconds(30));
    assert_eq!((server.drain_delay, server.drain_timeout), (seconds(5), seconds(20)));
    assert!(server.workers > 0);

    let nebuly = settings.nebuly;
    assert_eq!(nebuly.api_base_url.as_str(), "https://backend.nebuly.com/api/external");
    assert_eq!(nebuly.platform_url.as_str(), "https://v2.platform.eu.nebuly.com/");
    assert_eq!(nebuly.allowed_hosts.to_string(), "*.nebuly.com, v2.platform.eu.nebuly.com");
    assert_eq!((nebuly.resolve, nebuly.retries, nebuly.max_in_flight), (Resolve::Api, 1, 64));
    assert!(nebuly.ca_file.is_none() && nebuly.proxy.is_none());
    assert_eq!(
        (nebuly.connect_timeout, nebuly.attempt_timeout, nebuly.deadline),
        (seconds(2), seconds(5), seconds(10))
    );

    let cache = settings.cache;
    assert_eq!((cache.max_size, cache.ttl, cache.stale), (64 << 20, seconds(24 * 60 * 60), days(30)));
    assert_eq!((cache.negative_ttl, cache.snapshot_interval), (seconds(15), seconds(300)));
    assert_eq!(cache.snapshot_file, None);

    let shared = settings.shared_cache;
    assert!(shared.url.is_none() && shared.ca_file.is_none());
    assert_eq!((shared.timeout, shared.key_prefix.as_str()), (Duration::from_millis(50), "nebulink:"));

    let redirect = settings.redirect;
    assert_eq!((redirect.max_age, redirect.max_wait), (seconds(60), seconds(30)));
    assert_eq!(redirect.on_outage, OnOutage::Construct);

    let access = settings.access;
    assert!(access.identity_header.is_none() && access.api_tokens_file.is_none());
    assert!(access.cors_origins.is_empty());

    let limits = settings.limits;
    assert_eq!((limits.cold_per_second, limits.cold_burst, limits.batch), (20, 100, 1000));

    let preview = settings.preview;
    assert!(!preview.details && preview.unfurl);
    assert_eq!(preview.fields.join(" "), FIELDS);

    assert!(settings.lookup.tags.is_empty());
    assert_eq!(settings.lookup.window, days(90));

    assert_eq!((settings.log.format, settings.log.access), (LogFormatSetting::Auto, AccessLogSetting::All));
    assert_eq!(settings.log.level, "info".parse().unwrap());
}
