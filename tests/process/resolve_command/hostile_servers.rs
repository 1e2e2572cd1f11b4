//! `nebulink resolve --server URL`, in front of servers that are not nebulink, or do it harm.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::fake_server::{FakeServer, answer, failed, ndjson, problem, resolved};
use super::{Run, finished, resolve};
use crate::support::PATIENCE;

async fn ask(server: &str, arguments: &[&str]) -> Run {
    let mut all = vec!["--server", server, "conversation"];
    all.extend(arguments);
    let began = Instant::now();
    let found = finished(resolve(&all), "").await;
    assert!(began.elapsed() < PATIENCE);
    assert!(found.errors.is_ascii() && !found.errors.contains('\u{1b}'), "{}", found.errors);
    assert!(found.errors.len() < 4_000, "{}", found.errors.len());
    found
}

#[tokio::test]
async fn an_answer_that_is_not_nebulinks_is_said_to_be_none() {
    let login = "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for answer in [
        login.to_owned(),
        answer("200 OK", "text/html", "<html>login"),
        answer("401 Unauthorized", "text/html", "<html>login"),
        answer("403 Forbidden", "text/plain", ""),
        answer("200 OK", "application/json", "{\"links\": []}"),
    ] {
        let server = FakeServer::answering(answer.clone());
        let found = ask(&server.url(), &["a", "b"]).await;
        assert_eq!((found.code, found.output.as_str()), (1, ""), "{answer}");
        assert!(found.errors.contains("does a login stand before it?"), "{answer}: {}", found.errors);
        assert_eq!(server.requests().len(), 1, "{answer}");
    }
    for answer in [
        problem("404 Not Found", "", "There is no such page"),
        answer("404 Not Found", "text/html", "nginx"),
        answer("405 Method Not Allowed", "text/html", "nginx"),
    ] {
        let found = ask(&FakeServer::answering(answer).url(), &["a"]).await;
        assert_eq!((found.code, found.output.as_str()), (1, ""));
        assert!(found.errors.contains("the server has no /api/v1/links"), "{}", found.errors);
    }
}

#[tokio::test]
async fn of_an_answer_that_does_not_fit_the_question_nothing_is_printed() {
    let other_kind = |mut link: Value| {
        link["kind"] = json!("interaction");
        link
    };
    let without = |member: &str, mut link: Value| {
        link.as_object_mut().unwrap().remove(member);
        link
    };
    let no_state = |mut link: Value| {
        link["state"] = json!("new");
        link
    };
    for link in [
        resolved(0, "other"),
        resolved(1, "a"),
        resolved(usize::MAX, "a"),
        other_kind(resolved(0, "a")),
        no_state(resolved(0, "a")),
        without("index", resolved(0, "a")),
        without("kind", resolved(0, "a")),
        without("id", resolved(0, "a")),
        without("error", failed(0, "a", "urn:nebulink:timeout")),
        json!({"index": -1}),
        json!("\u{1b}[31m"),
        json!([[[[]]]]),
        Value::Null,
    ] {
        let server = FakeServer::answering(ndjson(std::slice::from_ref(&link)));
        for json in [&["a"][..], &["a", "--json"]] {
            let found = ask(&server.url(), json).await;
            assert_eq!((found.code, found.output.as_str()), (1, ""), "{link}");
            let why = format!("nebulink: {}/api/v1/links: the server's answer is ", server.url());
            assert!(found.errors.starts_with(&why), "{}", found.errors);
        }
    }
    let twice = FakeServer::answering(ndjson(&[resolved(1, "b"), resolved(1, "b")]));
    let found = ask(&twice.url(), &["a", "b"]).await;
    assert_eq!((found.code, found.output.as_str()), (1, ""));
    let empty = FakeServer::answering(answer("200 OK", "application/x-ndjson", "\n"));
    assert_eq!(ask(&empty.url(), &["a"]).await.code, 1);
}

#[tokio::test]
async fn a_url_that_may_not_be_opened_is_not_printed() {
    for url in
        ["https://any.example/\u{1b}[31m", "https://any.example/ü", "javascript:alert(1)", "/login", ""]
    {
        let mut bad = resolved(0, "a");
        bad["url"] = json!(url);
        let server = FakeServer::answering(ndjson(&[bad, resolved(1, "b")]));
        let found = ask(&server.url(), &["a", "b"]).await;
        assert_eq!((found.code, found.lines()), (1, vec!["", "https://any.example/b"]), "{url}");
        assert!(
            found.errors.starts_with("nebulink: \"a\": Nebuly's answer cannot be used: "),
            "{}",
            found.errors
        );
        let links = ask(&server.url(), &["a", "b", "--json"]).await.json();
        assert_eq!((&links[0]["state"], links[0].get("url")), (&json!("failed"), None));
    }
}

