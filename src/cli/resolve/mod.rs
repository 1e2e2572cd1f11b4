//! `nebulink resolve`: `snapshot` looks ids up in a file, `server` asks a running nebulink.

mod ids;
mod server;
mod snapshot;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use self::ids::{KindArgument, read_ids};
use self::server::NebulinkClient;
use self::snapshot::SnapshotLookup;
use super::output::{FAILED, WRONG_USAGE, complain, failed};
use super::process::on_runtime;

/// The argument that reads the ids from standard input.
const STANDARD_INPUT: &str = "-";

/// The ids to resolve, and where to look them up.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct ResolveArguments {
    /// The kind of items that the ids are of
    #[arg(value_enum)]
    kind: KindArgument,

    /// The ids; `-` alone reads them from standard input, one a line. Behind `--` they may begin with `-`
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// The snapshot to look them up in, as `cache.snapshot_file` names one. Needs neither network nor settings; tells how
    /// links were when it was written, however old, and checks only the form of their URLs, as it knows no allowed hosts
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    from: Option<PathBuf>,

    /// A running nebulink to ask, such as `https://go.example.com`, with its base path if it has one. Needs no settings.
    /// Its limits for each caller hold for you as well
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// How long to wait for each of the server's answers; longer than its own `server.request_timeout`
    #[arg(long, value_name = "DURATION", default_value = "35s", conflicts_with = "from", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Certificates (PEM) that the server's must be signed by, in place of the public roots
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "from")]
    ca_file: Option<PathBuf>,
}

/// Where links are looked up.
enum LookupSource<'a> {
    Snapshot(&'a Path),
    Server(NebulinkClient),
}

/// Prints the URL of each id, one a line, in their order, and complains on standard error of those that are not found.
pub(super) fn run(arguments: &ResolveArguments) -> ExitCode {
    let source = match arguments.lookup_source() {
        Ok(source) => source,
        Err(why) => {
            complain(&why);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match resolve(arguments, source) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => failed(&error),
    }
}

impl ResolveArguments {
    /// Returns where to look, or an error of the arguments that clap does not see.
    fn lookup_source(&self) -> Result<LookupSource<'_>, String> {
        let source = match (&self.from, &self.server) {
            (Some(snapshot), _) => LookupSource::Snapshot(snapshot),
            (None, Some(server)) => {
                let base = server::base(server).map_err(|error| error.to_string())?;
                let server = NebulinkClient::new(base, self.ca_file.as_deref(), self.timeout);
                LookupSource::Server(server.map_err(|error| format!("{error:#}"))?)
            }
            (None, None) => {
                return Err(
                    "--from FILE or --server URL is needed: a snapshot to look the ids up in, or a running \
                            nebulink to ask"
                        .to_owned(),
                );
            }
        };
        if self.ids.len() > 1 && self.ids.iter().any(|id| id == STANDARD_INPUT) {
            return Err("`-` reads ids from standard input and stands alone".to_owned());
        }
        Ok(source)
    }
}

/// Returns true if all were found.
fn resolve(arguments: &ResolveArguments, source: LookupSource<'_>) -> anyhow::Result<bool> {
    let ids = match arguments.ids.as_slice() {
        [id] if id == STANDARD_INPUT => {
            read_ids(io::stdin().lock()).context("standard input cannot be read")?
        }
        ids => ids.to_vec(),
    };
    let kind = arguments.kind;
    let printed = match source {
        LookupSource::Snapshot(snapshot) => {
            let mut lookup = SnapshotLookup::new(kind, ids);
            lookup.read(snapshot)?;
            let mut output = io::BufWriter::new(io::stdout().lock());
            lookup.print(&mut output).and_then(|all| output.flush().map(|()| all))
        }
        LookupSource::Server(server) => {
            // Each line is written at once: somebody may be waiting for it.
            on_runtime(1, async { Ok(server.print(kind, &ids, &mut io::stdout().lock()).await) })?
        }
    };
    match printed {
        // The reader has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.context("standard output cannot be written to"),
    }
}
