//! Many links as NDJSON: a line for each, as soon as it is known.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use nebulink::demo::{Fault, Matching};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{LINKS, assert_problem, conversations, known, post, with_body};
use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{Nebulink, PATIENCE, eventually, key_of, request, settings_with, stand_in_with};

const NDJSON: (&str, &str) = ("accept", "application/x-ndjson");

/// An answer that is read while it is sent.
struct Stream {
    stream: TcpStream,
    received: String,
}

impl Stream {
    async fn begin(address: SocketAddr, request: &str) -> Self {
        Self::begin_on(TcpStream::connect(address).await.unwrap(), request).await
    }

    async fn begin_on(mut stream: TcpStream, request: &str) -> Self {
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, received: String::new() }
    }

    /// Reads until this text has come.
    async fn read_until(&mut self, text: &str) {
        let read = async {
            while !self.received.contains(text) {
                let mut bytes = [0; 4096];
                let read = self.stream.read(&mut bytes).await.unwrap();
                assert_ne!(read, 0, "{text} is not in {}", self.received);
                self.received.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{}", self.received));
    }

    /// Reads to the end of the connection.
    async fn read_all(mut self) -> String {
        let read = self.stream.read_to_string(&mut self.received);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        self.received
    }

    /// Leaves with a reset.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The head of an answer, and its body without the frames of its chunks.
fn unchunked(answer: &str) -> (&str, String) {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut body = String::new();
    loop {
        let (length, chunk) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(chunk, "\r\n", "something follows the last chunk");
            return (head, body);
        }
        let (chunk, after) = chunk.split_at(length);
        body.push_str(chunk);
        rest = after.strip_prefix("\r\n").unwrap();
    }
}

/// The lines of a body.
fn lines(body: &str) -> Vec<Value> {
    assert!(body.is_empty() || body.ends_with('\n'), "{body:?}");
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A batch of conversations, for its answer as NDJSON.
fn batch_of(ids: &[&str], headers: &[(&str, &str)]) -> String {
    let body = json!({ "links": conversations(ids) }).to_string();
    with_body(LINKS, &body, &[&[NDJSON], headers].concat())
}

async fn metrics(nebulink: &Nebulink) -> String {
    request(nebulink.management, "GET", "/metrics", &[]).await.body
}

fn requests_with(status: u16) -> String {
    format!("nebulink_http_requests_total{{route=\"/api/v1/links\",method=\"POST\",status=\"{status}\"}} ")
}

#[tokio::test]
async fn each_link_is_a_line_with_its_position_and_otherwise_as_in_one_document() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let body = json!({"links": [
        {"id": "abc"}, {"kind": "interaction", "id": "none"}, {"id": "unknown"}, {"id": "abc"},
        {"id": "abc", "project": "nobody"},
    ]});
    let request = with_body(LINKS, &body.to_string(), &[NDJSON]);
    let answer = Stream::begin(nebulink.address, &request).await.read_all().await;
    let (head, body_of_lines) = unchunked(&answer);
    for header in [
        "HTTP/1.1 200 OK",
        "content-type: application/x-ndjson",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "x-accel-buffering: no",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} in {head}");
    }
    assert!(head.contains("x-request-id: "), "{head}");
    let document = post(&nebulink, LINKS, &body.to_string(), &[]).await.json();
    let mut lines = lines(&body_of_lines);
    lines.sort_by_key(|line| line["index"].as_u64());
    for (index, (mut line, link)) in lines.into_iter().zip(document["links"].as_array().unwrap()).enumerate()
    {
        assert_eq!(line.as_object_mut().unwrap().shift_remove("index"), Some(json!(index)));
        assert_eq!(line, *link);
    }
    assert_eq!(stand_in.call_count(), 2);
    // Without links there are no lines.
    let empty = with_body(LINKS, "{\"links\":[]}", &[NDJSON]);
    let answer = Stream::begin(nebulink.address, &empty).await.read_all().await;
    assert_eq!(unchunked(&answer).1, "");
    // A problem is a problem.
    assert_problem(&post(&nebulink, LINKS, "{}", &[NDJSON]).await, 422, "invalid-request");
    let twice = post(&nebulink, &format!("{LINKS}?refresh=1&refresh=1"), "{}", &[NDJSON]).await;
    assert_problem(&twice, 400, "invalid-request");
}

