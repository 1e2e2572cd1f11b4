//! The load: many keep-alive connections, on each one request at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::connection::{self, Answer, Connection, TIMEOUT};

/// Connections at once, as an ingress keeps them: enough that the server finds several requests ready when it wakes.
const CONNECTIONS: usize = 32;

/// Asks one server for the same redirect again and again.
pub(crate) struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
    location: String,
}

impl Load {
    /// Opens the connections. Every answer must be a 302 with this location.
    pub(crate) fn open(server: SocketAddr, path: &str, location: &str) -> Result<Self> {
        let connections = (0..CONNECTIONS).map(|_| Connection::open(server)).collect::<Result<_>>()?;
        Ok(Self { connections, request: connection::get(server, path, ""), location: location.to_owned() })
    }

    /// Makes at least so many requests, reads every answer and checks it. Returns how many they were.
    pub(crate) fn run(&mut self, redirects: usize) -> Result<usize> {
        let mut done = 0;
        while done < redirects {
            for connection in &mut self.connections {
                connection.send(&self.request)?;
            }
            for connection in &mut self.connections {
                check(&connection.answer()?, &self.location)?;
            }
            done += self.connections.len();
        }
        Ok(done)
    }

    /// Makes requests at this rate (per second) for this time, reads every answer and checks it. Each request is due at a
    /// fixed time, whatever became of those before it; if no connection is idle then, it is sent as soon as one is.
    /// Returns the time from when each was due until its answer was read, in milliseconds.
    ///
    /// It spins, rather than wait, so that it is not late itself.
    pub(crate) fn run_at_rate(&mut self, rate: f64, time: Duration) -> Result<Vec<f64>> {
        self.set_waiting(false)?;
        let pause = Duration::from_secs_f64(1.0 / rate);
        let begin = Instant::now();
        let (mut next, end) = (begin, begin + time);
        // Each connection has its turn, as with an ingress.
        let mut idle: VecDeque<_> = self.connections.iter_mut().collect();
        let mut busy: VecDeque<(&mut Connection, Instant)> = VecDeque::with_capacity(idle.len());
        let mut latencies = Vec::new();
        while next < end || !busy.is_empty() {
            if next < end
                && next <= Instant::now()
                && let Some(connection) = idle.pop_front()
            {
                connection.send(&self.request)?;
                busy.push_back((connection, next));
                next += pause;
            }
            for _ in 0..busy.len() {
                let Some((connection, due)) = busy.pop_front() else { break };
                match connection.answer_if_there()? {
                    Some(answer) => {
                        latencies.push(due.elapsed().as_secs_f64() * 1e3);
                        check(&answer, &self.location)?;
                        idle.push_back(connection);
                    }
                    None => busy.push_back((connection, due)),
                }
            }
            ensure!(
                begin.elapsed() < time + TIMEOUT,
                "an answer does not come at {rate:.0} requests a second"
            );
        }
        self.set_waiting(true)?;
        Ok(latencies)
    }

    fn set_waiting(&self, waits: bool) -> Result<()> {
        self.connections.iter().try_for_each(|connection| connection.set_waiting(waits))
    }
}

fn check(answer: &Answer<'_>, location: &str) -> Result<()> {
    ensure!(answer.status == "302", "status {} instead of 302", answer.status);
    let found = answer.location.unwrap_or("nowhere");
    ensure!(found == location, "leads to {found} instead of {location}");
    Ok(())
}
