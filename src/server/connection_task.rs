//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tower::Service;

use super::Connection;
use super::registry::Slot;
use super::request_body::RequestBody;
use super::request_in_flight::Exchanges;
use super::socket::Socket;

/// The longest request head, and at the same time what a connection may have us buffer: 10,000 peers with the longest
/// heads hold 160 MiB.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// How long a peer may still send after our last byte.
///
/// A socket that is closed with unread bytes resets the connection, and a peer that still sends (too long a head, a body
/// that nobody wanted) would lose the answer that says so.
const LINGER: Duration = Duration::from_secs(2);

/// HTTP/1.1 and 1.0 as hyper speaks them.
///
/// hyper's own `header_read_timeout` is not used: it is one limit for first and later heads, ends with the head, and
/// resets a timer for each request. Without a `Timer` it is off.
pub(super) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    // A read may exceed the buffer's size, which is why the head has its own limit. A peer that has finished sending may
    // still want its answer; whether it is gone, the socket finds out without the buffer that hyper would take for it.
    http.max_header_size(MAX_HEAD).max_buf_size(MAX_HEAD).half_close(true);
    http
}

/// Serves one connection until its peer, its deadline, the drain or a newcomer ends it.
///
/// The slot is the first argument because that is dropped last: its place is free when the socket is closed.
pub(super) async fn run<S, B>(slot: Slot, stream: TcpStream, service: S, http: http1::Builder)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connection = slot.connection();
    let socket = Socket::new(stream, connection.clone());
    let mut exchanges =
        http.serve_connection(TokioIo::new(socket), Exchanges::new(service, connection.clone()));
    let mut alarm = pin!(sleep(connection.time_to_sleep().unwrap_or_default()));

    let http_ended = poll_fn(|cx| {
        // Its error is the peer's, and has been answered if it could be.
        if Pin::new(&mut exchanges).poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        if connection.rest() {
            slot.may_make_room();
            if connection.drain().is_closing() {
                return Poll::Ready(false);
            }
        } else if connection.half_closed().is_some() {
            slot.may_make_room();
        }
        // The alarm is not set anew for each request: it only ever goes off too early, and then sleeps on.
        while alarm.as_mut().poll(cx).is_ready() {
            match connection.time_to_sleep() {
                Some(time) => alarm.as_mut().reset(Instant::now() + time),
                None => return Poll::Ready(false),
            }
        }
        Poll::Pending
    })
    .await;

    if http_ended && connection.is_busy() {
        connection.peer_was_gone();
    } else if http_ended {
        connection.linger();
        slot.may_make_room();
        part(exchanges.into_parts().io.into_inner(), connection).await;
    }
}

/// Ends a connection so that its peer can read what it was sent.
async fn part(mut socket: Socket, connection: &Connection) {
    if socket.is_line_too_long() {
        // The socket's buffer takes a whole answer, as nothing else was sent; if not, the peer reads nothing anyway.
        socket.try_write(uri_too_long().as_bytes());
    }
    if !socket.is_shut_down() {
        // Fails if the connection is gone already.
        poll_fn(|cx| Pin::new(&mut socket).poll_shutdown(cx)).await.ok();
    }
    timeout(LINGER, poll_fn(|cx| socket.poll_discard(cx))).await.ok();
    if connection.departure_is_awaited() && timeout(LINGER, socket.reset()).await.is_ok() {
        connection.peer_was_gone();
    }
}

/// The bare answer that hyper gives to other heads that are no good.
fn uri_too_long() -> String {
    let date =
        rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()).unwrap_or_default();
    format!("HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n")
}