#[tokio::test]
async fn no_byte_of_a_server_moves_the_cursor() {
    let hostile = "\u{1b}[31mred\r\n\u{9b}2J\u{202e}";
    let mut link = failed(0, "a", "urn:nebulink:unavailable");
    link["error"]["title"] = json!(hostile);
    link["project"] = json!(hostile);
    link["resolved_at"] = json!(hostile);
    link["short_url"] = json!(hostile);
    let server = FakeServer::answering(ndjson(&[link]));
    let found = ask(&server.url(), &["a"]).await;
    assert_eq!(found.errors, "nebulink: \"a\": \\u{1b}[31mred\\r\\n\\u{9b}2J\\u{202e}: Why.\n");
    let found = ask(&server.url(), &["a", "--json"]).await;
    assert!(found.output.is_ascii() && found.output.lines().count() == 1, "{}", found.output);
    let link = &found.json()[0];
    assert_eq!(link["error"]["title"], hostile);
    assert!(
        ["project", "resolved_at", "short_url"].iter().all(|member| link.get(member).is_none()),
        "{link}"
    );

    let refused = FakeServer::answering(problem("403 Forbidden", "", "\\u001b[31mred"));
    let found = ask(&refused.url(), &["a"]).await;
    assert_eq!(found.errors.lines().count(), 1, "{}", found.errors);
}

#[tokio::test]
async fn of_a_problem_only_what_a_link_may_have_is_passed_on_and_no_more_than_fits_a_line() {
    let mut link = failed(0, "a", "https://types.example/\u{1b}[31m");
    for member in ["title", "detail"] {
        link["error"][member] = json!("x".repeat(10_000));
    }
    link["error"]["request_id"] = json!("x".repeat(10_000));
    link["error"]["pointer"] = json!("x".repeat(10_000));
    let found = ask(&FakeServer::answering(ndjson(&[link])).url(), &["a", "--json"]).await;
    let error = &found.json()[0]["error"];
    let cut = format!("{}...", "x".repeat(600));
    assert_eq!((&error["title"], &error["detail"]), (&json!(cut), &json!(cut)));
    assert_eq!(error["type"], "about:blank");
    assert!(error.get("request_id").is_none() && error.get("pointer").is_none(), "{error}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
    let line = format!("{}\n", resolved(0, "a"));
    let endless = |part: String| {
        FakeServer::start(move |_, stream| {
            drop(stream.write_all(head.as_bytes()));
            while stream.write_all(part.as_bytes()).is_ok() {}
        })
    };
    for part in ["x".repeat(1 << 16), line.clone(), "\n".repeat(1 << 16)] {
        let found = ask(&endless(part).url(), &["a", "b"]).await;
        assert_eq!(found.code, 1);
        assert!(found.output.lines().count() <= 1, "{}", found.output);
    }
    // Nothing follows the last link.
    let found = ask(&endless(line).url(), &["a"]).await;
    assert_eq!((found.code, found.output.as_str()), (0, "https://any.example/a\n"));
    let problem = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
        {\"title\": \"";
    let endless = FakeServer::start(move |_, stream| {
        drop(stream.write_all(problem.as_bytes()));
        while stream.write_all(&[b'x'; 1 << 10]).is_ok() {}
    });
    assert_eq!(ask(&endless.url(), &["a"]).await.code, 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_it() {
    // Bound, so that nobody else gets the port, but not listening.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = closed.local_addr().unwrap().as_socket().unwrap();
    let server = format!("http://{address}");
    let unreachable =
        finished(resolve(&["conversation", "-", "--server", &server]), "id\n".repeat(5_000)).await;
    assert_eq!((unreachable.code, unreachable.output.as_str()), (1, ""));
    let error = &unreachable.errors;
    let no_connection = format!("nebulink: {server}/api/v1/links: no connection: ");
    assert!(error.starts_with(&no_connection) && error.contains("given up"), "{error}");
    assert_eq!(error.lines().count(), 1);

    let silent = FakeServer::start(|_, _| std::thread::sleep(PATIENCE));
    let late = ask(&silent.url(), &["a", "--timeout", "200ms"]).await;
    assert_eq!((late.code, late.output.as_str()), (1, ""));
    let no_answer = format!("nebulink: {}/api/v1/links: no answer in time: ", silent.url());
    assert!(late.errors.starts_with(&no_answer), "{}", late.errors);
    assert_eq!(silent.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_stalls_is_left_and_what_it_said_is_kept() {
    let server = FakeServer::start(|request, stream| {
        let whole = ndjson(
            &request.ids.iter().enumerate().map(|(index, id)| resolved(index, id)).collect::<Vec<_>>(),
        );
        let head_and_line = whole.find("}\n").unwrap() + 2;
        drop(stream.write_all(&whole.as_bytes()[..head_and_line]));
        std::thread::sleep(PATIENCE);
    });
    let found = ask(&server.url(), &["a", "b", "c", "--timeout", "300ms"]).await;
    assert_eq!((found.code, found.lines().len()), (0, 3), "{}", found.errors);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_pause_that_is_out_of_all_proportion_is_not_waited_for() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let server = FakeServer::answering(problem(status, "retry-after: 4000000000\r\n", "Later"));
        let found = ask(&server.url(), &["a"]).await;
        assert_eq!((found.code, found.output.as_str()), (1, ""));
        assert!(
            found.errors.contains("Later: Why.") && found.errors.contains("given up"),
            "{}",
            found.errors
        );
    }
    let mut link = failed(0, "a", "urn:nebulink:rate-limited");
    link["error"]["retry_after"] = json!(4_000_000_000_u32);
    let found = ask(&FakeServer::answering(ndjson(&[link])).url(), &["a"]).await;
    assert_eq!((found.code, found.errors.as_str()), (1, "nebulink: \"a\": Failed: Why.\n"));
}
