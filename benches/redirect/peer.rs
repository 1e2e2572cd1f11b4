//! The servers that are measured, in the order in which they have their turns and are shown.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::nebulink::{self, Nebulink};
use crate::nebuly::Nebuly;
use crate::nginx::Mode;
use crate::server::Server;
use crate::{bare_axum, haproxy, nginx, varnish};

/// A server that is measured. Each runs on one core, with one worker unless it is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    NginxBufferedLog,
    NginxUnbufferedLog,
    NginxCache,
    Varnish,
    Haproxy,
    BareAxum,
    Nebulink,
    NebulinkLog,
    NebulinkTwoWorkers,
}

impl Peer {
    pub(crate) const ALL: [Self; 10] = [
        Self::Nginx,
        Self::NginxBufferedLog,
        Self::NginxUnbufferedLog,
        Self::NginxCache,
        Self::Varnish,
        Self::Haproxy,
        Self::BareAxum,
        Self::Nebulink,
        Self::NebulinkLog,
        Self::NebulinkTwoWorkers,
    ];

    /// Its name in tables and in the plot.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, return 302",
            Self::NginxBufferedLog => "nginx, JSON log in blocks",
            Self::NginxUnbufferedLog => "nginx, JSON log by line",
            Self::NginxCache => "nginx, proxy_cache hit",
            Self::Varnish => "Varnish, hit",
            Self::Haproxy => "haproxy, return 302",
            Self::BareAxum => "bare axum",
            Self::Nebulink => "nebulink, no log",
            Self::NebulinkLog => "nebulink, JSON log",
            Self::NebulinkTwoWorkers => "nebulink, no log, 2 workers",
        }
    }

    /// Returns true if it is the program that the others are compared with.
    pub(crate) fn is_nebulink(self) -> bool {
        matches!(self, Self::Nebulink | Self::NebulinkLog | Self::NebulinkTwoWorkers)
    }

    /// Its program; nothing if it is not installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        match self {
            Self::Nginx | Self::NginxBufferedLog | Self::NginxUnbufferedLog | Self::NginxCache => {
                installed("nginx")
            }
            Self::Varnish => installed("varnishd"),
            Self::Haproxy => installed("haproxy"),
            Self::BareAxum => env::current_exe().ok(),
            Self::Nebulink | Self::NebulinkLog | Self::NebulinkTwoWorkers => Some(nebulink::PROGRAM.into()),
        }
    }

    /// Starts it, by the command of its program, and waits until it listens.
    pub(crate) fn start(self, command: Command, nebuly: &Nebuly, location: &str) -> Result<Server> {
        match self {
            Self::Nginx => nginx::start(command, Mode::Return, location),
            Self::NginxBufferedLog => nginx::start(command, nginx::IN_BLOCKS, location),
            Self::NginxUnbufferedLog => nginx::start(command, Mode::Log(""), location),
            Self::NginxCache => nginx::start(command, Mode::Cache, location),
            Self::Varnish => varnish::start(command, location),
            Self::Haproxy => haproxy::start(command, location),
            Self::BareAxum => bare_axum::start(command, location),
            Self::Nebulink => Nebulink::start_measured(command, nebuly, 1, false),
            Self::NebulinkLog => Nebulink::start_measured(command, nebuly, 1, true),
            Self::NebulinkTwoWorkers => Nebulink::start_measured(command, nebuly, 2, false),
        }
    }
}

/// Servers are often in a directory that only root has in the search path.
fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut files = env::split_paths(&path).chain(usual).map(|directory| directory.join(program));
    files.find(|file| file.is_file())
}
