//! Pages of other origins in a real browser: those of a listed origin may read `/api`, and nothing else.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use nebulink::demo::{Fault, Matching};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{KEY, PATIENCE, request};

/// The page with the examples.
const DOCUMENTATION: &str = include_str!("../../docs/api.md");

const TOKEN: &str = "canary-0123456789-abcdef";

/// Gives the answer as a page gets it, or the name of the error that its browser has in place of one.
const FETCH: &str = "
    const [url, options] = arguments;
    const read = async response => ({
        status: response.status,
        body: await response.text(),
        headers: Object.fromEntries(response.headers),
    });
    return fetch(url, options).then(read).catch(error => error.name)";

/// A site of somebody else, with one page at all its addresses.
struct OtherSite {
    port: u16,
    page: Arc<Mutex<String>>,
    serving: JoinHandle<()>,
}

impl OtherSite {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let page = Arc::new(Mutex::new("<!doctype html><title>Another site</title>".to_owned()));
        let served = Arc::clone(&page);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let page = served.lock().unwrap().clone();
                // A browser also opens connections that it does not use.
                tokio::spawn(async move { send_page(stream, &page).await.ok() });
            }
        });
        Self { port, page, serving }
    }

    /// Has this page from now on.
    fn set_page(&self, html: String) {
        *self.page.lock().unwrap() = html;
    }

    /// The origin that nebulink lists.
    fn listed(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same site under another name, which makes it another origin.
    fn unlisted(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

impl Drop for OtherSite {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one request with a page.
async fn send_page(mut stream: TcpStream, page: &str) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let fields = "content-type: text/html\r\nconnection: close";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    stream.write_all(answer.as_bytes()).await
}

/// The other site, and nebulink, which lets one of its origins read.
async fn start(further: &[(&str, &str)]) -> (OtherSite, Site) {
    let other = OtherSite::start().await;
    let listed = other.listed();
    let site = Site::start(&[&[("access.cors_origins", listed.as_str())], further].concat()).await;
    site.stand_in.add_conversation(KEY, "abc");
    (other, site)
}

/// The answer that the open page gets; a string if the browser gives it none.
async fn fetch(browser: &Browser, url: &str, options: Value) -> Value {
    browser.evaluate(FETCH, &[json!(url), options]).await
}

/// The options of a request for many links.
fn batch(body: impl Into<String>) -> Value {
    json!({
        "method": "POST",
        "headers": {"content-type": "application/json", "authorization": format!("Bearer {TOKEN}")},
        "body": body.into(),
    })
}

/// The problem in an answer, without its namespace.
fn problem(answer: &Value) -> String {
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["type"].as_str().unwrap().trim_start_matches("urn:nebulink:").to_owned()
}

fn tokens_file() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "page = {TOKEN}").unwrap();
    file
}

