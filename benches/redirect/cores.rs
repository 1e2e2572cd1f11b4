//! Which core the measured servers run on, and which one the load.

use std::fs;
use std::path::Path;
use std::process::{self, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Two cores of those that this process may use; the same one twice if there is no other.
pub(crate) struct Cores {
    server: String,
    load: String,
    all: String,
}

/// While it lives, this process stays on the core of the load.
pub(crate) struct LoadKeptApart<'a>(&'a Cores);

impl Cores {
    pub(crate) fn of_this_process() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("this benchmark needs Linux")?;
        let all = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let all = all.context("the kernel says no allowed cores")?.trim().to_owned();
        let (server, load) = first_and_next(&all).context("the allowed cores are of no known form")?;
        Ok(Self { server: server.to_string(), load: load.to_string(), all })
    }

    /// A command that runs the program on the core of the servers. The id of the process stays that of the program.
    pub(crate) fn command_on_server_core(&self, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.server]).arg(program);
        command
    }

    /// Moves this process, all its threads and those still to come, to the core of the load.
    pub(crate) fn keep_load_apart(&self) -> Result<LoadKeptApart<'_>> {
        move_this_process(&self.load)?;
        Ok(LoadKeptApart(self))
    }

    /// Returns true if servers and load have to share one core.
    pub(crate) fn shared(&self) -> bool {
        self.server == self.load
    }
}

impl Drop for LoadKeptApart<'_> {
    fn drop(&mut self) {
        // It worked before, and nothing is measured afterwards that would suffer.
        drop(move_this_process(&self.0.all));
    }
}

fn move_this_process(cores: &str) -> Result<()> {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset is missing: it is in the package util-linux")?;
    ensure!(status.success(), "taskset cannot move this process: {status}");
    Ok(())
}

/// The first two cores of a list such as `0-3,8`.
fn first_and_next(list: &str) -> Option<(u32, u32)> {
    let ranges = list.split(',').filter_map(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some(low.parse::<u32>().ok()?..=high.parse::<u32>().ok()?)
    });
    let mut cores = ranges.flatten();
    let first = cores.next()?;
    Some((first, cores.next().unwrap_or(first)))
}
