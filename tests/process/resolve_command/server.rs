//! `nebulink resolve --server URL`, in front of a server that follows the contract of the API.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tempfile::NamedTempFile;

use super::fake_server::{FakeServer, Request, failed, listening, ndjson, problem, resolved};
use super::{Run, UUID, finished, resolve};

async fn ask(server: &str, arguments: &[&str], input: &str) -> Run {
    let mut all = vec!["--server", server];
    all.extend(arguments);
    finished(resolve(&all), input).await
}

/// The answer to a request whose ids all lead somewhere.
fn all_resolved(request: &Request) -> String {
    let links: Vec<_> = request.ids.iter().enumerate().map(|(index, id)| resolved(index, id)).collect();
    ndjson(&links)
}

fn pages(ids: impl IntoIterator<Item = String>) -> String {
    ids.into_iter().fold(String::new(), |pages, id| pages + "https://any.example/" + &*id + "\n")
}

#[tokio::test]
async fn links_are_printed_in_the_order_of_the_ids_whatever_the_order_of_the_answer() {
    let server = FakeServer::start(|request, stream| {
        let mut links: Vec<_> =
            request.ids.iter().enumerate().map(|(index, id)| resolved(index, id)).collect();
        links.reverse();
        drop(stream.write_all(ndjson(&links).as_bytes()));
    });
    let found = ask(&server.url(), &["conversation", "a", "b", "c", "a"], "").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, pages(["a", "b", "c", "a"].map(str::to_owned)));
    let input = (0..5_000).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    let found = ask(&server.url(), &["conversation", "-"], &input).await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, pages((0..5_000).map(|number| number.to_string())));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.ids.len() <= 1000));
    assert!(requests.len() < 100, "{} requests", requests.len());
    let head = &requests[0].head;
    assert!(head.starts_with("post /api/v1/links http/1.1\r\n"), "{head}");
    for line in ["accept: application/x-ndjson", "content-type: application/json"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn as_json_a_link_is_what_the_server_said_without_its_index() {
    let server = FakeServer::start(|_, stream| {
        let mut link = resolved(0, UUID);
        link["kind"] = json!("interaction");
        link["long_url"] = json!(format!("http://go.example/go/interaction?id={UUID}"));
        link["news"] = json!("of a later version");
        drop(stream.write_all(ndjson(&[link]).as_bytes()));
    });
    let found = ask(&server.url(), &["interaction", &UUID.to_uppercase(), "--json"], "").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    let expected = json!({
        "kind": "interaction", "id": UUID, "state": "resolved", "url": format!("https://any.example/{UUID}"),
        "project": "default", "resolved_at": "2026-01-02T03:04:05Z",
        "long_url": format!("http://go.example/go/interaction?id={UUID}"),
    });
    assert_eq!(found.json(), [expected]);
}

#[tokio::test]
async fn a_link_without_a_url_keeps_its_line_and_is_told_in_the_servers_words() {
    let server = FakeServer::start(|request, stream| {
        let links = request.ids.iter().enumerate().map(|(index, id)| match id.as_str() {
            "a" => resolved(index, id),
            _ => failed(index, id, "urn:nebulink:unavailable"),
        });
        drop(stream.write_all(ndjson(&links.collect::<Vec<_>>()).as_bytes()));
    });
    let found = ask(&server.url(), &["conversation", "-"], "x\u{1b}\n\nb\na\n").await;
    assert_eq!((found.code, found.lines()), (1, vec!["", "", "", "https://any.example/a"]));
    let errors: Vec<_> = found.errors.lines().collect();
    let [invalid, failed] = errors[..] else { panic!("{errors:?}") };
    assert_eq!(invalid, r#"nebulink: "x\u{1b}": This request is not valid: The id has a control character."#);
    assert_eq!(failed, r#"nebulink: "b": Failed: Why."#);
    // Nobody needs to be asked for what cannot be an id.
    assert_eq!(server.requests().iter().map(|request| request.ids.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_limit_is_waited_for_and_only_what_is_missing_is_asked_for_again() {
    let tokens = Mutex::new(40);
    let server = FakeServer::start(move |request, stream| {
        let mut tokens = tokens.lock().unwrap();
        let links = request.ids.iter().enumerate().map(|(index, id)| {
            if *tokens == 0 {
                return failed(index, id, "urn:nebulink:rate-limited");
            }
            *tokens -= 1;
            resolved(index, id)
        });
        let answer = ndjson(&links.collect::<Vec<_>>());
        *tokens += 40;
        drop(stream.write_all(answer.as_bytes()));
    });
    let began = Instant::now();
    let input = (0..100).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    let found = ask(&server.url(), &["conversation", "-"], &input).await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, pages((0..100).map(|number| number.to_string())));
    assert!(began.elapsed().as_millis() >= 1000, "it did not wait");
}

#[tokio::test]
async fn a_server_that_is_busy_or_restarts_is_asked_again() {
    let busy = problem("503 Service Unavailable", "retry-after: 1\r\n", "Busy");
    let answers = Arc::new(AtomicUsize::new(0));
    let server = FakeServer::start(move |request, stream| {
        let answer = match answers.fetch_add(1, Ordering::SeqCst) {
            0 => busy.clone(),
            1 => "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            // It ends in the middle of the second line.
            2 => all_resolved(request).chars().take(400).collect(),
            3 => String::new(),
            _ => all_resolved(request),
        };
        drop(stream.write_all(answer.as_bytes()));
    });
    let found = ask(&server.url(), &["conversation", "a", "b", "c"], "").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, pages(["a", "b", "c"].map(str::to_owned)));
}

#[tokio::test]
async fn of_a_long_pause_it_tells_once() {
    let busy = problem("503 Service Unavailable", "retry-after: 3\r\n", "Busy");
    let was_asked = AtomicUsize::new(0);
    let server = FakeServer::start(move |request, stream| {
        let is_busy = was_asked.fetch_add(1, Ordering::SeqCst) == 0;
        let answer = if is_busy { busy.clone() } else { all_resolved(request) };
        drop(stream.write_all(answer.as_bytes()));
    });
    let found = ask(&server.url(), &["conversation", "a"], "").await;
    assert_eq!((found.code, found.output.as_str()), (0, "https://any.example/a\n"));
    assert_eq!(found.errors, "nebulink: Busy: Why. Waiting for 3s, and longer if need be.\n");
}

#[tokio::test]
async fn a_server_that_takes_fewer_links_at_once_gets_fewer() {
    let server = FakeServer::start(|request, stream| {
        let answer = match request.ids.len() {
            ..=100 => all_resolved(request),
            _ => problem("413 Payload Too Large", "", "Too many links"),
        };
        drop(stream.write_all(answer.as_bytes()));
    });
    let input = (0..2_000).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    let found = ask(&server.url(), &["conversation", "-"], &input).await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, pages((0..2_000).map(|number| number.to_string())));
    let too_large = server.requests().iter().filter(|request| request.ids.len() > 100).count();
    assert!(too_large <= 8, "it asked {too_large} times for too many");
}

#[tokio::test]
async fn what_the_server_had_no_time_for_is_asked_for_again() {
    let server = FakeServer::start(|request, stream| {
        let links = request.ids.iter().enumerate().map(|(index, id)| match (id.as_str(), index) {
            ("never", _) | (_, 3..) => failed(index, id, "urn:nebulink:timeout"),
            _ => resolved(index, id),
        });
        drop(stream.write_all(ndjson(&links.collect::<Vec<_>>()).as_bytes()));
    });
    let found = ask(&server.url(), &["conversation", "a", "never", "b", "c", "d"], "").await;
    let page = |id| format!("https://any.example/{id}");
    assert_eq!(found.code, 1);
    assert_eq!(found.lines(), [&page("a"), "", &page("b"), &page("c"), &page("d")]);
    assert_eq!(found.errors, "nebulink: \"never\": Failed: Why.\n");
}

#[tokio::test]
async fn a_token_is_sent_and_never_shown() {
    let server = FakeServer::start(|request, stream| {
        let answer = if request.head.contains("\r\nauthorization: bearer canary-of-a-token\r\n") {
            all_resolved(request)
        } else {
            problem("401 Unauthorized", "www-authenticate: Bearer\r\n", "This needs an API token")
        };
        drop(stream.write_all(answer.as_bytes()));
    });
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary-of-a-token\n").unwrap();
    let token = ["--token-file", file.path().to_str().unwrap()];
    let known = ask(&server.url(), &["conversation", "a", token[0], token[1]], "").await;
    assert_eq!(
        (known.code, known.output.as_str(), known.errors.as_str()),
        (0, "https://any.example/a\n", "")
    );
    let without = ask(&server.url(), &["conversation", "a"], "").await;
    assert_eq!((without.code, without.output.as_str()), (1, ""));
    assert!(without.errors.contains("This needs an API token") && without.errors.contains("--token-file"));
    std::fs::write(file.path(), "canary-of-a-token\ncanary-of-another\n").unwrap();
    let two = ask(&server.url(), &["conversation", "a", token[0], token[1]], "").await;
    assert!(two.code == 2 && !two.errors.contains("canary"), "{}", two.errors);
    std::fs::write(file.path(), "canary-of-another").unwrap();
    let unknown = ask(&server.url(), &["conversation", "a", token[0], token[1]], "").await;
    assert!(unknown.code == 1 && !unknown.errors.contains("canary"), "{}", unknown.errors);
}

#[tokio::test]
async fn a_servers_certificate_has_to_be_signed_by_whom_the_caller_trusts() {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let config = Arc::new(config);
    let address = listening(move |socket| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        if let Some(request) = Request::read(&mut stream) {
            drop(stream.write_all(all_resolved(&request).as_bytes()));
            stream.conn.send_close_notify();
            drop(stream.flush());
        }
    });
    let server = format!("https://localhost:{}", address.port());

    let unknown = ask(&server, &["conversation", "a"], "").await;
    assert_eq!((unknown.code, unknown.output.as_str()), (1, ""));
    assert!(unknown.errors.contains("certificate"), "{}", unknown.errors);
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    let known = ask(&server, &["conversation", "a", "--ca-file", file.path().to_str().unwrap()], "").await;
    assert_eq!((known.code, known.output.as_str()), (0, "https://any.example/a\n"), "{}", known.errors);
    let none = NamedTempFile::new().unwrap();
    let none = ask(&server, &["conversation", "a", "--ca-file", none.path().to_str().unwrap()], "").await;
    assert!(none.code == 2 && none.errors.contains("no usable certificate"), "{}", none.errors);
}
