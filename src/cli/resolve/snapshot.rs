//! Links out of a snapshot, without any network.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use super::{KindName, complain_of, well_formed};
use crate::cache::snapshot::{BrokenLine, SnapshotLink, SnapshotReader};
use crate::cli::complain;
use crate::domain::{InvalidId, Item, TargetUrl, Timestamp};
use crate::files::FilePath;

/// The ids that were asked for, in order, and what is known of their items.
pub(super) struct Wanted {
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

impl Wanted {
    pub(super) fn new(kind: KindName, ids: Vec<String>) -> Self {
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
    pub(super) fn look_up(&mut self, snapshot: &Path) -> anyhow::Result<()> {
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

    /// Prints what was found; whether that is all.
    pub(super) fn print(&self, output: &mut impl Write) -> io::Result<bool> {
        let mut all = true;
        for (id, item) in &self.ids {
            let url = item.as_ref().map_err(ToString::to_string).and_then(|item| {
                self.found.get(item).map_or(Err(Found::NOTHING), Found::url).map_err(str::to_owned)
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
