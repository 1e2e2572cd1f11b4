//! The metrics of `/metrics`: those of the contract to the letter, whatever callers send.

mod contract;
mod memory;
mod scrape;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use axum::body::Body;
use http::{Method, Request, Uri};
use nebulink::app::App;
use nebulink::demo::{Fault, StandIn};
use nebulink::settings::Settings;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use self::contract::{METRICS, Metric};
use self::scrape::Scrape;
use crate::support::skip::skip;
use crate::support::{KEY, Nebulink, PATIENCE, settings, stand_in};

/// Settings with which nebulink has every metric. Nobody listens at the shared cache.
fn with_all_parts(stand_in: &StandIn, folder: &TempDir) -> Settings {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (snapshot, shared_cache) = (path("links.jsonl"), path("shared-cache-url"));
    std::fs::write(&shared_cache, "redis://127.0.0.1:1").unwrap();
    let further = [
        ("shared_cache.url_file", shared_cache.as_str()),
        ("cache.snapshot_file", &snapshot),
        ("limits.cold_burst", "5"),
        ("limits.cold_per_second", "1"),
        ("nebuly.retries", "0"),
        ("preview.details", "true"),
    ];
    settings(stand_in, &further)
}

async fn scrape(nebulink: &Nebulink) -> Scrape {
    let answer = crate::support::request(nebulink.management, "GET", "/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    Scrape::parse(&answer.body)
}

/// nebulink after a hit, a miss, an absent link, a refresh, a failure, other methods and paths, and a refused caller.
async fn after_everything() -> (StandIn, Nebulink) {
    let stand_in = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let nebulink = Nebulink::start_with(&with_all_parts(&stand_in, &folder)).await;
    stand_in.add_conversation(KEY, "abc");
    for (method, target, status) in [
        ("GET", "/c/abc", 302),
        ("GET", "/c/abc", 302),
        ("HEAD", "/c/abc", 302),
        ("GET", "/go/conversation?id=abc", 302),
        ("GET", "/c/abc?refresh", 302),
        ("GET", "/c/unknown", 404),
        ("GET", "/c/", 400),
        ("POST", "/c/abc", 405),
        ("BREW", "/c/abc", 405),
        ("GET", "/nowhere/secret", 404),
        ("OPTIONS", "/api/v1/links", 204),
    ] {
        assert_eq!(nebulink.request(method, target, &[]).await.status, status, "{method} {target}");
    }
    stand_in.set_fault(Some(Fault::Drop));
    assert_eq!(nebulink.get("/c/dropped?project=nobody").await.status, 404);
    let mut statuses = BTreeSet::new();
    for number in 0..10 {
        statuses.insert(nebulink.get(&format!("/go/conversation/new-{number}")).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    (stand_in, nebulink)
}

#[tokio::test]
async fn a_scrape_has_exactly_the_metrics_and_labels_of_the_contract() {
    let (_stand_in, nebulink) = after_everything().await;
    let scrape = scrape(&nebulink).await;
    let names: BTreeSet<_> = scrape.kinds.keys().map(String::as_str).collect();
    assert_eq!(names, METRICS.iter().map(|metric| metric.name).collect());
    for &Metric { name, kind, labels } in METRICS {
        assert_eq!(scrape.kinds[name], kind, "{name}");
        let expected: BTreeSet<_> = labels.iter().map(|(label, _)| (*label).to_owned()).collect();
        let series = scrape.of(name);
        assert!(!series.is_empty(), "{name} has no series");
        for (own, _) in series {
            assert_eq!(own.keys().cloned().collect::<BTreeSet<_>>(), expected, "{name}");
        }
    }
    contract::assert_closed(&scrape);
}

#[tokio::test]
async fn every_request_is_counted_with_its_route_method_and_status() {
    let (_stand_in, nebulink) = after_everything().await;
    let scrape = scrape(&nebulink).await;
    for (route, method, status, expected) in [
        ("/c/{id}", "GET", "302", 3.0),
        ("/c/{id}", "HEAD", "302", 1.0),
        ("/go/conversation", "GET", "302", 1.0),
        ("/c", "GET", "400", 1.0),
        ("unmatched", "GET", "404", 1.0),
        ("unmatched", "POST", "405", 1.0),
        ("unmatched", "other", "405", 1.0),
        ("/api/v1/links", "OPTIONS", "204", 1.0),
    ] {
        let labels = [("route", route), ("method", method), ("status", status)];
        for name in ["nebulink_http_requests_total", "nebulink_http_request_duration_seconds_count"] {
            assert_eq!(scrape.value(name, &labels), Some(expected), "{name} {labels:?}");
        }
    }
}

#[tokio::test]
async fn what_alerts_look_at_is_there_before_it_happens() {
    let stand_in = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let nebulink = Nebulink::start_with(&with_all_parts(&stand_in, &folder)).await;
    let scrape = scrape(&nebulink).await;
    let project = ("project", "default");
    let is_zero = |name: &str, labels: &[_]| {
        assert_eq!(scrape.value(name, labels), Some(0.0), "{name} {labels:?}");
    };
    is_zero("nebulink_rate_limited_total", &[]);
    is_zero("nebulink_nebuly_in_flight", &[]);
    is_zero("nebulink_cache_evictions_total", &[]);
    for name in ["key_rejected", "circuit_open", "key_file_errors_total"] {
        is_zero(&format!("nebulink_nebuly_{name}"), &[project]);
    }
    for call in contract::CALLS {
        for result in contract::RESULTS {
            let labels = [project, ("call", call), ("result", result)];
            is_zero("nebulink_nebuly_requests_total", &labels);
        }
    }
    for kind in contract::KINDS {
        for outcome in contract::OUTCOMES {
            is_zero("nebulink_resolutions_total", &[("kind", kind), ("outcome", outcome)]);
        }
    }
    for (operation, result) in [("get", "failed"), ("get", "timeout"), ("put", "failed"), ("put", "dropped")]
    {
        is_zero("nebulink_shared_cache_requests_total", &[("operation", operation), ("result", result)]);
    }
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let becomes = async |expected: f64| {
        let began = Instant::now();
        loop {
            let open = scrape(&nebulink).await.value("nebulink_connections", &[]).unwrap();
            if (open - expected).abs() < 0.5 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{open} connections, not {expected}");
            tokio::task::yield_now().await;
        }
    };
    becomes(0.0).await;
    let first = TcpStream::connect(nebulink.address).await.unwrap();
    let second = TcpStream::connect(nebulink.address).await.unwrap();
    becomes(2.0).await;
    drop(first);
    becomes(1.0).await;
    drop(second);
    becomes(0.0).await;
}

#[tokio::test]
async fn it_says_its_version_and_what_the_process_takes() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let scrape = scrape(&nebulink).await;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.value("nebulink_build_info", &version), Some(1.0));
    if cfg!(target_os = "linux") {
        let own = |name| scrape.value(name, &[]).unwrap_or_else(|| panic!("{name}"));
        assert!(own("process_resident_memory_bytes") > 1e6);
        assert!(own("process_virtual_memory_bytes") > own("process_resident_memory_bytes"));
        assert!(own("process_open_fds") >= 3.0 && own("process_open_fds") <= own("process_max_fds"));
        assert!(own("process_threads") >= 1.0);
        assert!(own("process_cpu_seconds_total") >= 0.0);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let started = own("process_start_time_seconds");
        assert!(started > 1e9 && started < now + 5.0, "{started}");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let (_stand_in, nebulink) = after_everything().await;
    let text = crate::support::request(nebulink.management, "GET", "/metrics", &[]).await.body;
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut check = match check {
        Ok(check) => check,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip("promtool", ".ci/install does it");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty() && said.stdout.is_empty(), "{said:?}");
}

#[test]
fn every_metric_has_a_help_text_of_one_style_with_which_its_documented_meaning_begins() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scrape = runtime.block_on(async {
        let (_stand_in, nebulink) = after_everything().await;
        scrape(&nebulink).await
    });
    let meanings: BTreeMap<_, _> = documented().map(|[name, .., meaning]| (name, meaning)).collect();
    for name in scrape.kinds.keys() {
        let help = scrape.help.get(name).unwrap_or_else(|| panic!("{name} has no help text"));
        let begins = help.chars().next().unwrap();
        assert!(begins.is_ascii_uppercase() || begins.is_ascii_digit(), "{name}: {help}");
        assert!(!help.ends_with('.') && help.len() > 10, "{name}: {help}");
        let meaning = meanings.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not documented"));
        let rest = meaning.strip_prefix(help.as_str());
        let rest = rest.unwrap_or_else(|| panic!("{name}: documented as {meaning}, not as {help}"));
        let ends_there = rest.is_empty() || rest.starts_with([';', ':']) || rest.starts_with(" (");
        assert!(ends_there, "{name}: documented as {meaning}, not as {help}");
    }
}

#[test]
fn the_documentation_lists_the_metrics_as_they_are() {
    let documented: BTreeSet<_> = documented()
        .map(|[name, kind, labels, meaning]| {
            assert!(meaning.len() > 10, "{name}: {meaning}");
            let labels: BTreeSet<_> = labels
                .split(", ")
                .map(|label| label.trim_matches(['`', ' ']))
                .filter(|label| !label.is_empty())
                .collect();
            (name, kind, labels)
        })
        .collect();
    let exported = METRICS
        .iter()
        .map(|metric| (metric.name, metric.kind, metric.labels.iter().map(|(label, _)| *label).collect()));
    assert_eq!(documented, exported.collect());
}

/// Name, type, labels and meaning of each metric in the table of docs/metrics.md.
fn documented() -> impl Iterator<Item = [&'static str; 4]> {
    include_str!("../../docs/metrics.md").lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{line}") };
        Some([name.trim_end_matches('`'), kind, labels, meaning.trim_end_matches([' ', '|'])])
    })
}

