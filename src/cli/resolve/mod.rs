//! `nebulink resolve`: `snapshot` looks ids up in a file, `server` asks a running nebulink.

mod server;
mod snapshot;

use std::io::{self, BufRead, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use url::Url;

use self::server::Server;
use self::snapshot::Wanted;
use super::serve::on_runtime;
use super::{FAILED, WRONG_USAGE, complain};
use crate::cache::snapshot::{Line, Lines};
use crate::domain::{AllowedHosts, Kind, TargetUrl};

/// What stands in place of ids that come from standard input.
const STANDARD_INPUT: &str = "-";

/// What to resolve, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Arguments {
    /// What kind of items the ids are of
    #[arg(value_enum)]
    kind: KindName,

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

/// Where links are looked for.
enum Place<'a> {
    Snapshot(&'a Path),
    Server(Server),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    Interaction,
    Conversation,
}

/// Prints the URL of each id, one a line, in their order. Of those that are not found, it says so on standard error.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let place = match arguments.place() {
        Ok(place) => place,
        Err(why) => {
            complain(&why);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match resolve(arguments, place) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

impl Arguments {
    /// Where to look, or what is wrong with the arguments that clap does not see.
    fn place(&self) -> Result<Place<'_>, String> {
        let place = match (&self.from, &self.server) {
            (Some(snapshot), _) => Place::Snapshot(snapshot),
            (None, Some(server)) => {
                let base = server::base(server).map_err(|error| error.to_string())?;
                let server = Server::new(base, self.ca_file.as_deref(), self.timeout);
                Place::Server(server.map_err(|error| format!("{error:#}"))?)
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
        Ok(place)
    }
}

/// Whether all were found.
fn resolve(arguments: &Arguments, place: Place<'_>) -> anyhow::Result<bool> {
    let ids = match arguments.ids.as_slice() {
        [id] if id == STANDARD_INPUT => {
            read_ids(io::stdin().lock()).context("standard input cannot be read")?
        }
        ids => ids.to_vec(),
    };
    let kind = arguments.kind;
    let printed = match place {
        Place::Snapshot(snapshot) => {
            let mut wanted = Wanted::new(kind, ids);
            wanted.look_up(snapshot)?;
            let mut output = io::BufWriter::new(io::stdout().lock());
            wanted.print(&mut output).and_then(|all| output.flush().map(|()| all))
        }
        Place::Server(server) => {
            // Each line as soon as it is known: somebody may be waiting for it.
            on_runtime(1, async { Ok(server.print(kind, &ids, &mut io::stdout().lock()).await) })?
        }
    };
    match printed {
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.context("standard output cannot be written to"),
    }
}

/// Says what became of an id that has no URL.
fn complain_of(id: &str, why: &str) {
    complain(&format!("{id:?}: {why}"));
}

impl KindName {
    const fn kind(self) -> Kind {
        match self {
            Self::Interaction => Kind::Interaction,
            Self::Conversation => Kind::Conversation,
        }
    }
}

/// The ids of a text, one a line; empty lines are none.
fn read_ids(source: impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Lines::new(source);
    let mut ids = Vec::new();
    while let Some(line) = lines.read()? {
        let Line::Whole(line) = line else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is far too long for an id"));
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            // What is not UTF-8 is no id of any link, and is shown in what is said of it.
            ids.push(String::from_utf8_lossy(line).into_owned());
        }
    }
    Ok(ids)
}

/// A URL with any host; every other check is the same as everywhere.
fn well_formed(text: &str) -> Option<TargetUrl> {
    let mut hosts = AllowedHosts::default();
    hosts.allow_host_of(&Url::parse(text).ok()?).ok()?;
    TargetUrl::accept(text, &hosts, |_| false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_one_a_line() {
        assert_eq!(read_ids(&b"a\n\nb c\r\n\xff\nlast"[..]).unwrap(), ["a", "b c", "\u{fffd}", "last"]);
        assert!(read_ids(vec![b'x'; 1 << 20].as_slice()).is_err());
    }

    #[test]
    fn only_a_well_formed_url_is_printed() {
        assert!(well_formed("https://any.example/x").is_some());
        for text in [
            "http://any.example/x",
            "javascript:alert(1)",
            "https://a@any.example/",
            "https://any.example/\u{1b}[0m",
            "",
        ] {
            assert_eq!(well_formed(text), None, "{text:?}");
        }
    }
}
