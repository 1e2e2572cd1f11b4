//! One keep-alive connection to a server, asked one thing at a time. Just as much HTTP as the measured answers need.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// A server that is silent for so long does not work.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// More than any answer here has, head and body.
const MAX_ANSWER: usize = 64 * 1024;

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A complete answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: &'a str,
    pub(crate) location: Option<&'a str>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// Sets if reading waits until something comes. Without it, `answer_if_there` returns at once.
    pub(crate) fn set_waiting(&self, waits: bool) -> Result<()> {
        Ok(self.stream.set_nonblocking(!waits)?)
    }

    /// Sends a complete request.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.received.clear();
        self.stream.write_all(request).context("a request cannot be sent")
    }

    /// Reads the answer to the one request that is open, body and all.
    pub(crate) fn answer(&mut self) -> Result<Answer<'_>> {
        self.answer_if_there()?.context("no answer")
    }

    /// Reads what there is of that answer. Returns nothing as long as it is not complete.
    pub(crate) fn answer_if_there(&mut self) -> Result<Option<Answer<'_>>> {
        let head_length = loop {
            match self.head_of_complete_answer()? {
                Some(length) => break length,
                None if self.receive()? => {}
                None => return Ok(None),
            }
        };
        Answer::read(head(&self.received, head_length)?).map(Some)
    }

    fn head_of_complete_answer(&self) -> Result<Option<usize>> {
        let Some(head_length) = end_of_head(&self.received) else { return Ok(None) };
        let length = head_length + content_length(head(&self.received, head_length)?)?;
        ensure!(self.received.len() <= length, "more came than one answer");
        Ok((self.received.len() == length).then_some(head_length))
    }

    /// Returns false if nothing came: at once, or in all the time that an answer may take.
    fn receive(&mut self) -> Result<bool> {
        let mut chunk = [0; 4096];
        let length = match self.stream.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            length => length.context("no answer")?,
        };
        ensure!(length > 0, "the connection was closed before the end of an answer");
        ensure!(self.received.len() + length <= MAX_ANSWER, "an answer is too long");
        self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
        Ok(true)
    }
}

impl<'a> Answer<'a> {
    fn read(head: &'a str) -> Result<Self> {
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.context("an answer is no HTTP/1.1")?;
        Ok(Self { status, location: header(head, "location") })
    }
}

/// A GET that leaves the connection open, with further header lines, each with its line end.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n").into_bytes()
}

fn end_of_head(received: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    received.windows(END.len()).position(|window| window == END).map(|place| place + END.len())
}

fn head(received: &[u8], length: usize) -> Result<&str> {
    let head = received.get(..length).unwrap_or_default();
    str::from_utf8(head).context("the head of an answer is no text")
}

/// Without one the end could only be told by closing, and the connection is to stay.
fn content_length(head: &str) -> Result<usize> {
    match header(head, "content-length") {
        Some(length) => length.parse().context("content-length is no number"),
        None => bail!("an answer has no content-length"),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
