//! The TCP stream of a connection. It notices a response that is flushed or that the peer does not take, a request line that
//! is too long, and a peer that has finished sending or has reset the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connection::Connection;

/// The longest request head, and at the same time the most that a connection may make us buffer: 10,000 peers with the
/// longest heads hold 160 MiB.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The bytes that the system queues for a peer that may not stall, beyond those that are on their way.
#[cfg(target_os = "linux")]
const QUEUE: u32 = 64 * 1024;

/// A connection's socket. If it is dropped during a request, the peer sees a reset, not an ordinary end.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    connection: Connection,
    /// Bytes of a request line that has not ended yet; `None` past it.
    request_line: Option<usize>,
    line_too_long: bool,
    input: Input,
    shut_down: bool,
    /// When the peer has taken no byte for too long. Only while it takes none, and only if that is limited.
    stalled: Option<Pin<Box<Sleep>>>,
    queues_little: bool,
}

/// The state of the receiving side, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Nothing is known: the next read or peek will tell.
    Unknown,
    /// There are bytes that have not been read yet.
    Unread,
    /// No more bytes will come: the peer has finished sending.
    Finished,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, connection: Connection) -> Self {
        Self {
            stream,
            connection,
            request_line: Some(0),
            line_too_long: false,
            input: Input::Unknown,
            shut_down: false,
            stalled: None,
            queues_little: false,
        }
    }

    /// Returns true if reading failed because a request line alone is longer than a head may be.
    ///
    /// hyper stops reading at the same length, but answers 431 whatever was too long. A line that came in with the request
    /// before it is not counted from its beginning, and is left to hyper.
    pub(super) fn is_line_too_long(&self) -> bool {
        self.line_too_long
    }

    /// Returns true if our sending side is shut down.
    pub(super) fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// Writes without waiting; what the socket does not take at once is lost.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        self.stream.try_write(bytes).ok();
    }

    /// Reads and discards what the peer still sends, until it has finished.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        while self.input != Input::Finished {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                self.input = Input::Finished;
            }
        }
        Poll::Ready(())
    }

    /// Waits until the peer resets the connection, forever if it does not.
    pub(super) async fn wait_for_reset(&self) {
        while self.stream.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
    }

    /// Checks that the peer is still there while its request is being answered, which hyper does not. Fails if it has reset
    /// the connection.
    ///
    /// Bytes that it sends meanwhile stay unread and hide what follows them, and the end of its sending hides a later
    /// reset. Writing the answer then shows it.
    fn check_peer(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.connection.is_busy() {
            return Ok(());
        }
        if self.input == Input::Unknown {
            let mut byte = [0];
            // It is usually pending: then it makes no system call, and wakes the task when something comes.
            match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => self.input = Input::Finished,
                Poll::Ready(Ok(_)) => self.input = Input::Unread,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.input == Input::Finished {
            self.connection.peer_half_closed();
        }
        Ok(())
    }

    /// Returns how long the peer may take no byte. The first time, it has the system queue few bytes that the peer has no
    /// room for: with a queue of megabytes, a slow peer that reads would look like one that has stopped.
    fn stall_limit(&mut self) -> Option<Duration> {
        let limit = self.connection.stall_limit()?;
        if !self.queues_little {
            self.queues_little = true;
            // Elsewhere, and if it fails, the queue is as long as it is.
            #[cfg(target_os = "linux")]
            socket2::SockRef::from(&self.stream).set_tcp_notsent_lowat(QUEUE).ok();
        }
        Some(limit)
    }

    /// Takes note of bytes that were written, or of none. Fails if the peer has taken none for too long.
    fn note_written(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let Some(limit) = limit else { return Poll::Pending };
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        // Wakes the task, which then tries to write again.
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Takes note of bytes that were read. Fails if a request line is too long.
    fn note_read(&mut self, read: &[u8]) -> io::Result<()> {
        self.input = if read.is_empty() { Input::Finished } else { Input::Unknown };
        let Some(before) = self.request_line else {
            return Ok(());
        };
        let after = before + read.len();
        self.request_line = (!read.contains(&b'\n')).then_some(after);
        let ends_in_time =
            || read.iter().position(|byte| *byte == b'\n').is_some_and(|end| before + end < MAX_HEAD);
        if after < MAX_HEAD || ends_in_time() {
            return Ok(());
        }
        self.line_too_long = true;
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(self.note_read(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let limit = self.stall_limit();
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_written(cx, limit, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let limit = self.stall_limit();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_written(cx, limit, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper comes here only when it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.connection.flushed() {
            self.request_line = Some(0);
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.check_peer(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.is_busy() {
            // Fails if the peer has closed the connection.
            self.stream.set_zero_linger().ok();
        }
    }
}
