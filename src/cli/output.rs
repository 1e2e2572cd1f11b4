//! Exit codes, and what the commands print.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::telemetry;

/// The exit code if something was not found, or failed.
pub(super) const FAILED: u8 = 1;

/// The exit code if the settings or the arguments are wrong.
pub(super) const WRONG_USAGE: u8 = 2;

/// Prints a message on standard error, where people and process managers look for errors.
pub(super) fn complain(message: &str) {
    telemetry::print_error(&format!("nebulink: {message}"));
}

/// Prints an error with its causes on standard error, and returns the exit code for a failure.
pub(super) fn failed(error: &anyhow::Error) -> ExitCode {
    complain(&format!("{error:#}"));
    ExitCode::from(FAILED)
}

/// Prints a line on standard output. Its reader may close the pipe, as in `nebulink check | head`: the work of the command
/// and its exit code do not depend on that.
pub(super) fn say(message: &str) {
    drop(writeln!(io::stdout(), "{message}"));
}

/// Prints text that is of use only as a whole. A closed pipe is no failure, but a full disk is.
pub(super) fn print(text: &[u8]) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written to: {error}"));
            ExitCode::from(FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}
