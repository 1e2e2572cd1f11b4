//! `nebulink resolve`: prints where links lead.
//!
//! | file | job |
//! |---|---|
//! | `ids` | reads the ids, no further ahead than needed |
//! | `nebuly`, `server`, `snapshot` | look them up: with the keys of the settings, at a running nebulink, in a file |
//! | `answer` | an id with its link, on its way to be printed |
//! | `wait_budget` | the time to wait for a server that is busy |
//! | `printer` | prints the answers, and the progress |
//!
//! Reading, looking up and printing each have a thread, so that none of them waits for a slow terminal or pipe of another.

mod answer;
mod ids;
mod nebuly;
mod printer;
mod server;
mod snapshot;
mod wait_budget;

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, IsTerminal as _, Stdin};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use self::answer::Answers;
use self::ids::{Ids, KindArgument};
use self::nebuly::NebulyLookup;
use self::printer::{Printer, progress};
use self::server::{NebulinkClient, ServerOptions};
use self::snapshot::{KeptLinks, SnapshotLookup};
use super::output::{FAILED, WRONG_USAGE, complain, failed};
use super::process::{keep_secrets, on_runtime};
use super::serve::load;
use super::signals;
use crate::app::resolver_of;
use crate::settings::SettingSources;

/// The argument that reads the ids from standard input.
const STANDARD_INPUT: &str = "-";

/// The answers that wait to be printed.
const ANSWERS: usize = 1000;

/// The ids to resolve, and where to look them up.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ResolveArguments {
    /// The kind of items that the ids are of
    #[arg(value_enum)]
    kind: KindArgument,

    /// The ids; `-` alone reads them from standard input, one a line. Behind `--` they may begin with `-`
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Print each link as JSON, one a line, in place of its URL
    #[arg(long)]
    json: bool,

    /// A running nebulink to ask, such as `https://go.example.com`, with its base path if it has one. Needs no settings.
    /// Its limits for each caller hold for you as well, and are waited for
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// The file of an API token for the server
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "from")]
    token_file: Option<PathBuf>,

    /// Certificates (PEM) that the server's must be signed by, in place of the public roots
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "from")]
    ca_file: Option<PathBuf>,

    /// How long to wait for each of the server's answers; longer than its own `server.request_timeout`
    #[arg(long, value_name = "DURATION", default_value = "35s", requires = "server", conflicts_with = "from", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// A snapshot to look the ids up in: the file of `cache.snapshot_file`. Needs neither network nor settings. Links are as
    /// they were when it was written, however long ago. Only the form of their URLs is checked: any host is allowed
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    from: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Without --server and --from, Nebuly is asked for each id with the keys of the settings. Neither the snapshot nor the
shared cache of the settings is read.

Each id has one line of output, in the order of the ids: an empty one if it has no URL. Why it has none is said on
standard error. With --json, each line is a link: one without a URL has its state and error. An empty line of standard
input has a line of output as well, without a reason on standard error, and is no failure.

Exit codes: 0 all have a URL, 1 something was not found or failed, 2 wrong usage or settings.";

/// Where links are looked up.
enum LookupSource {
    Nebuly(Box<NebulyLookup>),
    Server(Box<NebulinkClient>),
    Snapshot(SnapshotLookup),
}

/// Prints where the links of some ids lead.
pub(super) fn run(arguments: &ResolveArguments, sources: &SettingSources) -> ExitCode {
    if arguments.ids.len() > 1 && arguments.ids.iter().any(|id| id == STANDARD_INPUT) {
        complain("`-` reads ids from standard input and stands alone");
        return ExitCode::from(WRONG_USAGE);
    }
    // As the first process of a container it would otherwise ignore them.
    if let Err(error) = signals::end_at_once() {
        return failed(&error.into());
    }
    keep_secrets();
    let source = match arguments.lookup_source(sources) {
        Ok(source) => source,
        Err(code) => return code,
    };
    match arguments.resolve(&source) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => failed(&error),
    }
}

