//! The head of a request, and the connection that it came on.

#[cfg(any(test, fuzzing))]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, Uri};

/// The connection that a request came on.
pub trait ClientConnection: Send + Sync + 'static {
    /// The address of the peer, which may be a proxy.
    fn peer(&self) -> SocketAddr;

    /// Gives the request that is being answered so much more time.
    fn extend_deadline(&self, by: Duration);

    /// Ends the connection if its client takes no byte of the answer for so long.
    fn limit_stall(&self, to: Duration);

    /// Finds out if the client of the request that is being answered has disconnected. It returns `None` unless the client
    /// has finished sending: otherwise the server notices a disconnect at once.
    fn watch_disconnect(&self) -> Option<Disconnected>;
}

/// Resolves to true if the client had disconnected before its answer was sent: it reset the connection then.
pub type Disconnected = Pin<Box<dyn Future<Output = bool> + Send>>;

/// The head of a request.
#[derive(Clone)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// `None` in a test of the routes alone.
    pub(super) connection: Option<Arc<dyn ClientConnection>>,
}

impl RequestHead {
    pub(super) fn new(parts: Parts, connection: Option<Arc<dyn ClientConnection>>) -> Self {
        let Parts { method, uri, headers, .. } = parts;
        Self { method, uri, headers, connection }
    }
}

#[cfg(any(test, fuzzing))]
impl RequestHead {
    /// The head of a request from this address, to `/`.
    pub(super) fn of_peer(address: IpAddr, headers: HeaderMap) -> Self {
        /// A connection of which only the peer matters.
        struct From(SocketAddr);

        impl ClientConnection for From {
            fn peer(&self) -> SocketAddr {
                self.0
            }

            fn extend_deadline(&self, _by: Duration) {}

            fn limit_stall(&self, _to: Duration) {}

            fn watch_disconnect(&self) -> Option<Disconnected> {
                None
            }
        }

        let connection = Arc::new(From(SocketAddr::new(address, 4711)));
        Self { method: Method::GET, uri: Uri::default(), headers, connection: Some(connection) }
    }
}