#[tokio::test]
async fn a_line_comes_as_soon_as_its_link_is_known_and_nothing_after_the_last() {
    let stand_in = known(&["first", "second", "held"]).await;
    stand_in.set_fault_for(Matching::id("held"), Fault::Hold);
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let mut stream =
        Stream::begin(nebulink.address, &batch_of(&["held", "first", "second", "held"], &[])).await;
    stream.read_until("\"id\":\"first\"").await;
    stream.read_until("\"id\":\"second\"").await;
    assert!(!stream.received.contains("\"held\""), "{}", stream.received);
    // It is not counted before its end.
    assert!(!metrics(&nebulink).await.contains(&requests_with(200)));
    stand_in.release_held();
    let answer = stream.read_all().await;
    let lines = lines(&unchunked(&answer).1);
    assert_eq!(lines.len(), 4);
    let indexes: BTreeSet<_> = lines.iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..4).collect());
    assert_eq!((&lines[2]["id"], &lines[3]["id"]), (&json!("held"), &json!("held")));
    assert_eq!(stand_in.call_count(), 3);
    eventually(async || metrics(&nebulink).await.contains(&(requests_with(200) + "1"))).await;
}

#[tokio::test]
async fn a_client_of_http_1_0_reads_lines_until_the_connection_is_closed() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for connection in ["close", "keep-alive"] {
        let request = batch_of(&["abc", "unknown"], &[])
            .replace("HTTP/1.1", "HTTP/1.0")
            .replace("connection: close", &format!("connection: {connection}"));
        let answer = Stream::begin(nebulink.address, &request).await.read_all().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 OK"), "{head}");
        assert!(!head.contains("chunked") && !head.contains("content-length"), "{head}");
        assert!(!head.contains("keep-alive"), "{head}");
        assert_eq!(lines(body).len(), 2, "{body}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_frees_its_place_and_stops_nothing_that_others_wait_for() {
    let stand_in = known(&["abc", "held"]).await;
    stand_in.set_fault_for(Matching::id("held"), Fault::Hold);
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for left in 1..=3 {
        let mut both = Vec::new();
        for _ in 0..2 {
            let mut stream = Stream::begin(nebulink.address, &batch_of(&["abc", "held"], &[])).await;
            stream.read_until("\"id\":\"abc\"").await;
            both.push(stream);
        }
        let third = post(&nebulink, LINKS, "{\"links\":[]}", &[]).await;
        assert_problem(&third, 503, "overloaded");
        both.into_iter().for_each(Stream::reset);
        let series = requests_with(499) + &(2 * left).to_string();
        eventually(async || metrics(&nebulink).await.contains(&series)).await;
    }
    let waiting = nebulink.get("/c/held");
    let (waiting, ()) = tokio::join!(waiting, async { stand_in.release_held() });
    assert_eq!(waiting.status, 302);
    assert_eq!(stand_in.calls_for("held"), 1);
}

#[tokio::test]
async fn what_is_not_known_in_time_is_the_end_of_the_stream() {
    let stand_in = known(&["abc"]).await;
    stand_in.set_fault_for(Matching::id("slow"), Fault::Hang);
    let settings =
        [("server.request_timeout", "3s"), ("nebuly.deadline", "2s"), ("nebuly.attempt_timeout", "2s")];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let request = batch_of(&["slow", "abc"], &[]);
    let answer = Stream::begin(nebulink.address, &request).await.read_all().await;
    let lines = lines(&unchunked(&answer).1);
    assert_eq!((&lines[0]["index"], &lines[0]["state"]), (&json!(1), &json!("resolved")));
    assert_eq!((&lines[1]["index"], &lines[1]["state"]), (&json!(0), &json!("failed")));
    assert_eq!(lines[1]["error"]["type"], "urn:nebulink:timeout");
}

#[tokio::test]
async fn a_reader_that_takes_no_byte_for_five_seconds_is_let_go() {
    const LINES: usize = 10_000;
    let stand_in = stand_in_with(3).await;
    for project in 0..3 {
        stand_in.add_conversation(&key_of(project), "all");
    }
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 3, &[("limits.batch", "10000")])).await;
    let body = json!({ "links": vec![json!({ "id": "all" }); LINES] }).to_string();
    let request = with_body(LINKS, &body, &[NDJSON]);
    // More than the buffers of both ends take: each of its lines has three links to choose from.
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let stream = socket.connect(nebulink.address).await.unwrap();
        let mut stream = Stream::begin_on(stream, &request).await;
        stream.read_until("\"index\":").await;
        stalled.push(stream);
    }
    assert_problem(&post(&nebulink, LINKS, &body, &[]).await, 503, "overloaded");
    eventually(async || metrics(&nebulink).await.contains(&(requests_with(499) + "2"))).await;
    for mut stream in stalled {
        let mut rest = Vec::new();
        let end = stream.stream.read_to_end(&mut rest).await;
        assert_eq!(
            end.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionReset,
            "its end would look complete"
        );
    }
    // Whoever reads gets all of it.
    let answer = Stream::begin(nebulink.address, &request).await.read_all().await;
    assert_eq!(lines(&unchunked(&answer).1).len(), LINES);
}

