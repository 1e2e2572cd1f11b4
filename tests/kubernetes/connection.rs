//! One connection to the Service, which asks for one link after the other and keeps no failure to itself.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// When a request without an answer counts as failed: a person has gone by then.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection that is opened when it is needed. What is sent is sent once: only a connection whose end was announced
/// by the answer before, or has been seen before the request is written, is replaced by another.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Set where every request is to have a connection of its own.
    single: bool,
    /// How often a connection was opened.
    pub(crate) opened: u64,
}

/// The head of an answer. The answers that count have no body.
#[derive(Debug)]
pub(crate) struct Head(String);

impl Connection {
    /// One that is kept for as long as the server keeps it.
    pub(crate) const fn kept(address: SocketAddr) -> Self {
        Self { address, stream: None, single: false, opened: 0 }
    }

    /// One that is opened anew for every request.
    pub(crate) const fn single(address: SocketAddr) -> Self {
        Self { address, stream: None, single: true, opened: 0 }
    }

    /// Returns true if it may be used for more than one request.
    pub(crate) const fn is_kept(&self) -> bool {
        !self.single
    }

    /// Asks for a path, with further header lines, each with its end.
    pub(crate) async fn get(&mut self, path: &str, headers: &str) -> Result<Head, String> {
        match tokio::time::timeout(DEADLINE, self.exchange(path, headers)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer in {DEADLINE:?}")),
        }
    }

    async fn exchange(&mut self, path: &str, headers: &str) -> Result<Head, String> {
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => self.open().await?,
        };
        let close = if self.single { "connection: close\r\n" } else { "" };
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{close}{headers}\r\n", self.address);
        stream.write_all(request.as_bytes()).await.map_err(|error| format!("not sent: {error}"))?;
        let mut received = Vec::with_capacity(1024);
        let head = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break Head(String::from_utf8_lossy(&received[..end]).into_owned());
            }
            match stream.read_buf(&mut received).await {
                Ok(0) => return Err("closed before the answer".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("no answer: {error}")),
            }
        };
        // A redirect has no body, so what follows it is the next answer; after anything else the connection is not kept.
        if head.status() == Some("302") && head.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(head)
    }

    async fn open(&mut self) -> Result<TcpStream, String> {
        self.opened += 1;
        let stream =
            TcpStream::connect(self.address).await.map_err(|error| format!("not connected: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(stream)
    }
}

/// Returns true if the other side has not closed it, as far as can be seen before something is sent.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

impl Head {
    /// The status, if the answer is one of HTTP/1.1.
    pub(crate) fn status(&self) -> Option<&str> {
        self.0.strip_prefix("HTTP/1.1 ")?.get(..3)
    }

    /// The value of a header, named in lower case as the program sends them.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Says why it is wrong, unless it redirects there.
    pub(crate) fn redirects_to(&self, location: &str) -> Result<(), String> {
        if self.status() == Some("302") && self.header("location") == Some(location) {
            Ok(())
        } else {
            Err(format!("not to {location}: {}", self.0))
        }
    }
}
