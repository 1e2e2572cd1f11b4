//! `nebulink health`: for containers without a shell, whose only program this is.
//!
//! It runs every few seconds. So it starts no runtime, sets up no TLS, and reads no file but that of the settings.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::output::{FAILED, WRONG_USAGE, complain, say};
use crate::settings::{SettingSources, Settings};

/// The longest time for the answer. The listener of probes has nothing else to do.
const TIMEOUT: Duration = Duration::from_secs(2);

const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// The part of the answer that is read: `HTTP/1.1 200`.
const STATUS_LEN: usize = 12;

/// Asks the program that runs with the same settings whether it is ready.
pub(super) fn run(sources: &SettingSources) -> ExitCode {
    let address = match Settings::management_listen(sources) {
        Ok(address) => address,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(WRONG_USAGE);
        }
    };
    if address.port() == 0 {
        complain("server.management_listen has port 0: only the running program knows which one it got");
        return ExitCode::from(WRONG_USAGE);
    }
    let deadline = Instant::now() + TIMEOUT;
    let reason = match connect(address, deadline).and_then(|stream| status(stream, deadline)) {
        Ok(status) => match status.as_slice() {
            b"HTTP/1.1 200" => {
                say("ready");
                return ExitCode::SUCCESS;
            }
            b"HTTP/1.1 503" => format!("not ready: what listens on {address} is starting or shutting down"),
            _ => format!("not ready: what listens on {address} (server.management_listen) is not nebulink"),
        },
        Err(error) => format!("not ready: no answer from {address} (server.management_listen): {error}"),
    };
    complain(&reason);
    ExitCode::from(FAILED)
}

/// Connects from this machine to a listener on this address.
fn connect(listener: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let to = |ip: IpAddr| TcpStream::connect_timeout(&SocketAddr::new(ip, listener.port()), left(deadline)?);
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => to(Ipv4Addr::LOCALHOST.into()),
        // Where there is no IPv6, the program listens on IPv4 alone.
        IpAddr::V6(ip) if ip.is_unspecified() => {
            to(Ipv6Addr::LOCALHOST.into()).or_else(|_| to(Ipv4Addr::LOCALHOST.into()))
        }
        ip => to(ip),
    }
}

/// Asks, and returns version and status of the answer.
fn status(mut stream: TcpStream, deadline: Instant) -> io::Result<[u8; STATUS_LEN]> {
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(REQUEST)?;
    let mut status = [0; STATUS_LEN];
    let mut unread = status.as_mut_slice();
    while !unread.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let read = stream.read(unread)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unread = unread.get_mut(read..).unwrap_or_default();
    }
    Ok(status)
}

/// The time that is left; never zero, which would mean forever.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
