//! Looks links up in a snapshot, without any network.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use super::ids::{KindArgument, complain_of, well_formed};
use crate::cache::snapshot::{BrokenLine, SnapshotLink, SnapshotReader};
use crate::cli::output::complain;
use crate::domain::{InvalidId, Item, TargetUrl, Timestamp};
use crate::files::FilePath;

/// The ids to look up, in order, and the URLs that the snapshot has for them.
pub(super) struct SnapshotLookup {
    ids: Vec<(String, Result<Item<'static>, InvalidId>)>,
    found: HashMap<Item<'static>, FoundUrls>,
}

/// The URLs that a snapshot has for an item, the latest of each sort. One that was found for a named project counts only if
/// there is no other.
#[derive(Debug, Default)]
struct FoundUrls {
    of_all: Option<(Timestamp, TargetUrl)>,
    of_a_project: Option<(Timestamp, TargetUrl)>,
    projects_differ: bool,
}

impl SnapshotLookup {
    pub(super) fn new(kind: KindArgument, ids: Vec<String>) -> Self {
        let item = |id: &str| match kind {
            KindArgument::Interaction => Item::interaction(id),
            KindArgument::Conversation => Item::conversation(id).map(Item::into_owned),
        };
        let ids: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let item = item(&id);
                (id, item)
            })
            .collect();
        let items = ids.iter().filter_map(|(_, item)| item.clone().ok());
        let found = items.map(|item| (item, FoundUrls::default())).collect();
        Self { ids, found }
    }

    /// Reads the snapshot once, and keeps the URLs of the ids.
    pub(super) fn read(&mut self, snapshot: &Path) -> anyhow::Result<()> {
        let mut reader = SnapshotReader::open(&FilePath::known(snapshot))?;
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

    /// Prints the URL of each id. Returns true if all were found.
    pub(super) fn print(&self, output: &mut impl Write) -> io::Result<bool> {
        let mut all = true;
        for (id, item) in &self.ids {
            let url = item.as_ref().map_err(ToString::to_string).and_then(|item| {
                self.found.get(item).map_or(Err(FoundUrls::NOT_FOUND), FoundUrls::url).map_err(str::to_owned)
            });
            match url {
                Ok(url) => writeln!(output, "{}", url.as_str())?,
                Err(why) => {
                    all = false;
                    complain_of(id, &why);
                }
            }
        }
        Ok(all)
    }
}

impl FoundUrls {
    const NOT_FOUND: &'static str = "not found";

    fn add(&mut self, link: &SnapshotLink<'_>) -> Result<(), BrokenLine> {
        let url = well_formed(&link.url).ok_or(BrokenLine)?;
        let known = if link.only_its_project {
            self.projects_differ |= self.of_a_project.as_ref().is_some_and(|(_, other)| *other != url);
            &mut self.of_a_project
        } else {
            &mut self.of_all
        };
        if known.as_ref().is_none_or(|(resolved_at, _)| *resolved_at <= link.resolved_at) {
            *known = Some((link.resolved_at, url));
        }
        Ok(())
    }

    fn url(&self) -> Result<&TargetUrl, &'static str> {
        match (&self.of_all, &self.of_a_project) {
            (None, Some(_)) if self.projects_differ => Err("several projects have it"),
            (Some((_, url)), _) | (None, Some((_, url))) => Ok(url),
            (None, None) => Err(Self::NOT_FOUND),
        }
    }
}
