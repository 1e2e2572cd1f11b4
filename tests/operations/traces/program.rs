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

/// How often a log says that the collector does not take spans.
pub(crate) fn lines_about_lost(log: &str) -> usize {
    log.lines().filter(|line| line.contains("the collector does not take traces")).count()
}