/// Stands in everything that a caller chooses.
const CHOSEN: &str = "zqx";

#[derive(Debug)]
struct Sent {
    method: Method,
    target: Uri,
    header: String,
}

fn sent() -> impl Strategy<Value = Sent> {
    let begin = prop::sample::select(vec![
        "/",
        "/c/",
        "/i/",
        "/go/",
        "/go",
        "/go/interaction/",
        "/go/conversation?id=",
        "/api/",
        "/go/tag/",
        "/robots.txt?",
        "/?",
        "/kit?kind=",
        "/opensearch.xml?",
        "/c?project=",
    ]);
    let method = prop_oneof![
        prop::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS", "TRACE"]).prop_map(str::to_owned),
        "[A-Za-z]{0,5}".prop_map(|rest| format!("{CHOSEN}{rest}")),
    ];
    (method, begin, "[!-~]{0,40}", "[ -~]{0,20}").prop_filter_map(
        "no URI",
        |(method, begin, rest, header)| {
            Some(Sent {
                method: method.parse().ok()?,
                target: format!("{begin}{CHOSEN}{rest}").parse().ok()?,
                header: format!("{CHOSEN}{header}"),
            })
        },
    )
}

#[test]
fn callers_create_no_series_and_choose_no_label_value() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let stand_in = runtime.block_on(stand_in());
    let folder = tempfile::tempdir().unwrap();
    let app = App::build(&with_all_parts(&stand_in, &folder)).unwrap();
    let (public, management) = (app.public(), app.management());
    let ask = |router: axum::Router, request| runtime.block_on(router.oneshot(request)).unwrap();
    proptest!(ProptestConfig::with_cases(300), |(sent in sent())| {
        let request = Request::builder()
            .method(sent.method)
            .uri(sent.target)
            .header("x-request-id", sent.header.as_str())
            .header("user-agent", sent.header.as_str())
            .header("host", sent.header.as_str())
            .header("accept", sent.header.as_str())
            .header("origin", sent.header.as_str());
        drop(ask(public.clone(), request.body(Body::empty()).unwrap()));
        let answer = ask(management.clone(), Request::get("/metrics").body(Body::empty()).unwrap());
        let body = runtime.block_on(axum::body::to_bytes(answer.into_body(), usize::MAX)).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        prop_assert!(!text.contains(CHOSEN), "{text}");
        contract::assert_closed(&Scrape::parse(text));
    });
}
