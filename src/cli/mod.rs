//! The command line: what each command does, and the code that it exits with.

mod check;
mod demo;
mod process;
mod resolve;
mod serve;
mod signals;

use std::io::{self, Write as _};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::settings::{LoadedSettings, SettingSources, Settings};
use crate::telemetry;

/// Something was not found, or failed.
const FAILED: u8 = 1;

/// The settings or the arguments are wrong.
const WRONG_USAGE: u8 = 2;

/// Turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.
#[derive(Debug, Parser)]
#[command(name = "nebulink", version, about, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The settings file (TOML), in place of `NEBULINK_CONFIG`.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// One setting, such as `--set server.listen=127.0.0.1:8080`; can be repeated. No secrets.
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 good, 1 something was not found or failed, 2 wrong usage or settings.

With a key, `NEBULY_API_KEY=… nebulink` is all it takes. Every setting stands in config/default.toml; in the
environment, cache.ttl is NEBULINK__CACHE__TTL.";

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve,
    /// Serve on loopback with a built-in stand-in for Nebuly and sample items; needs nothing
    Demo,
    /// Say what is wrong with the settings, show them without secrets, and try each key
    Check,
    /// Print the URLs of links
    Resolve(resolve::Arguments),
    /// Print the completion script for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    // What panicked has been logged, and the log is written to its end.
    let code = panic::catch_unwind(run).unwrap_or(ExitCode::from(FAILED));
    telemetry::end_log();
    code
}

fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to be told if even this cannot be written.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let sources = SettingSources::of_process(arguments.config, arguments.set);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&sources),
        Command::Demo => demo::run(&sources),
        Command::Check => check::run(&sources),
        Command::Resolve(arguments) => resolve::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "nebulink", &mut script);
            print(&script)
        }
    }
}

/// Loads the settings, or says everything that is wrong with them.
fn load(sources: &SettingSources) -> Result<LoadedSettings, ExitCode> {
    Settings::load(sources).map_err(|problems| {
        complain(&problems.to_string());
        ExitCode::from(WRONG_USAGE)
    })
}

/// Says something on standard error, where people and process managers look for what went wrong.
fn complain(message: &str) {
    telemetry::print_error(&format!("nebulink: {message}"));
}

/// Says something on standard output. Whoever reads it may go away, as in `nebulink check | head`: what the command does,
/// and its exit code, do not depend on that.
fn say(message: &str) {
    drop(writeln!(io::stdout(), "{message}"));
}

/// Prints what is of use only as a whole. A reader that goes away has had enough; a full disk is a failure.
fn print(text: &[u8]) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written to: {error}"));
            ExitCode::from(FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
