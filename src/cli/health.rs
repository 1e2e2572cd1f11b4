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

/// The beginning of the answer if the program is ready.
const OK: &[u8] = b"HTTP/1.1 200";

/// Its end. Others answer 200 as well.
const READY: &[u8] = b"\r\n\r\nready\n";

/// The most bytes of the answer that are read. nebulink's are some two hundred.
const MAX_ANSWER: usize = 1024;

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
    let reason = match connect(address, deadline).and_then(|stream| ask(stream, deadline)) {
        Ok(answer) if answer.starts_with(OK) && answer.ends_with(READY) => {
            say("ready");
            return ExitCode::SUCCESS;
        }
        Ok(answer) if answer.starts_with(b"HTTP/1.1 503") => {
            format!("not ready: what listens on {address} is starting or shutting down")
        }
        Ok(_) => format!("not ready: what listens on {address} (server.management_listen) is not nebulink"),
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

/// Asks, and returns the answer, or as much of it as it takes to know that it is another one.
fn ask(mut stream: TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut part = [0; MAX_ANSWER];
    let is_known = |answer: &[u8]| {
        let has_status = answer.len() >= OK.len();
        answer.len() >= MAX_ANSWER || answer.ends_with(READY) || (has_status && !answer.starts_with(OK))
    };
    while !is_known(&answer) {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part)? {
            0 if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            read => answer.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
    Ok(answer)
}

/// The time that is left; never zero, which would mean forever.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
