//! haproxy with one thread that answers every request with the same redirect.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;

use crate::child::{self, Running};
use crate::server::{self, Server};

/// Starts it and waits until it listens.
pub(crate) fn start(mut command: Command, location: &str) -> Result<Server> {
    let [address] = child::free_addresses()?;
    let directory = server::directory()?;
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, settings(address, location))?;
    // In the foreground, as one process.
    command.args(["-db", "-f"]).arg(file);
    let mut running = Running::start("haproxy", command)?;
    running.wait_until_listening(address)?;
    Ok(Server { running, address, log: None, origin: None, _directory: Some(directory) })
}

fn settings(address: SocketAddr, location: &str) -> String {
    // In this form of text only the percent sign has a meaning.
    let location = location.replace('%', "%%");
    format!(
        "global
    nbthread 1
    maxconn 1024
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 10s
frontend links
    bind {address}
    http-request return status 302 hdr location '{location}'
"
    )
}
