//! The metrics that users rely on, with every value that their labels may have.

use super::scrape::Scrape;

pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) labels: &'static [(&'static str, &'static [&'static str])],
}

pub(crate) const KINDS: [&str; 2] = ["interaction", "conversation"];
pub(crate) const OUTCOMES: [&str; 9] =
    ["hit", "shared", "stale", "negative", "resolved", "collapsed", "absent", "constructed", "failed"];
pub(crate) const CALLS: [&str; 4] =
    ["deeplink", "get_interactions", "interaction_detail", "conversation_detail"];
pub(crate) const RESULTS: [&str; 7] =
    ["ok", "absent", "rejected", "throttled", "bad_answer", "failed", "timeout"];
const PROJECT: (&str, &[&str]) = ("project", &["default"]);
const REQUEST: &[(&str, &[&str])] = &[
    (
        "route",
        &[
            "/go/interaction/{id}",
            "/go/conversation/{id}",
            "/go/{id}",
            "/i/{id}",
            "/c/{id}",
            "/go/interaction",
            "/go/conversation",
            "/go",
            "/i",
            "/c",
            "/go/tag/{name}/{value}",
            "/go/tag/{name}",
            "/api/v1/links/{kind}/{id}",
            "/api/v1/links",
            "/",
            "/kit",
            "/openapi.json",
            "/opensearch.xml",
            "/favicon.svg",
            "/robots.txt",
            "unmatched",
        ],
    ),
    ("method", &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"]),
    (
        "status",
        &[
            "200", "204", "302", "400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "499",
            "500", "502", "503", "504",
        ],
    ),
];

pub(crate) const METRICS: &[Metric] = &[
    counter("nebulink_http_requests_total", REQUEST),
    histogram("nebulink_http_request_duration_seconds", REQUEST),
    counter("nebulink_resolutions_total", &[("kind", &KINDS), ("outcome", &OUTCOMES)]),
    counter("nebulink_nebuly_requests_total", &[PROJECT, ("call", &CALLS), ("result", &RESULTS)]),
    histogram("nebulink_nebuly_request_duration_seconds", &[PROJECT]),
    gauge("nebulink_nebuly_in_flight", &[]),
    gauge("nebulink_nebuly_circuit_open", &[PROJECT]),
    gauge("nebulink_nebuly_key_rejected", &[PROJECT]),
    gauge("nebulink_nebuly_key_loaded_timestamp_seconds", &[PROJECT]),
    counter("nebulink_nebuly_key_file_errors_total", &[PROJECT]),
    gauge("nebulink_cache_entries", &[]),
    gauge("nebulink_cache_size_bytes", &[]),
    counter("nebulink_cache_evictions_total", &[]),
    counter("nebulink_snapshot_lines_skipped_total", &[]),
    counter(
        "nebulink_shared_cache_requests_total",
        &[
            ("operation", &["get", "put"]),
            ("result", &["hit", "miss", "invalid", "ok", "failed", "timeout", "skipped", "dropped"]),
        ],
    ),
    counter("nebulink_rate_limited_total", &[]),
    counter("nebulink_log_lines_dropped_total", &[]),
    counter(
        "nebulink_background_task_restarts_total",
        &[("task", &["keys", "api_tokens", "shared_cache_writer", "housekeeping", "snapshot"])],
    ),
    gauge("nebulink_connections", &[]),
    gauge("nebulink_build_info", &[("version", &[env!("CARGO_PKG_VERSION")])]),
    counter("process_cpu_seconds_total", &[]),
    gauge("process_start_time_seconds", &[]),
    gauge("process_resident_memory_bytes", &[]),
    gauge("process_virtual_memory_bytes", &[]),
    gauge("process_virtual_memory_max_bytes", &[]),
    gauge("process_threads", &[]),
    gauge("process_open_fds", &[]),
    gauge("process_max_fds", &[]),
];

type LabelsOf = &'static [(&'static str, &'static [&'static str])];

const fn counter(name: &'static str, labels: LabelsOf) -> Metric {
    Metric { name, kind: "counter", labels }
}

const fn gauge(name: &'static str, labels: LabelsOf) -> Metric {
    Metric { name, kind: "gauge", labels }
}

const fn histogram(name: &'static str, labels: LabelsOf) -> Metric {
    Metric { name, kind: "histogram", labels }
}

/// Fails on a series that the contract does not have.
#[track_caller]
pub(crate) fn assert_closed(scrape: &Scrape) {
    for (series, labels, _) in &scrape.series {
        let name = scrape.metric_of(series);
        let metric = METRICS.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{series} is not in the contract"));
        assert_eq!(labels.len(), metric.labels.len(), "{series} {labels:?}");
        for (label, values) in metric.labels {
            let value = labels.get(*label).unwrap_or_else(|| panic!("{series} has no {label}: {labels:?}"));
            assert!(values.contains(&value.as_str()), "{series} {label}={value:?}");
        }
    }
}
