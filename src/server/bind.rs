//! Opens a listener for IPv4 and IPv6, or says plainly why it cannot.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel queues until they are accepted: Linux's own ceiling (`net.core.somaxconn`), because this
/// backlog is the only queue before a full listener.
const BACKLOG: i32 = 4096;

/// The listener on `address` cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    /// The address to listen on.
    pub address: SocketAddr,
    /// The reason. It is part of the message, so it is not the source, too.
    pub reason: BindReason,
}

/// The reason why a listener cannot be opened. Each is for the operator to solve.
#[derive(Debug, thiserror::Error)]
pub enum BindReason {
    /// Another socket listens there.
    #[error("the port is taken by another program")]
    Taken,
    /// Ports below 1024 need a privilege on most systems.
    #[error("this user may not open the port; choose one from 1024 on")]
    Denied,
    /// No interface has that address.
    #[error("this machine does not have the address")]
    NotOurs,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(io::Error),
}

impl From<io::Error> for BindReason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::Taken,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::AddrNotAvailable => Self::NotOurs,
            _ => Self::Other(error),
        }
    }
}

/// Listens on `address`. `[::]` takes IPv4 as well, and becomes `0.0.0.0` where there is no IPv6.
///
/// # Panics
///
/// Outside a tokio runtime, as every socket of tokio's does.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    match listen(address) {
        Err(error) if is_unspecified_ipv6(address) && lacks_ipv6(&error) => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%address, "IPv6 is unavailable, listening on IPv4 only");
            listen(address).map_err(|error| BindError { address, reason: error.into() })
        }
        result => result.map_err(|error| BindError { address, reason: error.into() }),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The system's default differs from one to the next.
        socket.set_only_v6(false)?;
    }
    // Without it a restart waits for the connections of the run before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn is_unspecified_ipv6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// Returns true if IPv6 is missing from the kernel (no such family) or switched off on every interface (no such address).
fn lacks_ipv6(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_machine_without_ipv6_falls_back_to_ipv4() {
        assert!(lacks_ipv6(&Errno::AFNOSUPPORT.into()));
        assert!(lacks_ipv6(&Errno::ADDRNOTAVAIL.into()));
        assert!(!lacks_ipv6(&Errno::ADDRINUSE.into()));
        assert!(!is_unspecified_ipv6("[::1]:80".parse().unwrap()));
        assert!(!is_unspecified_ipv6("0.0.0.0:80".parse().unwrap()));
        assert!(is_unspecified_ipv6("[::]:80".parse().unwrap()));
    }

    #[test]
    fn an_error_names_the_address_and_the_reason() {
        let address: SocketAddr = "[::]:80".parse().unwrap();
        let message = |errno: Errno| BindError { address, reason: io::Error::from(errno).into() }.to_string();
        assert_eq!(
            message(Errno::ADDRINUSE),
            "cannot listen on [::]:80: the port is taken by another program"
        );
        assert_eq!(
            message(Errno::ACCESS),
            "cannot listen on [::]:80: this user may not open the port; choose one from 1024 on"
        );
        assert_eq!(
            message(Errno::ADDRNOTAVAIL),
            "cannot listen on [::]:80: this machine does not have the address"
        );
    }
}
