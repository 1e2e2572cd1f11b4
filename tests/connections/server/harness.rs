//! A server over real sockets, a service with one path for each behaviour, and peers that do as they are told.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{any, get, post};
use axum::{Router, body};
use bytes::Bytes;
use http::Uri;
use http_body::Frame;
use hyper_util::service::TowerToHyperService;
use nebulink::server::{Connection, ConnectionLimits, Drain, OpenConnections, Workers, bind, serve};
use tokio::runtime::Runtime;
use tokio::sync::{RwLockReadGuard, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval, sleep};

use crate::LOAD;
use crate::support::raise_file_limit;

/// No limit of a test; a machine under load must not reach it.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// Patience with what must happen at some time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// More than the sockets of both ends take.
pub(crate) const LARGE: usize = 64 * 1024 * 1024;

/// How long a peer may read nothing of `/impatient`.
pub(crate) const STALL: Duration = Duration::from_secs(1);

pub(crate) const NO_LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 1000,
    header_timeout: NEVER,
    idle_timeout: NEVER,
    request_timeout: NEVER,
};

/// A running server; a test has one at a time, since a test that loads the machine may wait for its turn between two.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) open: OpenConnections,
    pub(crate) gate: Gate,
    serving: JoinHandle<usize>,
    runtime: Runtime,
    _turn: RwLockReadGuard<'static, ()>,
}

/// Holds the requests for `/gate` until they are let through.
#[derive(Clone)]
pub(crate) struct Gate {
    entered: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn start(limits: ConnectionLimits) -> Self {
        Self::start_on("127.0.0.1:0", limits)
    }

    pub(crate) fn start_on(address: &str, limits: ConnectionLimits) -> Self {
        let turn = LOAD.blocking_read();
        raise_file_limit();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(async { bind(address.parse().unwrap()) }).unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, open, gate) = (Drain::default(), OpenConnections::default(), Gate::closed());
        let router = service(gate.clone());
        let service_of = move |connection| {
            TowerToHyperService::new(router.clone().layer(Extension::<Connection>(connection)))
        };
        let workers = Workers::start(2).unwrap();
        let serving =
            runtime.spawn(serve(listener, service_of, workers, limits, drain.clone(), open.clone()));
        Self { address, drain, open, gate, serving, runtime, _turn: turn }
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.address)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.serving.is_finished()
    }

    /// Waits for the end of `serve`, by which every connection has ended, and returns how many requests were cut.
    pub(crate) fn ended(self) -> usize {
        let Self { runtime, serving, open, .. } = self;
        let (cut, open) = runtime.block_on(async {
            let cut = tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
            (cut, open.get())
        });
        assert_eq!(open, 0, "connections that outlive `serve`");
        cut
    }

    /// Drops the future of `serve`.
    pub(crate) fn abandon(&self) {
        self.serving.abort();
    }
}

impl Gate {
    fn closed() -> Self {
        Self { entered: Arc::default(), permits: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn wait_for(&self, entered: usize) {
        eventually("the requests are at the gate", || self.entered.load(Ordering::SeqCst) == entered);
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.permits.add_permits(count);
    }
}

fn service(gate: Gate) -> Router {
    Router::new()
        .route("/", get("hello"))
        .route("/large", get(async || vec![b'x'; LARGE]))
        .route("/echo", post(async |body: Bytes| body))
        .route("/unread", any("not read"))
        .route("/never", get(std::future::pending::<()>))
        .route("/panic", get(panics))
        .route("/drip", get(async || Body::new(Drip(interval(Duration::from_millis(20))))))
        .route("/gate", get(async move || gate.pass().await))
        .route(
            "/peer",
            get(async |Extension(connection): Extension<Connection>| connection.peer().to_string()),
        )
        .route("/extended", get(extended))
        .route("/impatient", get(impatient))
        .fallback(async |uri: Uri| uri.path().len().to_string())
}

impl Gate {
    async fn pass(&self) -> &'static str {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        "through"
    }
}

async fn panics() -> &'static str {
    panic!("a defect that a test asked for")
}

/// Takes twice the request timeout of its test.
async fn extended(Extension(connection): Extension<Connection>) -> &'static str {
    connection.extend_deadline(NEVER);
    sleep(Duration::from_secs(2)).await;
    "in time"
}

/// Lets a peer go that does not read.
async fn impatient(Extension(connection): Extension<Connection>) -> Vec<u8> {
    connection.limit_stall(STALL);
    vec![b'x'; LARGE]
}

/// A body that never ends.
struct Drip(Interval);

impl body::HttpBody for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.0.poll_tick(cx));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }
}

/// One connection to the server, that waits `PATIENCE` for what it reads.
pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How the server ended a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Ordinary,
    Reset,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// For what the server may refuse to read on.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that it sends nothing more.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(get_of(path));
        self.answer()
    }

    /// Reads one answer with a `content-length`, and leaves what follows it.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("an answer with a length")
            .parse()
            .unwrap();
        while self.unread.len() < length {
            assert_ne!(self.read().unwrap(), 0, "the body ends early: {head}");
        }
        let body = self.unread.drain(..length).collect();
        Answer { head, body: String::from_utf8(body).unwrap() }
    }

    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            let read = self.read().unwrap();
            assert_ne!(read, 0, "no answer, but {:?}", String::from_utf8_lossy(&self.unread));
        };
        String::from_utf8(self.unread.drain(..end).collect()).unwrap().to_lowercase()
    }

    /// Returns true if nothing comes for a moment, neither bytes nor the end.
    pub(crate) fn hears_nothing(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let read = self.read();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what has come, at most some KiB.
    pub(crate) fn read_some(&mut self) {
        assert_ne!(self.read().unwrap(), 0, "the end");
    }

    /// Reads until the server has ended the connection.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (Vec<u8>, End) {
        let end = loop {
            match self.read() {
                Ok(0) => break End::Ordinary,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break End::Reset,
                Err(error) => panic!("still open: {error}"),
            }
        };
        (std::mem::take(&mut self.unread), end)
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = self.stream.read(&mut bytes)?;
        self.unread.extend_from_slice(&bytes[..read]);
        Ok(read)
    }
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        status(&self.head)
    }

    pub(crate) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}

/// The three digits of a head.
pub(crate) fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

pub(crate) fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
