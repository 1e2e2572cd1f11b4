//! Varnish with one pool of threads, as a cache in front of an origin.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::child::{self, Running};
use crate::origin::Origin;
use crate::server::{self, Server};

/// Starts it and waits until it listens.
pub(crate) fn start(mut command: Command, location: &str) -> Result<Server> {
    let [address] = child::free_addresses()?;
    let directory = server::directory()?;
    let origin = Origin::start(location)?;
    let (host, port) = (origin.address().ip(), origin.address().port());
    let file = directory.path().join("links.vcl");
    // Its own rules cache a 302 as long as the origin says.
    fs::write(&file, format!("vcl 4.1;\nbackend origin {{ .host = \"{host}\"; .port = \"{port}\"; }}\n"))?;

    command.args(["-F", "-j", "none", "-T", "none", "-s", "malloc,16m", "-p", "thread_pools=1"]);
    // While the others have their turn.
    command.args(["-p", "timeout_idle=3600"]);
    command.args(["-a", &address.to_string(), "-f"]).arg(file).arg("-n").arg(directory.path().join("work"));
    let mut running = Running::start("Varnish", command)?;
    running.wait_until_listening(address)?;
    Ok(Server { running, address, log: None, origin: Some(origin), _directory: Some(directory) })
}
