//! Clients that do nothing wrong: they open known links on connections that they keep, and count what goes wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::program::Link;
use crate::support::PATIENCE;

/// How many of them there are.
const CLIENTS: usize = 6;

/// The counts of all of them together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: AtomicUsize,
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

pub(crate) struct Others {
    tally: Arc<Tally>,
    clients: JoinSet<()>,
}

impl Others {
    /// Asks until they are stopped, or until they have asked so often.
    pub(crate) fn start(address: SocketAddr, links: &[Link], at_most: usize) -> Self {
        let tally = Arc::<Tally>::default();
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            // No two of them ask for the same link, so that nobody takes another's answer for its own.
            let links: Vec<_> = links.iter().skip(number).step_by(CLIENTS).cloned().collect();
            let tally = Arc::clone(&tally);
            clients.spawn(async move { tally.ask(address, &links, at_most).await });
        }
        Self { tally, clients }
    }

    /// Waits until they have asked as often as they were to. Returns the number of requests.
    pub(crate) async fn finished(mut self) -> usize {
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        let failures = self.tally.failures.lock().unwrap();
        let requests = self.tally.requests.load(Ordering::Relaxed);
        let first: Vec<_> = failures.iter().take(5).collect();
        println!("{} of {requests} requests of others failed", failures.len());
        assert!(
            failures.is_empty(),
            "{} of {requests} requests of others failed: {first:#?}",
            failures.len()
        );
        requests
    }

    /// Stops them.
    pub(crate) async fn stopped(self) -> usize {
        self.tally.stop.store(true, Ordering::Relaxed);
        self.finished().await
    }
}

impl Tally {
    async fn ask(&self, address: SocketAddr, links: &[Link], at_most: usize) {
        let mut kept = None;
        for link in links.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) || self.requests.fetch_add(1, Ordering::Relaxed) >= at_most {
                self.requests.fetch_min(at_most, Ordering::Relaxed);
                return;
            }
            let asked = timeout(PATIENCE, get(&mut kept, address, link)).await;
            let failure = match asked {
                Ok(Ok(head)) if is_right(&head, link) => continue,
                Ok(Ok(head)) => format!("{link:?}: {head}"),
                Ok(Err(error)) => format!("{link:?}: {error}"),
                Err(_) => format!("{link:?}: no answer in time"),
            };
            kept = None;
            self.failures.lock().unwrap().push(failure);
        }
    }
}

/// Returns true if this is the redirect of this link.
fn is_right(head: &str, link: &Link) -> bool {
    let location = format!("\r\nlocation: {}\r\n", link.location);
    head.starts_with("HTTP/1.1 302 ")
        && head.matches("\r\nlocation: ").count() == 1
        && head.contains(&location)
}

/// Asks on the connection that was kept, or else on a new one, and keeps it unless the answer says not to.
async fn get(kept: &mut Option<TcpStream>, address: SocketAddr, link: &Link) -> std::io::Result<String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    let head = format!("GET {} HTTP/1.1\r\nhost: go.example.com\r\n\r\n", link.target);
    stream.write_all(head.as_bytes()).await?;
    let mut received = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut received).await? == 0 {
            let received = String::from_utf8_lossy(&received);
            return Err(std::io::Error::other(format!("closed without an answer: {received:?}")));
        }
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (format!("{head}\r\n"), body.len());
        }
    };
    // A redirect has no body; whatever else comes is a failure already.
    let lower = head.to_ascii_lowercase();
    if body == 0 && is_right(&head, link) && !lower.contains("\r\nconnection: close\r\n") {
        *kept = Some(stream);
    }
    if body > 0 && is_right(&head, link) {
        return Err(std::io::Error::other(format!(
            "more than the answer: {:?}",
            String::from_utf8_lossy(&received)
        )));
    }
    Ok(head)
}
