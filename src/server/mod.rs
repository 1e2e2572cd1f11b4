//! The HTTP/1.1 (and 1.0) server beneath the web layer. It knows nothing of routes.
//!
//! `bind` opens a listener, and [`serve`] takes its connections until a [`Drain`] ends that. Each listener has a
//! `serve` of its own, so a full public one fails no probe on the other.
//!
//! | file | job |
//! |---|---|
//! | `bind` | a listener for IPv4 and IPv6, and a clear word when there is none |
//! | `accept` | the next connection, whatever goes wrong on the way |
//! | `registry` | who is connected, and who makes room |
//! | `life` | one connection from its first byte to its last |
//! | `connection` | what all sides know of one connection: its peer, phase and deadline |
//! | `phase` | phase and deadline in one atomic word |
//! | `exchange` | one request and its answer, watched |
//! | `request_body` | the body of a request, taken back if it is not read |
//! | `socket` | the bytes beneath, watched |
//! | `drain` | the steps of leaving |
//!
//! What a peer may cost:
//!
//! - A request head has at most 16 KiB. A longer one gets a bare 431, or 414 if its first line alone is longer,
//!   whatever its length. More than 100 header lines get 431, too. What is no HTTP gets a bare 400.
//! - The first head must be complete within `header_timeout`, a later one within `idle_timeout` of the answer before.
//!   From the complete head to the last byte that the socket took of the answer there is `request_timeout`. Then the
//!   connection is closed, without an answer. One that is cut within an exchange ends in a reset, because to a reader
//!   without a length, an ordinary end would look like the end of a complete answer.
//! - A request whose body the service does not read gets its answer. What is left of the body is read and forgotten first,
//!   up to 64 KiB and for a second; if that does not reach its end, the answer says `connection: close`. So no peer sends
//!   another request on a connection that is about to be closed.
//! - A peer that has only finished sending (it has shut down its side of the connection) gets its answers; one that is
//!   idle is then closed. As it may be gone, it makes room for a newcomer when nobody is idle. Whether it was gone shows
//!   when it is answered ([`Connection::departure`]). A peer that resets the connection ends its request.
//! - Upgrades are not made; whoever begins with HTTP/2 is let go without an answer.

mod accept;
mod bind;
mod connection;
mod connection_task;
mod drain;
mod phase;
mod registry;
mod request_body;
mod request_in_flight;
mod socket;

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tower::Service;

pub use self::bind::{BindError, BindReason, bind};
pub use self::connection::Connection;
pub use self::drain::Drain;
pub use self::registry::OpenConnections;
pub use self::request_body::RequestBody;

use self::accept::Acceptor;
use self::connection::Times;
use self::registry::Registry;

/// What one listener grants its peers.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; 0 counts as 1. The one that has been idle longest makes room for a new one.
    pub max_connections: usize,
    /// From the accepted connection to its first complete request head.
    pub header_timeout: Duration,
    /// From the last byte of an answer to the next complete request head.
    pub idle_timeout: Duration,
    /// From a complete request head to the last byte of its answer.
    pub request_timeout: Duration,
}

/// The longest that [`serve`] waits for the tasks of requests that it cut.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves until `drain` closes, then until the open requests are answered or `drain` aborts, and returns how many
/// requests that cut off.
///
/// Each request carries a [`Connection`] among its extensions. `open` counts the connections, and says whose is ended when
/// file descriptors run out. A panic of `service` ends its connection and no other. Dropping the future ends every connection.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    drain: Drain,
    open: OpenConnections,
) -> usize
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let registry = Arc::new(Registry::new(limits.max_connections, open));
    let _end_of_all = EndOfAll(Arc::clone(&registry));
    let times = Times::new(&limits);
    let http = connection_task::http();
    let mut acceptor = Acceptor::new(listener, Arc::clone(&registry));
    let mut closing = pin!(drain.closing());
    let mut freeing = pin!(registry.free_descriptors_for_others());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut closing => break,
            never = &mut freeing => match never {},
            newcomer = acceptor.next() => newcomer,
        };
        let connection = Connection::new(peer, times, drain.clone());
        let slot = registry.enter(connection.clone());
        let task = tokio::spawn(connection_task::run(slot, stream, service.clone(), http.clone()));
        connection.ends_with(task.abort_handle());
    }

    drop(acceptor);
    registry.close_idle();
    tracing::info!(open = registry.len(), "listener closed, open requests finish");
    tokio::select! {
        biased;
        () = registry.emptied() => 0,
        () = drain.aborting() => {
            let cut = registry.end_all();
            // What each of them logs and counts at its end is not to be lost with the process.
            let _not_longer = tokio::time::timeout(LAST_LINES, registry.emptied()).await;
            cut
        }
    }
}

/// Connections are tasks of their own; without this they would outlive a `serve` that is dropped.
struct EndOfAll(Arc<Registry>);

impl Drop for EndOfAll {
    fn drop(&mut self) {
        self.0.end_all();
    }
}
