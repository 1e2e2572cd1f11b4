//! The next connection, whatever goes wrong on the way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::registry::Registry;

/// The pause after a failure that is not the peer's. The kernel keeps the newcomers meanwhile, so it may be short; it
/// must only be long enough that a lasting failure does not keep a processor busy.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a burst of failures is logged only once. Attempts that fail alternate with some that do not when the last
/// descriptors pass from hand to hand, so a success does not end a burst.
const BURST: Duration = Duration::from_secs(60);

/// Takes connections from one listener, at most one ahead of a free place.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    registry: Arc<Registry>,
    /// When a failure was last logged.
    warned: Option<Instant>,
}

/// What became of an attempt that brought no connection.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The peer went before it was accepted: the next one may be well.
    Peer,
    /// No file descriptor is left, here or in the system.
    Descriptors,
    /// Memory is short, or something nobody thought of.
    Other,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, registry: Arc<Registry>) -> Self {
        Self { listener, registry, warned: None }
    }

    /// Waits for a connection and for its place. Cancelled, it loses at most the one that waits for a place.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // An answer goes out in one piece, so waiting for more would only delay it. Fails if the peer is gone.
                    stream.set_nodelay(true).ok();
                    self.registry.room().await;
                    return (stream, peer);
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    async fn recover(&mut self, error: &io::Error) {
        let failure = Failure::of(error);
        if failure == Failure::Peer {
            return;
        }
        if self.warned.is_none_or(|warned| warned.elapsed() >= BURST) {
            self.warned = Some(Instant::now());
            tracing::warn!(%error, "connections cannot be accepted, trying again");
        }
        if failure == Failure::Descriptors {
            self.registry.free_descriptor();
        }
        timeout(PAUSE, self.registry.one_ended()).await.ok();
    }
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            // Linux hands over what is already wrong with the new connection as an error of accept(2).
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
    fn a_peer_that_went_delays_nobody() {
        assert_eq!(Failure::of(&Errno::CONNABORTED.into()), Failure::Peer);
        assert_eq!(Failure::of(&Errno::HOSTUNREACH.into()), Failure::Peer);
    }

    #[test]
    fn a_shortage_is_not_the_peers_fault() {
        assert_eq!(Failure::of(&Errno::MFILE.into()), Failure::Descriptors);
        assert_eq!(Failure::of(&Errno::NFILE.into()), Failure::Descriptors);
        assert_eq!(Failure::of(&Errno::NOMEM.into()), Failure::Other);
        assert_eq!(Failure::of(&io::Error::other("unheard of")), Failure::Other);
    }
}