#[tokio::test]
async fn a_stream_is_logged_at_its_end_with_identity_and_number_of_links() {
    if !in_own_process(a_stream_is_logged_at_its_end_with_identity_and_number_of_links) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known(&["abc", "secret-held"]).await;
    stand_in.set_fault_for(Matching::id("secret-held"), Fault::Hold);
    let settings = [
        ("access.identity_header", "x-user"),
        ("server.trusted_proxies", "127.0.0.1"),
        ("log.access", "cold"),
    ];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let request = batch_of(&["abc", "secret-held"], &[("x-user", "ada")]);
    let mut stream = Stream::begin(nebulink.address, &request).await;
    stream.read_until("\"id\":\"abc\"").await;
    assert_eq!(log.lines("/api/v1/links"), [""; 0]);
    stand_in.release_held();
    stream.read_all().await;
    let line: Value = serde_json::from_str(&log.line("request answered").await).unwrap();
    let fields = ["route", "method", "status", "identity", "links"].map(|field| line[field].clone());
    assert_eq!(json!(fields), json!([LINKS, "POST", 200, "ada", 2]), "{line}");
    // Without a call it is not cold; who has seen the links is logged nevertheless.
    Stream::begin(nebulink.address, &request).await.read_all().await;
    let line: Value = serde_json::from_str(&log.line("link opened").await).unwrap();
    let fields = ["route", "identity", "links"].map(|field| line[field].clone());
    assert_eq!(json!(fields), json!([LINKS, "ada", 2]), "{line}");
    stand_in.set_fault_for(Matching::id("other"), Fault::Hold);
    let mut stream =
        Stream::begin(nebulink.address, &batch_of(&["abc", "other"], &[("x-user", "ada")])).await;
    stream.read_until("\"id\":\"abc\"").await;
    stream.reset();
    let line: Value = serde_json::from_str(&log.line("connection closed before the answer").await).unwrap();
    let fields = ["status", "identity", "links"].map(|field| line[field].clone());
    assert_eq!(json!(fields), json!([499, "ada", 2]), "{line}");
    assert!(!log.text().contains("secret-held"), "{}", log.text());
}

#[tokio::test]
async fn a_stream_that_the_end_of_the_drain_cuts_ends_in_a_reset() {
    let stand_in = known(&["abc"]).await;
    stand_in.set_fault_for(Matching::id("held"), Fault::Hold);
    let settings = [("server.drain_delay", "0s"), ("server.drain_timeout", "1s")];
    let mut nebulink = Nebulink::start(&stand_in, &settings).await;
    let mut stream = Stream::begin(nebulink.address, &batch_of(&["abc", "held"], &[])).await;
    stream.read_until("\"id\":\"abc\"").await;
    nebulink.stop(nebulink::app::Shutdown::AtOnce);
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    nebulink.stopped().await;
}
