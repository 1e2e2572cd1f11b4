//! The parts that all measured servers have in common.

use std::net::SocketAddr;

use anyhow::Result;
use tempfile::TempDir;

use crate::access_log::AccessLog;
use crate::child::Running;
use crate::origin::Origin;

/// A running server that answers the path of the benchmark with its redirect.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    /// If it writes one.
    pub(crate) log: Option<AccessLog>,
    /// If it is a cache: where it gets what it does not have.
    pub(crate) origin: Option<Origin>,
    /// With everything that it reads and writes.
    pub(crate) _directory: Option<TempDir>,
}

/// A new directory on the disk that has the build, because a temporary one is often in memory.
pub(crate) fn directory() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}
