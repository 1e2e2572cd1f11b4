//! The command line: the commands and their exit codes.

mod check;
mod demo;
mod health;
mod output;
mod process;
mod resolve;
mod serve;
mod signals;

use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::output::{FAILED, WRONG_USAGE, print};
use crate::settings::SettingSources;
use crate::telemetry;

/// Turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.
#[derive(Debug, Parser)]
#[command(name = "nebulink", version, about, after_help = AFTER_HELP)]
struct Cli {
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
    /// Say what is wrong with the settings, try each key, and show the settings without secrets
    Check(check::CheckArguments),
    /// Ask the nebulink that runs with the same settings whether it is ready (0) or not (1)
    Health,
    /// Print the URLs of links: from Nebuly, a running nebulink or a snapshot
    Resolve(resolve::ResolveArguments),
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
    // The panic has been logged.
    let code = panic::catch_unwind(run).unwrap_or(ExitCode::from(FAILED));
    telemetry::end_log();
    code
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be reported if even this cannot be written.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let sources = SettingSources::of_process(cli.config, cli.set);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&sources),
        Command::Demo => demo::run(&sources),
        Command::Check(arguments) => check::run(&sources, &arguments),
        Command::Health => health::run(&sources),
        Command::Resolve(arguments) => resolve::run(&arguments, &sources),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nebulink", &mut script);
            print(&script)
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
