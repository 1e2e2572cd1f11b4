//! The server behind the caches: it answers every request with the redirect, to be cached for an hour, and counts them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

/// A running origin. Its threads end with this process.
pub(crate) struct Origin {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) fn start(location: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let origin = Self { address: listener.local_addr()?, requests: Arc::default() };
        let requests = Arc::clone(&origin.requests);
        let answer = format!(
            "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncache-control: max-age=3600\r\ncontent-length: 0\r\n\r\n"
        );
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, requests) = (answer.clone(), Arc::clone(&requests));
                // A connection ends when the cache closes it.
                thread::spawn(move || drop(serve(&stream, &answer, &requests)));
            }
        });
        Ok(origin)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: &TcpStream, answer: &str, requests: &AtomicUsize) -> Result<()> {
    for line in BufReader::new(stream).lines() {
        // The end of the head, and of a request without a body.
        if line?.is_empty() {
            requests.fetch_add(1, Ordering::Relaxed);
            stream.write_all(answer.as_bytes())?;
        }
    }
    Ok(())
}
