//! The HTTP/1.1 (and 1.0) server beneath the web layer. It knows nothing of routes.
//!
//! [`bind()`] opens a listener, and [`serve`] takes its connections until a [`Drain`] ends that. Each listener has a
//! `serve` of its own, so probes on the management listener pass even when the public one is full.
//!
//! Read `connection_task` first: it shows the life of a connection from accept to close. The other files are the parts it
//! is made of.
//!
//! | file | job |
//! |---|---|
//! | `connection_task` | the accept loop, and the task that serves one connection until it is closed |
//! | `workers` | the threads that serve connections, and which of them gets the next |
//! | `bind` | opens a listener for IPv4 and IPv6, or says plainly why it cannot |
//! | `accept` | accepts the next connection, and recovers from errors of accept(2) |
//! | `registry` | the open connections of a listener: their limit, eviction of idle ones, abort |
//! | `connection` | the state of one connection that its task and the registry share: peer, phase, deadline |
//! | `phase` | phase and deadline in one atomic word |
//! | `request_in_flight` | one request and its response: notes when each begins and ends |
//! | `request_body` | the body of a request, discarded by the server if the service does not read it |
//! | `socket` | the TCP stream: notices a flushed response, an endless request line, a peer that has closed, reset or stalled |
//! | `drain` | the steps of a graceful shutdown |
//!
//! The cost of a peer is bounded:
//!
//! - A request head has at most 16 KiB. A longer one gets a bare 431, or 414 if its first line alone is longer,
//!   whatever its length. More than 100 header lines get 431, too. What is not HTTP gets a bare 400.
//! - The first head must be complete within `header_timeout`, a later one within `idle_timeout` of the answer before.
//!   From the complete head to the last byte that the socket took of the answer there is `request_timeout`. Then the
//!   connection is closed, without an answer. One that is cut during a request ends in a reset, because to a reader
//!   without a length, an ordinary end would look like the end of a complete answer.
//! - A service may limit how long a peer takes no byte of an answer ([`Connection::limit_stall`]), which ends in a reset too.
//! - A request whose body the service does not read gets its answer. The rest of the body is read and discarded first,
//!   up to 64 KiB and for a second; if that does not reach its end, the answer says `connection: close`. So no peer sends
//!   another request on a connection that is about to be closed.
//! - A half-closed peer (it has shut down its sending side) gets its answers, and an idle one is then closed. It may be
//!   gone altogether, so it can be evicted for a new connection when none is idle. Only the answer shows whether it was
//!   gone ([`Connection::watch_disconnect`]). A peer that resets the connection cancels its request.
//! - Upgrades are not made. A connection that begins with HTTP/2 is closed without an answer.

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
mod workers;

pub use self::bind::{BindError, BindReason, bind};
pub use self::connection::{Connection, ConnectionLimits};
pub use self::connection_task::serve;
pub use self::drain::Drain;
pub use self::registry::OpenConnections;
pub use self::request_body::RequestBody;
pub use self::workers::Workers;
