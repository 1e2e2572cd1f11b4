//! The program itself, started with settings for measuring.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use crate::child::{self, Running};
use crate::connection::{self, Connection};
use crate::nebuly::{API_KEY, Nebuly};

/// As cargo built it beside this benchmark.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_nebulink");

/// Between two looks at the probe.
const PROBE_PAUSE: Duration = Duration::from_millis(5);

/// A running nebulink.
pub(crate) struct Nebulink {
    pub(crate) running: Running,
    /// Its public listener.
    pub(crate) address: SocketAddr,
    management: SocketAddr,
}

impl Nebulink {
    /// Starts it and waits for nothing. The command is that of the program, with or without another around it.
    pub(crate) fn start(mut command: Command, nebuly: &Nebuly) -> Result<Self> {
        let [address, management] = child::free_addresses()?;
        command.arg("serve");
        for (name, _) in env::vars_os() {
            let foreign = ["NEBULINK", "NEBULY", "OTEL_"];
            if name.to_str().is_some_and(|name| foreign.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        let addresses = [address, management];
        command.envs(child::environment(addresses, nebuly.platform_url(), nebuly.api_base_url(), API_KEY));
        Ok(Self { running: Running::start("nebulink", command)?, address, management })
    }

    /// Waits until its readiness probe says so.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let management = self.management;
        self.running.wait_until("is ready", PROBE_PAUSE, || is_ready(management).unwrap_or(false))
    }
}

/// Size of the program file, in bytes.
pub(crate) fn size() -> Result<u64> {
    Ok(fs::metadata(PROGRAM).context("the program is missing")?.len())
}

/// The path of the redirect to an interaction.
pub(crate) fn path_of(id: Uuid) -> String {
    format!("/go/interaction/{id}")
}

fn is_ready(management: SocketAddr) -> Result<bool> {
    let mut connection = Connection::open(management)?;
    connection.send(&connection::get(management, "/readyz", ""))?;
    Ok(connection.answer()?.status == "200")
}