/// The preflights that nebulink has answered.
async fn preflights(site: &Site) -> u64 {
    let scrape = request(site.nebulink.management, "GET", "/metrics", &[]).await.body;
    let counts = scrape.lines().filter(|line| line.starts_with("nebulink_http_requests_total{"));
    let counts = counts.filter(|line| line.contains(r#"method="OPTIONS""#));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_links_and_errors() {
    let Some(browser) = Browser::start().await else { return };
    let tokens = tokens_file();
    let (other, site) = start(&[("access.api_tokens_file", tokens.path().to_str().unwrap())]).await;
    browser.open(&other.listed()).await;

    let one = site.page("/api/v1/links/conversation/abc");
    let headers = json!({"authorization": format!("Bearer {TOKEN}"), "x-request-id": "of-a-page"});
    let answer = fetch(&browser, &one, json!({"headers": headers})).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains(r#""state":"resolved""#), "{answer}");
    assert_eq!(answer["headers"]["cache-status"], "nebulink; fwd=miss; fwd-status=200; stored");
    assert_eq!(answer["headers"]["x-request-id"], "of-a-page");
    assert!(answer["headers"]["server-timing"].as_str().unwrap().starts_with("nebuly;dur="), "{answer}");
    let token = json!({"authorization": format!("Bearer {TOKEN}")});
    let no_cache = json!({"authorization": format!("Bearer {TOKEN}"), "cache-control": "no-cache"});
    for (options, calls) in [
        (json!({"headers": token}), 0),
        (json!({"headers": no_cache}), 1),
        // The browser adds the header by itself.
        (json!({"headers": token, "cache": "no-store"}), 1),
        (json!({"headers": token, "cache": "reload"}), 1),
        (json!({"headers": token, "cache": "no-cache"}), 0),
    ] {
        site.stand_in.forget_calls();
        assert_eq!(fetch(&browser, &one, options.clone()).await["status"], 200);
        assert_eq!(site.stand_in.call_count(), calls, "{options}");
    }

    let many = site.page("/api/v1/links");
    let answer = fetch(&browser, &many, batch(r#"{"links": [{"id": "abc"}, {"id": "unknown"}]}"#)).await;
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&body["links"][0]["state"], &body["links"][1]["state"]),
        (&json!("resolved"), &json!("absent"))
    );

    let unknown = site.page("/api/v1/links/conversation/unknown");
    let too_large = format!(r#"{{"links": [], "x": "{}"}}"#, "x".repeat(2 << 20));
    let mut as_text = batch("{}");
    as_text["headers"]["content-type"] = json!("text/plain");
    for (url, options, status, kind) in [
        (&one, json!({}), 401, "unauthenticated"),
        (&unknown, json!({"headers": headers}), 404, "not-found"),
        (&many, batch("nonsense"), 400, "invalid-request"),
        (&many, batch(too_large), 413, "invalid-request"),
        (&many, as_text, 415, "invalid-request"),
        (&many, batch(r#"{"links": 5}"#), 422, "invalid-request"),
        (&site.page("/api/nothing"), json!({"headers": headers}), 404, "unknown-path"),
    ] {
        let answer = fetch(&browser, url, options).await;
        assert_eq!(answer["status"], status, "{kind}: {answer}");
        assert_eq!(problem(&answer), kind);
        assert!(answer["headers"]["x-request-id"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_each_line_as_it_comes() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[]).await;
    site.stand_in.add_conversation(KEY, "slow");
    site.stand_in.set_fault_for(Matching::id("slow"), Fault::Hold);
    browser.open(&other.listed()).await;
    let mut options = batch(r#"{"links": [{"id": "slow"}, {"id": "abc"}]}"#);
    options["headers"]["accept"] = json!("application/x-ndjson");
    let read = "
        const [url, options] = arguments;
        window.text = '', window.isComplete = false;
        const read = async response => {
            for await (const part of response.body.pipeThrough(new TextDecoderStream())) window.text += part;
            window.isComplete = true;
        };
        return fetch(url, options).then(response => { read(response); return response.headers.get('content-type') })";
    let content_type = browser.evaluate(read, &[json!(site.page("/api/v1/links")), options]).await;
    assert_eq!(content_type, "application/x-ndjson");
    browser.eventually("return window.text.endsWith('\\n')").await;
    let shown = browser.evaluate("return [window.text, window.isComplete]", &[]).await;
    let line: Value = serde_json::from_str(shown[0].as_str().unwrap()).unwrap();
    assert_eq!((&line["index"], &line["id"], &shown[1]), (&json!(1), &json!("abc"), &json!(false)));
    site.stand_in.release_held();
    browser.eventually("return window.isComplete").await;
    let text = browser.evaluate("return window.text", &[]).await;
    let last: Value = serde_json::from_str(text.as_str().unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&last["index"], &last["state"]), (&json!(0), &json!("resolved")));
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_how_long_to_wait() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[("limits.cold_per_second", "1"), ("limits.cold_burst", "2")]).await;
    browser.open(&other.listed()).await;
    let many = site.page("/api/v1/links");
    // Two batches of this caller, each with a call that is not answered yet.
    site.stand_in.set_fault(Some(Fault::Hold));
    let post = "window.running = (window.running ?? []).concat(fetch(arguments[0], arguments[1]))";
    for number in 1..=2 {
        let body = format!(r#"{{"links": [{{"id": "held-{number}"}}]}}"#);
        browser.evaluate(post, &[json!(many), batch(body)]).await;
        tokio::time::timeout(PATIENCE, site.stand_in.wait_for_calls(number)).await.unwrap();
    }
    let third = fetch(&browser, &many, batch(r#"{"links": [{"id": "abc"}]}"#)).await;
    assert_eq!((&third["status"], problem(&third).as_str()), (&json!(503), "overloaded"), "{third}");
    assert!(third["headers"]["retry-after"].as_str().unwrap().parse::<u32>().unwrap() > 0);
    site.stand_in.clear_faults();
    let ended = "return Promise.all(window.running.map(async response => (await response).status))";
    assert_eq!(browser.evaluate(ended, &[]).await, json!([200, 200]));

    let limited = fetch(&browser, &site.page("/api/v1/links/conversation/abc"), json!({})).await;
    assert_eq!((&limited["status"], problem(&limited).as_str()), (&json!(429), "rate-limited"), "{limited}");
    assert!(limited["headers"]["retry-after"].as_str().unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[]).await;
    browser.open(&other.unlisted()).await;
    let (one, many) = (site.page("/api/v1/links/conversation/abc"), site.page("/api/v1/links"));
    let with_token = json!({"headers": {"authorization": format!("Bearer {TOKEN}")}});
    let links = r#"{"links": [{"id": "abc"}]}"#;
    for (url, options) in [
        (&one, json!({})),
        (&one, with_token),
        (&many, batch(links)),
        (&many, json!({"method": "POST", "body": links})),
        (&site.page("/api/nothing"), json!({})),
    ] {
        assert_eq!(fetch(&browser, url, options.clone()).await, "TypeError", "{url} {options}");
    }
    // Without the header that would ask first, the answer comes, but says nothing.
    let opaque = fetch(&browser, &one, json!({"mode": "no-cors"})).await;
    assert_eq!((&opaque["status"], &opaque["body"]), (&json!(0), &json!("")));
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_nothing_outside_the_api() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[]).await;
    browser.open(&other.listed()).await;
    for path in ["/", "/kit", "/c/abc", "/go/conversation?id=abc&noredirect", "/opensearch.xml", "/nowhere"] {
        assert_eq!(fetch(&browser, &site.page(path), json!({})).await, "TypeError", "{path}");
    }
    let credentials = json!({"credentials": "include"});
    let one = site.page("/api/v1/links/conversation/abc");
    assert_eq!(fetch(&browser, &one, credentials).await, "TypeError");
    assert_eq!(fetch(&browser, &one, json!({"credentials": "omit"})).await["status"], 200);
}

#[tokio::test]
async fn a_browser_asks_once_what_a_page_may_send() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[]).await;
    browser.open(&other.listed()).await;
    for _ in 0..3 {
        let answer =
            fetch(&browser, &site.page("/api/v1/links"), batch(r#"{"links": [{"id": "abc"}]}"#)).await;
        assert_eq!(answer["status"], 200, "{answer}");
    }
    assert_eq!(preflights(&site).await, 1);
}

#[tokio::test]
async fn the_page_of_the_documentation_shows_its_links() {
    let Some(browser) = Browser::start().await else { return };
    let (other, site) = start(&[]).await;
    let id = "orders/2026-11-20#4711";
    site.stand_in.add_conversation(KEY, id);
    let page = DOCUMENTATION.split("```html\n").nth(1).unwrap().split("```").next().unwrap();
    other.set_page(page.replace("https://go.example.com", &site.page("")));
    browser.open(&other.listed()).await;
    browser.eventually("return document.querySelectorAll('li').length === 2").await;
    assert_eq!(browser.text_of("li:last-child").await, "another");
    assert!(!browser.shows("li:last-child a[href]").await);
    assert_eq!(browser.console_messages().await, Vec::<String>::new());
    browser.follow("li", id).await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, id));
}
