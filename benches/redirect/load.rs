//! The load: many keep-alive connections, on each one request at a time.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::connection::{self, Connection};

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
                let answer = connection.answer()?;
                ensure!(answer.status == "302", "status {} instead of 302", answer.status);
                let location = answer.location.unwrap_or("nowhere");
                ensure!(location == self.location, "leads to {location} instead of {}", self.location);
            }
            done += self.connections.len();
        }
        Ok(done)
    }
}
