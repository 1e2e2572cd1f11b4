//! `nebulink resolve`.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use url::Url;

use super::{FAILED, WRONG_USAGE, complain};
use crate::cache::snapshot::{BrokenLine, Line, Lines, SnapshotLink, SnapshotReader};
use crate::domain::{AllowedHosts, InvalidId, Item, TargetUrl, Timestamp};

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
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    Interaction,
    Conversation,
}

/// The ids that were asked for, in order, and what is known of their items.
struct Wanted {
    ids: Vec<(String, Result<Item<'static>, InvalidId>)>,
    found: HashMap<Item<'static>, Found>,
}

/// What a snapshot says of an item. What was found for a named project counts only where nothing else is known.
#[derive(Debug, Default)]
struct Found {
    of_all: Option<(Timestamp, TargetUrl)>,
    of_a_project: Option<(Timestamp, TargetUrl)>,
    projects_differ: bool,
}

/// Prints the URL of each id, one a line, in their order. Of those that are not found, it says so on standard error.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(snapshot) = &arguments.from else {
        complain("--from FILE is needed: it names the snapshot to look the ids up in");
        return ExitCode::from(WRONG_USAGE);
    };
    if arguments.ids.len() > 1 && arguments.ids.iter().any(|id| id == STANDARD_INPUT) {
        complain("`-` reads ids from standard input and stands alone");
        return ExitCode::from(WRONG_USAGE);
    }
    match resolve(arguments, snapshot) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Whether all were found.
fn resolve(arguments: &Arguments, snapshot: &Path) -> anyhow::Result<bool> {
    let ids = match arguments.ids.as_slice() {
        [id] if id == STANDARD_INPUT => {
            read_ids(io::stdin().lock()).context("standard input cannot be read")?
        }
        ids => ids.to_vec(),
    };
    let mut wanted = Wanted::new(arguments.kind, ids);
    wanted.look_up(snapshot)?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    match wanted.print(&mut output).and_then(|all| output.flush().map(|()| all)) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.context("standard output cannot be written to"),
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

impl Wanted {
    fn new(kind: KindName, ids: Vec<String>) -> Self {
        let item = |id: &str| match kind {
            KindName::Interaction => Item::interaction(id),
            KindName::Conversation => Item::conversation(id).map(Item::into_owned),
        };
        let ids: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let item = item(&id);
                (id, item)
            })
            .collect();
        let items = ids.iter().filter_map(|(_, item)| item.clone().ok());
        let found = items.map(|item| (item, Found::default())).collect();
        Self { ids, found }
    }

    /// Reads the snapshot once, and keeps what is asked for.
    fn look_up(&mut self, snapshot: &Path) -> anyhow::Result<()> {
        let mut reader = SnapshotReader::open(snapshot)?;
        let mut broken = 0_u64;
        while let Some(line) = reader.read()? {
            match line {
                Ok(link) => {
                    let found = self.found.get_mut(&link.item.clone().into_owned());
                    broken += u64::from(found.is_some_and(|found| found.add(&link).is_err()));
                }
                Err(BrokenLine) => broken += 1,
            }
        }
        if broken > 0 {
            complain(&format!("{broken} broken lines of the snapshot were skipped"));
        }
        Ok(())
    }

    /// Prints what was found; whether that is all.
    fn print(&self, output: &mut impl Write) -> io::Result<bool> {
        let mut all = true;
        for (id, item) in &self.ids {
            let url = item.as_ref().map_err(ToString::to_string).and_then(|item| {
                self.found.get(item).map_or(Err(Found::NOTHING), Found::url).map_err(str::to_owned)
            });
            match url {
                Ok(url) => writeln!(output, "{}", url.as_str())?,
                Err(why) => {
                    all = false;
                    complain(&format!("{id:?}: {why}"));
                }
            }
        }
        Ok(all)
    }
}

impl Found {
    const NOTHING: &'static str = "not found";

    fn add(&mut self, link: &SnapshotLink<'_>) -> Result<(), BrokenLine> {
        let url = well_formed(&link.url).ok_or(BrokenLine)?;
        let place = if link.only_its_project {
            self.projects_differ |= self.of_a_project.as_ref().is_some_and(|(_, other)| *other != url);
            &mut self.of_a_project
        } else {
            &mut self.of_all
        };
        if place.as_ref().is_none_or(|(resolved_at, _)| *resolved_at <= link.resolved_at) {
            *place = Some((link.resolved_at, url));
        }
        Ok(())
    }

    fn url(&self) -> Result<&TargetUrl, &'static str> {
        match (&self.of_all, &self.of_a_project) {
            (None, Some(_)) if self.projects_differ => Err("several projects have it"),
            (Some((_, url)), _) | (None, Some((_, url))) => Ok(url),
            (None, None) => Err(Self::NOTHING),
        }
    }
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
