//! `nebulink demo`: its settings, what it prints, and its page of errors.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::process::{RunningDemo, binary, run};
use crate::support::{Answer, request};
use rustix::process::Signal;

/// The time after which the items that are not ingested yet are there.
const INGESTION: Duration = Duration::from_secs(12);

/// A way to fail, as the page of errors has it.
struct Way {
    method: &'static str,
    url: String,
    /// As [`shown`]; then perhaps another status.
    expected: String,
}

async fn open(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    request(host.parse::<SocketAddr>().unwrap(), method, &format!("/{path}"), headers).await
}

/// Reads the rows of the page of errors.
fn ways(page: &str) -> Vec<Way> {
    let mut ways = Vec::new();
    for row in page.split("<tr>").skip(2) {
        let expected = row.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
        let attribute = if row.contains("<form method=\"post\"") { "action=\"" } else { "href=\"" };
        let method = if row.contains("<form method=\"post\"") { "POST" } else { "GET" };
        let urls = row.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
        // A second link is to a URL that is built.
        for (url, expected) in urls.zip([expected, "302"]) {
            let url = url.replace("&#38;", "&");
            ways.push(Way { method, url, expected: expected.to_owned() });
        }
    }
    ways
}

/// An answer, as the page of errors says what is expected.
fn shown(answer: &Answer) -> String {
    let status = answer.status;
    match answer.header("content-type") {
        Some("application/problem+json") => {
            let problem = answer.json()["type"].as_str().unwrap().to_owned();
            format!("{status} {}", problem.trim_start_matches("urn:nebulink:"))
        }
        Some("application/json") if answer.json()["details_error"].is_object() => {
            format!("{status} without details")
        }
        _ => status.to_string(),
    }
}

/// A random order, from this seed.
fn shuffled(ways: &[Way], seed: u64) -> Vec<&Way> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ways: Vec<_> = ways.iter().collect();
    random.shuffle(&mut ways);
    ways
}

#[tokio::test]
async fn the_demo_takes_no_settings_file_and_says_so() {
    let mut command = binary();
    // If it did, it would end at the next problem rather than serve.
    command.args(["demo", "--config", "/nowhere/nebulink.toml", "--set", "server.listen=nowhere"]);
    let (code, out, complaint) = run(command).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        complaint.contains("the demo takes no settings file") && complaint.contains("--set"),
        "{complaint}"
    );
}

#[tokio::test]
async fn the_demo_prints_links_that_lead_somewhere() {
    let mut demo = RunningDemo::start(&["server.base_path=/below"]);
    let first = demo.greeting.lines().next().unwrap();
    assert!(first.starts_with("http://127.0.0.1:") && first.ends_with("/below/"), "{first}");
    let links: Vec<_> = demo.links().into_iter().filter(|link| link.contains("/go/")).collect();
    let (samples, others) = links.split_last_chunk::<5>().unwrap();
    assert!(samples.len() >= 9, "{links:?}");
    for sample in samples {
        assert!(!sample.contains("project="), "{sample}");
        let answer = open("GET", sample, &[]).await;
        assert_eq!(answer.status, 302, "{sample}: {answer:?}");
        let page = open("GET", answer.header("location").unwrap(), &[("accept", "text/html")]).await;
        assert!(page.status == 200 && page.body.contains("<!doctype html>"), "{page:?}");
    }
    for (link, expected) in others.iter().zip([200, 302, 409, 404, 404]) {
        assert_eq!(open("GET", link, &[]).await.status, expected, "{link}");
    }
    let management = demo.links().into_iter().find(|link| link.ends_with("/readyz")).unwrap();
    assert_eq!(open("GET", management, &[]).await.body, "ready\n");
    demo.running.signal(Signal::INT);
    let code = demo.running.exit_code().await;
    let mut complaint = String::new();
    demo.running.0.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(code, 0, "{complaint}");
}

#[tokio::test]
async fn the_stand_in_of_the_demo_can_be_asked_with_the_address_and_key_that_it_prints() {
    let demo = RunningDemo::start(&[]);
    let api = demo.links().into_iter().find(|link| link.ends_with("/api/external")).unwrap();
    let key = demo.greeting.split_whitespace().find_map(|word| word.split_once("NEBULY_API_KEY=")).unwrap().1;
    let mut check = binary();
    check.arg("check").env("NEBULY_API_BASE_URL", api).env("NEBULY_API_KEY", key);
    let (code, out, complaint) = run(check).await;
    assert_eq!(code, 0, "{out}{complaint}");
}

#[tokio::test]
async fn whoever_plays_with_the_demo_meets_no_rate_limit() {
    let demo = RunningDemo::start(&[]);
    let first = demo.links()[0];
    for number in 0..300 {
        let page = open("GET", &format!("{first}c/unknown-{number}?project=support"), &[]).await;
        assert_eq!(page.status, 404, "{number}: {page:?}");
    }
}

#[tokio::test]
async fn the_page_of_errors_shows_each_error_in_any_order_and_twice_in_a_row() {
    let demo = RunningDemo::start(&[
        "limits.cold_burst=1000000",
        // The one that hangs is to take a second, not ten.
        "nebuly.attempt_timeout=1s",
        "nebuly.deadline=2s",
    ]);
    let page = open("GET", demo.links().last().unwrap(), &[]).await;
    let ways = ways(&page.body);
    assert!(ways.len() >= 18, "{}", page.body);
    let as_listed: Vec<_> = ways.iter().collect();
    let reversed: Vec<_> = ways.iter().rev().collect();
    let seed = fastrand::u64(..);
    let began = Instant::now();
    for order in [as_listed, reversed, shuffled(&ways, seed), shuffled(&ways, seed ^ 1)] {
        for way in order {
            let Way { method, url, expected } = way;
            for time in ["first", "second"] {
                // As browsers name a page of another port.
                let answer = open(method, url, &[("sec-fetch-site", "same-site")]).await;
                let shown = shown(&answer);
                let (now, later) = expected.split_once(", then ").unwrap_or((expected, expected));
                let is_expected = shown == now || (shown == later && began.elapsed() >= INGESTION);
                assert!(is_expected, "{time} {method} {url}, not {expected}, seed {seed}: {answer:?}");
            }
        }
    }
}
