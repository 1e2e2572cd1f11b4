//! The program itself, started with settings for measuring.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use crate::access_log::AccessLog;
use crate::child::{self, Running};
use crate::connection::{self, Connection};
use crate::nebuly::{API_KEY, Nebuly};
use crate::server::{self, Server};

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
    /// Starts it as one of the servers that are compared, and waits until it is ready. Its access log is off, or goes into
    /// a file in its default form.
    pub(crate) fn start_measured(
        mut command: Command,
        nebuly: &Nebuly,
        workers: usize,
        is_logged: bool,
    ) -> Result<Server> {
        let mut settings = vec![
            ("NEBULINK__SERVER__WORKERS", workers.to_string()),
            // While the others have their turn.
            ("NEBULINK__SERVER__IDLE_TIMEOUT", "1h".to_owned()),
        ];
        let directory = server::directory()?;
        let log = is_logged.then(|| AccessLog::in_directory(directory.path()));
        if let Some(log) = &log {
            settings.push(("NEBULINK__LOG__LEVEL", "info".to_owned()));
            settings.push(("NEBULINK__LOG__ACCESS", "all".to_owned()));
            command.stderr(log.open()?);
        }
        let mut nebulink = Self::start(command, nebuly, settings)?;
        nebulink.wait_until_ready()?;
        let Self { running, address, .. } = nebulink;
        Ok(Server { running, address, log, origin: None, _directory: Some(directory) })
    }

    /// Starts it and waits for nothing. The command is that of the program, with or without another around it; the
    /// settings replace those of `child::environment`.
    pub(crate) fn start(
        mut command: Command,
        nebuly: &Nebuly,
        settings: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self> {
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
        command.envs(settings);
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