impl ResolveArguments {
    fn reads_standard_input(&self) -> bool {
        self.ids == [STANDARD_INPUT]
    }

    /// Where to look, or the exit code after a complaint.
    fn lookup_source(&self, sources: &SettingSources) -> Result<LookupSource, ExitCode> {
        let wrong = |why: String| {
            complain(&why);
            ExitCode::from(WRONG_USAGE)
        };
        if let Some(snapshot) = &self.from {
            let lookup = SnapshotLookup::read(snapshot, &self.kept_links());
            let lookup = lookup.map_err(|error| failed(&error.into()))?;
            if lookup.broken > 0 {
                complain(&format!("{} broken lines of the snapshot were skipped", lookup.broken));
            }
            return Ok(LookupSource::Snapshot(lookup));
        }
        if let Some(server) = &self.server {
            let base = server::base(server).map_err(|error| wrong(error.to_string()))?;
            let (authorities, token_file) = (self.ca_file.as_deref(), self.token_file.as_deref());
            let options = ServerOptions { authorities, token_file, timeout: self.timeout };
            let client = NebulinkClient::new(&base, &options).map_err(|error| wrong(format!("{error:#}")))?;
            return Ok(LookupSource::Server(Box::new(client)));
        }
        let settings = load(sources)?.settings;
        let (resolver, keys) =
            resolver_of(&settings).map_err(|error| wrong(format!("{:#}", anyhow::Error::new(error))))?;
        keys.last_file_errors().iter().for_each(|error| complain(error));
        Ok(LookupSource::Nebuly(Box::new(NebulyLookup::new(resolver, settings))))
    }

    /// The links that are needed of a snapshot.
    fn kept_links(&self) -> KeptLinks {
        if self.reads_standard_input() {
            KeptLinks::All(self.kind.kind())
        } else {
            KeptLinks::of(self.kind.kind(), &self.ids)
        }
    }

    /// Returns true if all ids have a URL.
    fn resolve(&self, source: &LookupSource) -> anyhow::Result<bool> {
        let (ids, progress) = if self.reads_standard_input() {
            (Ids::lines_of(self.kind, || io::stdin().lock()), progress_of_input())
        } else {
            (Ids::given(self.kind, self.ids.clone()), ProgressBar::hidden())
        };
        let ids = ids.context("the thread that reads the ids could not be started")?;
        let (sender, answers) = mpsc::channel(ANSWERS);
        let output = BufWriter::new(io::stdout());
        let printer = Printer::new(output, io::stdout().is_terminal(), self.json, progress);
        let printing = thread::Builder::new().name("printer".to_owned()).spawn(|| printer.print_all(answers));
        let printing = printing.context("the thread that prints could not be started")?;
        on_runtime(async {
            look_up(source, ids, sender).await;
            Ok(())
        })?;
        let result =
            printing.join().map_err(|_panic| anyhow::anyhow!("the thread that prints has panicked"))?;
        match result {
            // The reader has closed the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            result => result.context("standard output cannot be written to"),
        }
    }
}

/// Looks all ids up, unless nothing can be printed any more.
async fn look_up(source: &LookupSource, ids: Ids, answers: Answers) {
    let looking_up = async {
        match source {
            LookupSource::Nebuly(nebuly) => nebuly.answer(ids, &answers).await,
            LookupSource::Server(client) => server::answer(client, ids, &answers).await,
            LookupSource::Snapshot(snapshot) => snapshot.answer(ids, &answers).await,
        }
    };
    tokio::select! {
        () = looking_up => {}
        () = answers.closed() => {}
    }
}

/// The progress through standard input. Where that is typed, it would be in the way.
fn progress_of_input() -> ProgressBar {
    let input = io::stdin();
    if input.is_terminal() {
        return ProgressBar::hidden();
    }
    progress(input_len(&input))
}

/// The bytes of the input, if it is a file.
fn input_len(input: &Stdin) -> Option<u64> {
    let file = File::from(input.as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len())
}
