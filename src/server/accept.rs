//! Accepts the next connection, and recovers from errors of accept(2).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::registry::Registry;

/// The pause after an error that is not the peer's. The kernel queues new connections meanwhile. It must only be long
/// enough that a lasting error does not keep a processor busy.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Errors are logged once in this time. When the last descriptors change hands, failures alternate with successes, so a
/// success does not end the time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Accepts connections from one listener, at most one before there is room for it.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    registry: Arc<Registry>,
    /// When an error was last logged.
    last_warning: Option<Instant>,
}

/// Who or what made accept(2) fail.
#[derive(Debug, PartialEq, Eq)]
enum AcceptFailure {
    /// The peer closed before accept; try the next.
    Peer,
    /// No file descriptor is left, here or in the system.
    Descriptors,
    /// Memory is short, or any other error.
    Other,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, registry: Arc<Registry>) -> Self {
        Self { listener, registry, last_warning: None }
    }

    /// Waits for a connection, and until the registry has room for it. Cancelled, it drops at most the one that waits for
    /// room.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // An answer goes out in one piece, so waiting for more would only delay it. Fails if the peer has
                    // closed the connection.
                    stream.set_nodelay(true).ok();
                    self.registry.wait_for_room().await;
                    return (stream, peer);
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    async fn recover(&mut self, error: &io::Error) {
        let failure = AcceptFailure::of(error);
        if failure == AcceptFailure::Peer {
            return;
        }
        if self.last_warning.is_none_or(|warning| warning.elapsed() >= LOG_INTERVAL) {
            self.last_warning = Some(Instant::now());
            tracing::warn!(%error, "failed to accept connections, retrying");
        }
        if failure == AcceptFailure::Descriptors {
            self.registry.free_descriptor();
        }
        timeout(RETRY_PAUSE, self.registry.one_ended()).await.ok();
    }
}

impl AcceptFailure {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            // Linux returns an error of the new connection as an error of accept(2).
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::CONNREFUSED
                | Errno::INTR
                | Errno::PERM
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::TIMEDOUT,
            ) => Self::Peer,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_closed_delays_no_other() {
        assert_eq!(AcceptFailure::of(&Errno::CONNABORTED.into()), AcceptFailure::Peer);
        assert_eq!(AcceptFailure::of(&Errno::HOSTUNREACH.into()), AcceptFailure::Peer);
    }

    #[test]
    fn a_shortage_is_not_the_peers_fault() {
        assert_eq!(AcceptFailure::of(&Errno::MFILE.into()), AcceptFailure::Descriptors);
        assert_eq!(AcceptFailure::of(&Errno::NFILE.into()), AcceptFailure::Descriptors);
        assert_eq!(AcceptFailure::of(&Errno::NOMEM.into()), AcceptFailure::Other);
        assert_eq!(AcceptFailure::of(&io::Error::other("unheard of")), AcceptFailure::Other);
    }
}
