//! A running nebulink of one test's own.

use std::process::Command;

use nebulink::demo::StandIn;

use crate::support::process::{self, LoggedProcess};

/// Far longer than a test takes, in milliseconds: nothing may wait for it.
pub(crate) const AN_HOUR: &str = "3600000";

/// A command of nebulink for this stand-in, with these further variables.
pub(crate) fn command(stand_in: &StandIn, variables: &[(&str, &str)]) -> Command {
    let mut command = process::command(stand_in);
    command.envs(variables.iter().copied());
    command
}

/// Serves.
pub(crate) async fn serve(stand_in: &StandIn, variables: &[(&str, &str)]) -> LoggedProcess {
    LoggedProcess::start(command(stand_in, variables)).await
}

/// The number of lines in a log about failed exports.
pub(crate) fn lines_about_failed_exports(log: &str) -> usize {
    log.lines().filter(|line| line.contains("failed to export spans")).count()
}
