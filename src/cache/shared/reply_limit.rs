//! The bound on the replies of the server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::entry::MAX_SIZE;

/// The most bytes of a length in decimal, with its sign and the carriage return behind it.
const MAX_LENGTH_DIGITS: usize = 8;

/// The number of replies that the server may still send on a connection.
///
/// Commands that were cancelled before they were sent leave some over, which does no harm: a reply that nobody waits for
/// is dropped as soon as it is read.
pub(super) type OwedReplies = Arc<AtomicUsize>;

/// A stream from a server (RESP2) that fails as soon as a reply is longer than [`MAX_SIZE`], is not a single value, or
/// answers no command.
///
/// The Redis client keeps all of a reply until its end, whether or not anybody waits for it. Failing ends the
/// connection, and what was kept is freed. No command of ours is answered with an array, a map or a push.
pub(super) struct ReplyLimit<S> {
    stream: S,
    owed: OwedReplies,
    position: ReplyPosition,
}

/// The place in the stream of replies.
#[derive(Debug, Clone, Copy)]
enum ReplyPosition {
    /// Before a reply.
    Start,
    /// In the line of a text, an error or a number: how long it is, and whether it ended with a carriage return.
    Line { length: usize, is_after_return: bool },
    /// In the line that says how long a bulk string is.
    Length { digits: [u8; MAX_LENGTH_DIGITS], length: usize },
    /// In a bulk string: how many bytes are left, its end of line included.
    Bulk { left: usize },
}

impl<S> ReplyLimit<S> {
    pub(super) const fn new(stream: S, owed: OwedReplies) -> Self {
        Self { stream, owed, position: ReplyPosition::Start }
    }

    /// Follows the replies through these bytes; an error says why they are not to be read any further.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.position = match self.position {
                ReplyPosition::Start => self.begin(byte)?,
                ReplyPosition::Line { is_after_return: true, .. } if byte == b'\n' => ReplyPosition::Start,
                ReplyPosition::Line { length, .. } if length < MAX_SIZE => {
                    ReplyPosition::Line { length: length + 1, is_after_return: byte == b'\r' }
                }
                ReplyPosition::Line { .. } => return Err("a line that is too long"),
                ReplyPosition::Length { digits, length } => length_line(digits, length, byte)?,
                ReplyPosition::Bulk { left } => {
                    let skipped = rest.len().min(left - 1);
                    bytes = rest.get(skipped..).unwrap_or_default();
                    match left - 1 - skipped {
                        0 => ReplyPosition::Start,
                        left => ReplyPosition::Bulk { left },
                    }
                }
            };
        }
        Ok(())
    }

    /// The first byte of a reply, which is its type.
    fn begin(&self, byte: u8) -> Result<ReplyPosition, &'static str> {
        let one_less = |owed: usize| owed.checked_sub(1);
        self.owed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .map_err(|_| "a reply to no command")?;
        match byte {
            b'+' | b'-' | b':' => Ok(ReplyPosition::Line { length: 0, is_after_return: false }),
            b'$' => Ok(ReplyPosition::Length { digits: [0; MAX_LENGTH_DIGITS], length: 0 }),
            _ => Err("a reply of another type"),
        }
    }
}

/// One more byte of the line that says how long a bulk string is. Without digits, or with more than a length in bounds
/// has, it is no such line.
fn length_line(
    mut digits: [u8; MAX_LENGTH_DIGITS],
    length: usize,
    byte: u8,
) -> Result<ReplyPosition, &'static str> {
    const NOT_A_LENGTH: &str = "a length that is not a number";
    if byte != b'\n' {
        *digits.get_mut(length).ok_or("a value that is too long")? = byte;
        return Ok(ReplyPosition::Length { digits, length: length + 1 });
    }
    let text = digits.get(..length).and_then(|line| line.strip_suffix(b"\r")).ok_or(NOT_A_LENGTH)?;
    let text = str::from_utf8(text).map_err(|_| NOT_A_LENGTH)?;
    match text.parse::<i64>().map_err(|_| NOT_A_LENGTH)? {
        // There is no value.
        ..0 => Ok(ReplyPosition::Start),
        length => match usize::try_from(length) {
            Ok(length) if length <= MAX_SIZE => Ok(ReplyPosition::Bulk { left: length + b"\r\n".len() }),
            _ => Err("a value that is too long"),
        },
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReplyLimit<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.follow(read).map_err(|why| {
            // A kind by which the redis crate knows that the connection is unusable.
            io::Error::new(io::ErrorKind::ConnectionAborted, format!("the server sent {why}"))
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReplyLimit<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads bytes in pieces of a size when so many replies are owed; how many are still owed then.
    fn read(bytes: &[u8], piece: usize, owed: usize) -> Result<usize, &'static str> {
        let mut limit = ReplyLimit::new((), Arc::new(AtomicUsize::new(owed)));
        bytes.chunks(piece).try_for_each(|piece| limit.follow(piece))?;
        Ok(limit.owed.load(Ordering::Relaxed))
    }

    #[test]
    fn replies_of_every_type_that_a_server_sends_us_pass_wherever_they_are_cut() {
        let largest =
            [format!("${MAX_SIZE}\r\n").into_bytes(), vec![b'x'; MAX_SIZE], b"\r\n".to_vec()].concat();
        let replies: [&[u8]; 8] = [
            b"+OK\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$9\r\n\r\n$500\r\n\r\r\n",
            b"-NOPERM this user has no permissions\r\n",
            b"-a \n return \r and an end\r\r\n",
            b":-12\r\n",
            &largest,
        ];
        let stream = replies.concat();
        for piece in [1, 2, 3, 5, 7, 8191, stream.len()] {
            assert_eq!(read(&stream, piece, 20), Ok(12), "{piece}");
        }
    }

    #[test]
    fn what_is_longer_than_an_entry_is_refused_before_it_is_read() {
        let too_long = format!("${}\r\n", MAX_SIZE + 1);
        for header in [&too_long, "$500000000\r\n", "$99999999999999999999\r\n"] {
            assert_eq!(read(header.as_bytes(), 1, 1), Err("a value that is too long"), "{header}");
        }
        for first in ["+", "-", ":"] {
            let line = first.to_owned() + &"x".repeat(MAX_SIZE + 1);
            assert_eq!(read(line.as_bytes(), 1000, 1), Err("a line that is too long"), "{first}");
        }
    }

    #[test]
    fn aggregates_and_what_is_not_redis_are_refused_at_their_first_byte() {
        for first in
            ["*2\r\n", "%1\r\n", "~1\r\n", ">2\r\n", "|1\r\n", "!9\r\n", "_\r\n", "HTTP/1.1 400", "\r\n"]
        {
            assert_eq!(read(first.as_bytes(), 1, 1), Err("a reply of another type"), "{first}");
        }
    }

    #[test]
    fn a_length_is_a_number_and_nothing_else() {
        for line in ["$\r\n", "$x\r\n", "$ 1\r\n", "$1\n", "$1\r1\r\n"] {
            assert_eq!(read(line.as_bytes(), 1, 1), Err("a length that is not a number"), "{line:?}");
        }
    }

    #[test]
    fn a_reply_to_no_command_is_refused() {
        assert_eq!(read(b"+OK\r\n", 1, 1), Ok(0));
        assert_eq!(read(b"+OK\r\n+OK\r\n", 1, 1), Err("a reply to no command"));
    }
}
