//! A server in place of nebulink, which answers as a test wants it to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A server that records its requests. It serves until the test ends.
pub(super) struct FakeServer {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request for links.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) head: String,
    /// The ids that it asks for.
    pub(super) ids: Vec<String>,
}

/// A connection, with or without TLS.
pub(super) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

impl FakeServer {
    /// Answers every request, each on a connection of its own.
    pub(super) fn start(answer: impl Fn(&Request, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        let address = listening(move |mut socket| {
            if let Some(request) = Request::read(&mut socket) {
                recorded.lock().unwrap().push(request.clone());
                answer(&request, &mut socket);
            }
        });
        Self { address, requests }
    }

    /// Answers every request with these bytes.
    pub(super) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| drop(stream.write_all(&answer)))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Request {
    /// Reads head and body; `None` if the peer goes away before.
    pub(super) fn read(stream: &mut dyn Stream) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let links = body["links"].as_array().cloned().unwrap_or_default();
        let ids = links.iter().map(|link| link["id"].as_str().unwrap().to_owned()).collect();
        Some(Self { head, ids })
    }
}

/// Serves each connection on a thread of its own.
pub(super) fn listening(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

/// An answer with this status, media type and body.
pub(super) fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Lines of links.
pub(super) fn ndjson(links: &[Value]) -> String {
    let texts: Vec<_> = links.iter().map(Value::to_string).collect();
    answer("200 OK", "application/x-ndjson", &format!("{}\n", texts.join("\n")))
}

/// A problem, with further headers.
pub(super) fn problem(status: &str, headers: &str, title: &str) -> String {
    let body = json!({"type": "urn:nebulink:x", "title": title, "status": 0, "detail": "Why."}).to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n{headers}content-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A conversation that leads to a page of its own.
pub(super) fn resolved(index: usize, id: &str) -> Value {
    json!({
        "index": index, "kind": "conversation", "id": id, "state": "resolved", "project": "default",
        "url": format!("https://any.example/{id}"), "resolved_at": "2026-01-02T03:04:05Z",
    })
}

/// A conversation that could not be found out.
pub(super) fn failed(index: usize, id: &str, error: &str) -> Value {
    json!({
        "index": index, "kind": "conversation", "id": id, "state": "failed",
        "error": {"type": error, "title": "Failed", "status": 500, "detail": "Why.", "retry_after": 1},
    })
}
