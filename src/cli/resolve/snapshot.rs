//! Looks links up in a snapshot, without any network.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::pin::pin;

use futures_util::StreamExt as _;

use super::answer::{Abandonment, AnsweredId, Answers, well_formed};
use super::ids::{Ids, RequestedId};
use crate::cache::snapshot::{BrokenLine, SnapshotError, SnapshotLink, SnapshotReader};
use crate::domain::{IdCandidates, IdText, Item, Kind, ProjectIndex, ProjectName, TargetUrl, Timestamp};
use crate::files::FilePath;
use crate::resolver::{AnswerSource, Found, Outcome, Resolution};
use crate::web::{LinkJson, LinkJsonContext, ProblemJson};

/// The links of a snapshot that may be asked for.
pub(super) struct SnapshotLookup {
    links: HashMap<Item<'static>, FoundLinks>,
    /// The projects of its lines.
    projects: Vec<ProjectName>,
    /// The lines that are no links.
    pub(super) broken: u64,
}

/// The links that are kept of a snapshot.
#[derive(Debug)]
pub(super) enum KeptLinks {
    /// Those of some items, so that the memory depends on their number alone.
    Of(HashSet<Item<'static>>),
    /// All of a kind, since the ids are not known yet. The memory depends on the file alone, and not on the number of ids.
    All(Kind),
}

/// The links of an item: the latest of all projects, and the latest of each that was found for callers who named it.
#[derive(Debug, Default)]
struct FoundLinks {
    of_all: Option<FoundLink>,
    of_projects: Vec<FoundLink>,
}

#[derive(Debug, Clone)]
struct FoundLink {
    url: TargetUrl,
    project: ProjectIndex,
    resolved_at: Timestamp,
}

impl KeptLinks {
    /// Those of these ids.
    pub(super) fn of(kind: Kind, ids: &[String]) -> Self {
        let candidates =
            ids.iter().filter_map(|id| IdCandidates::of_kind(kind, IdText::from(id.as_str())).ok());
        let items = candidates.flat_map(|candidates| {
            let first = candidates.first().clone().into_owned();
            std::iter::once(first).chain(candidates.others())
        });
        Self::Of(items.collect())
    }

    fn contains(&self, item: &Item<'_>) -> bool {
        match self {
            Self::Of(items) => items.contains(item),
            Self::All(kind) => item.kind() == *kind,
        }
    }
}

impl SnapshotLookup {
    /// Reads the snapshot once.
    pub(super) fn read(snapshot: &Path, kept: &KeptLinks) -> Result<Self, SnapshotError> {
        let mut reader = SnapshotReader::open(&FilePath::known(snapshot))?;
        let mut lookup = Self { links: HashMap::new(), projects: Vec::new(), broken: 0 };
        while let Some(line) = reader.read()? {
            let added =
                line.and_then(|link| if kept.contains(&link.item) { lookup.add(link) } else { Ok(()) });
            lookup.broken += u64::from(added.is_err());
        }
        Ok(lookup)
    }

    /// Looks all ids up.
    pub(super) async fn answer(&self, ids: Ids, answers: &Answers) {
        let mut ids = pin!(ids.into_stream());
        while let Some(id) = ids.next().await {
            if answers.send(id.map(|id| self.look_up(id)).map_err(Abandonment::from).into()).await.is_err() {
                return;
            }
        }
    }

    fn add(&mut self, link: SnapshotLink<'_>) -> Result<(), BrokenLine> {
        let url = well_formed(&link.url).ok_or(BrokenLine)?;
        let project = self.project(&link.project).ok_or(BrokenLine)?;
        let found = FoundLink { url, project, resolved_at: link.resolved_at };
        let links = self.links.entry(link.item.into_owned()).or_default();
        if link.only_its_project {
            match links
                .of_projects
                .iter_mut()
                .find(|known| known.project == project || known.url == found.url)
            {
                Some(known) => known.replace(found),
                None => links.of_projects.push(found),
            }
        } else {
            match &mut links.of_all {
                Some(known) => known.replace(found),
                none => *none = Some(found),
            }
        }
        Ok(())
    }

    fn project(&mut self, name: &str) -> Option<ProjectIndex> {
        let known = self.projects.iter().position(|project| project.as_str() == name);
        let position = known.unwrap_or(self.projects.len());
        let index = ProjectIndex::new(position)?;
        if known.is_none() {
            self.projects.push(ProjectName::try_from(name).ok()?);
        }
        Some(index)
    }

    fn look_up(&self, id: RequestedId) -> AnsweredId {
        let link = match &id.candidates {
            Err(why) => id.invalid(*why),
            Ok(candidates) => {
                let resolution = self.resolution(candidates);
                let context = LinkJsonContext { address: None, projects: &self.projects };
                let link = LinkJson::of_resolution(&context, candidates, Some(&resolution));
                if resolution.outcome == Outcome::Absent { not_in_snapshot(link) } else { link }
            }
        };
        AnsweredId::new(id, link)
    }

    fn resolution(&self, candidates: &IdCandidates<'_>) -> Resolution {
        let of = |item: &Item<'_>| self.links.get(item).map(FoundLinks::outcome);
        let others = || candidates.others().into_iter();
        let (candidate, outcome) = of(candidates.first())
            .map(|outcome| (0, outcome))
            .or_else(|| (1..).zip(others()).find_map(|(position, item)| Some((position, of(&item)?))))
            .unwrap_or((0, Outcome::Absent));
        Resolution { outcome, source: AnswerSource::Memory, candidate }
    }
}

/// Says of an absent link that nobody asked Nebuly for it.
fn not_in_snapshot(link: LinkJson) -> LinkJson {
    let error = link.error.map(|error| ProblemJson {
        title: "Not in the snapshot".into(),
        detail: "The snapshot has no link of this id. Nebuly may have the item all the same.".into(),
        ..error
    });
    LinkJson { error, ..link }
}

impl FoundLinks {
    /// The link of all projects; without one, those of the projects that were named.
    fn outcome(&self) -> Outcome {
        let found = |link: &FoundLink| Found {
            url: link.url.clone(),
            project: link.project,
            resolved_at: Some(link.resolved_at),
        };
        match (&self.of_all, &self.of_projects[..]) {
            (Some(link), _) | (None, [link]) => Outcome::Resolved(found(link)),
            (None, []) => Outcome::Absent,
            (None, several) => Outcome::Ambiguous(several.iter().map(found).collect()),
        }
    }
}

impl FoundLink {
    /// The later of both stays.
    fn replace(&mut self, other: Self) {
        if self.resolved_at <= other.resolved_at {
            *self = other;
        }
    }
}
