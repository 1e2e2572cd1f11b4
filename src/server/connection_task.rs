//! The life of a connection, from accept to close.
//!
//! 1. [`serve`] accepts it once the listener has room for it, and spawns its task.
//! 2. The task ([`run`]) lets hyper read requests and write responses. On the way, `request_in_flight` and `socket` move
//!    the connection's phase and deadline on.
//! 3. It ends when the peer closes the connection, a response says `connection: close`, the deadline passes, or it is idle
//!    during a drain. The registry aborts the task to evict an idle connection, and at the end of the drain.
//! 4. If hyper has ended it after a complete response, or has refused what the peer sent, [`lingering_close`] gives the
//!    peer time to read that. If it ends during a request, dropping the socket resets it.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::accept::Acceptor;
use super::connection::{Connection, ConnectionLimits, Times};
use super::drain::Drain;
use super::registry::{OpenConnections, Registry, Slot};
use super::request_body::RequestBody;
use super::request_in_flight::ConnectionService;
use super::socket::{MAX_HEAD, Socket};
use super::workers::{Seat, Workers};

/// The longest that [`serve`] waits for the tasks of requests that it aborted.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a peer may still send after our last byte.
///
/// A socket that is closed with unread bytes resets the connection, and a peer that still sends (too long a head, a body
/// that nobody reads) would lose the answer that says so.
const LINGER: Duration = Duration::from_secs(2);

/// Serves until `drain` closes, then until the requests in flight are answered or `drain` aborts. Returns the number of
/// requests that were aborted.
///
/// `service_of` makes the service of each connection, which one of the `workers` serves. `open` counts the connections, and
/// says whose connection is closed when file descriptors run out. A panic of a service ends its connection and no other.
/// Dropping the future ends every connection.
pub async fn serve<F, S, B>(
    listener: TcpListener,
    service_of: F,
    workers: Workers,
    limits: ConnectionLimits,
    drain: Drain,
    open: OpenConnections,
) -> usize
where
    F: Fn(Connection) -> S,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let registry = Arc::new(Registry::new(limits.max_connections, open));
    let _abort_on_drop = AbortOnDrop(Arc::clone(&registry));
    let times = Times::new(&limits);
    let http = http();
    let mut acceptor = Acceptor::new(listener, Arc::clone(&registry));
    let mut closing = pin!(drain.closing());
    let mut freeing = pin!(registry.free_descriptors_for_others());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut closing => break,
            never = &mut freeing => match never {},
            accepted = acceptor.accept() => accepted,
        };
        let connection = Connection::new(peer, times, drain.clone());
        let slot = registry.enter(connection.clone());
        let service = service_of(connection.clone());
        let (runtime, seat) = workers.choose();
        let task = match runtime {
            None => tokio::spawn(run((slot, seat), stream, service, http.clone())),
            Some(runtime) => {
                // A stream is registered with one runtime. Without memory for that the connection ends.
                let Ok(stream) = stream.into_std() else { continue };
                let http = http.clone();
                runtime.spawn(async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        run((slot, seat), stream, service, http).await;
                    }
                })
            }
        };
        connection.set_task(task.abort_handle());
    }

    drop(acceptor);
    registry.close_idle();
    tracing::info!(open = registry.len(), "listener closed, draining");
    tokio::select! {
        biased;
        () = registry.emptied() => 0,
        () = drain.aborting() => {
            let aborted = registry.abort_all();
            // Each logs and counts its request as it ends, which must not be lost with the process.
            timeout(ABORT_TIMEOUT, registry.emptied()).await.ok();
            aborted
        }
    }
}

/// Connections are tasks of their own; without this they would outlive a `serve` that is dropped.
struct AbortOnDrop(Arc<Registry>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort_all();
    }
}

/// HTTP/1.1 and 1.0 as hyper speaks them.
///
/// hyper's own `header_read_timeout` is not used: it is one limit for first and later heads, ends with the head, and
/// resets a timer for each request. Without a `Timer` it is off.
fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    // A read may exceed the buffer's size, which is why the head has its own limit. A half-closed peer may still want its
    // answer; the socket finds out whether the peer is gone, without the buffer that hyper would take for it. A
    // redirect has no body, so that one plain write is all that it needs.
    http.max_header_size(MAX_HEAD).max_buf_size(MAX_HEAD).half_close(true).writev(false);
    http
}

/// Serves one connection until its peer, its deadline or the drain ends it. The registry may abort it at any await.
///
/// The places are the first argument because that is dropped last: the connection leaves the registry when its socket is
/// closed.
async fn run<S, B>((slot, _seat): (Slot, Seat), stream: TcpStream, service: S, http: http1::Builder)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connection = slot.connection();
    let socket = Socket::new(stream, connection.clone());
    let service = ConnectionService::new(service, connection.clone());
    let mut requests = http.serve_connection(TokioIo::new(socket), service);
    let mut timer = pin!(sleep(connection.time_to_sleep().unwrap_or_default()));

    let hyper_ended = poll_fn(|cx| {
        // An error is the peer's, and hyper has answered it if it could.
        if Pin::new(&mut requests).poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        if connection.become_idle_if_flushed() {
            slot.notify_evictable();
            if connection.drain().is_closing() {
                return Poll::Ready(false);
            }
        } else if connection.half_closed().is_some() {
            slot.notify_evictable();
        }
        // The timer is not reset for each request: it can only fire too early, and then sleeps on.
        while timer.as_mut().poll(cx).is_ready() {
            match connection.time_to_sleep() {
                Some(time) => timer.as_mut().reset(Instant::now() + time),
                None => return Poll::Ready(false),
            }
        }
        Poll::Pending
    })
    .await;

    if hyper_ended && connection.is_busy() {
        connection.report_disconnect(true);
    } else if hyper_ended {
        connection.begin_lingering();
        slot.notify_evictable();
        lingering_close(requests.into_parts().io.into_inner(), connection).await;
    }
}

/// Closes a connection so that its peer can read what it was sent.
async fn lingering_close(mut socket: Socket, connection: &Connection) {
    if socket.is_line_too_long() {
        // The socket's buffer takes a whole answer, as nothing else was sent; if not, the peer reads nothing anyway.
        socket.try_write(uri_too_long().as_bytes());
    }
    if !socket.is_shut_down() {
        // Fails if the peer has closed the connection.
        poll_fn(|cx| Pin::new(&mut socket).poll_shutdown(cx)).await.ok();
    }
    timeout(LINGER, poll_fn(|cx| socket.poll_discard(cx))).await.ok();
    if connection.disconnect_is_awaited() && timeout(LINGER, socket.wait_for_reset()).await.is_ok() {
        connection.report_disconnect(true);
    }
}

/// A 414 as bare as the answers that hyper gives to other heads that it refuses.
fn uri_too_long() -> String {
    let date =
        rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()).unwrap_or_default();
    format!("HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n")
}
