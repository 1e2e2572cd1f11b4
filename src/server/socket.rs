//! The bytes beneath HTTP, watched: when an answer has gone out whole, and when a request line never ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::Connection;
use super::connection_task::MAX_HEAD;

/// A connection's socket. If it is dropped within an exchange, the peer sees a reset, not an ordinary end.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    connection: Connection,
    /// Bytes of a request line that has not ended yet; `None` past it.
    request_line: Option<usize>,
    line_too_long: bool,
    input: Input,
    shut_down: bool,
}

/// What is known of the bytes that come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Nothing.
    Unknown,
    /// There are some, and they have not been read yet.
    Unread,
    /// None will come: the peer has finished sending.
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
        }
    }

    /// Whether reading failed because a request line alone is longer than a head may be.
    ///
    /// hyper stops reading at the same length, but says 431 to all. A line that came in with the request before it
    /// is not counted from its beginning, and is left to hyper.
    pub(super) fn is_line_too_long(&self) -> bool {
        self.line_too_long
    }

    /// Whether the peer was told that nothing more is sent.
    pub(super) fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// Writes without waiting; what the socket does not take at once is lost.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        self.stream.try_write(bytes).ok();
    }

    /// Reads and forgets what the peer still sends, until it has finished.
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

    /// Waits until the peer resets the connection, for good if it does not.
    pub(super) async fn reset(&self) {
        while self.stream.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
    }

    /// Looks whether the peer is still there while its request is being answered, which hyper does not. Fails if it has
    /// reset the connection.
    ///
    /// What it sends meanwhile stays unread, and hides what comes after it; the end of what it sends hides a later reset.
    /// That shows only when the answer is written.
    fn look_for_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.connection.is_busy() {
            return Ok(());
        }
        if self.input == Input::Unknown {
            let mut byte = [0];
            // Pending, which is the rule, it makes no system call, and wakes the task when something comes.
            match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => self.input = Input::Finished,
                Poll::Ready(Ok(_)) => self.input = Input::Unread,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.input == Input::Finished {
            self.connection.peer_finished();
        }
        Ok(())
    }

    fn watch(&mut self, read: &[u8]) -> io::Result<()> {
        self.input = if read.is_empty() { Input::Finished } else { Input::Unknown };
        let Some(before) = self.request_line else {
            return Ok(());
        };
        let after = before + read.len();
        let ended = read.contains(&b'\n');
        self.request_line = (!ended).then_some(after);
        if after < MAX_HEAD {
            return Ok(());
        }
        let line = read.iter().position(|byte| *byte == b'\n').map_or(after, |end| before + end);
        if line < MAX_HEAD {
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
        Poll::Ready(self.watch(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
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
        Poll::Ready(self.look_for_end(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.is_busy() {
            // Fails if the connection is gone already.
            self.stream.set_zero_linger().ok();
        }
    }
}
