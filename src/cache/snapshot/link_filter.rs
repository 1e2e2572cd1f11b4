//! Which of a snapshot's links are let into memory.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::SnapshotLink;
use crate::domain::{
    AllowedHosts, Item, ProjectIndex, ProjectName, Refreshes, ResolvedLink, Scope, TargetUrl, Timestamp,
};

/// Whether a text holds one of our keys.
pub type ContainsKey = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What a link must fulfil to be let in: the same as an answer of Nebuly's.
pub struct Admission {
    projects: Vec<ProjectName>,
    places: HashMap<ProjectName, ProjectIndex>,
    allowed_hosts: AllowedHosts,
    contains_key: ContainsKey,
    max_age: Duration,
}

/// A link that is let in, and what it is found by.
pub(super) type Admitted = (Scope, Item<'static>, ResolvedLink);

/// Why a link is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Something is wrong with it.
    Broken,
    /// Its project is not configured.
    Unconfigured,
    /// It is too old.
    Expired,
}

impl Admission {
    /// Lets in links of these projects, which stand at their places as configured, to these hosts, and younger than
    /// `max_age`: the times that a link is fresh and stale.
    #[must_use]
    pub fn new(
        projects: Vec<ProjectName>,
        allowed_hosts: AllowedHosts,
        contains_key: ContainsKey,
        max_age: Duration,
    ) -> Self {
        let places = projects.iter().cloned().enumerate();
        let places = places.filter_map(|(at, name)| Some((name, ProjectIndex::new(at)?))).collect();
        Self { projects, places, allowed_hosts, contains_key, max_age }
    }

    /// The name of a project.
    pub(super) fn name(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.projects.get(project.position())
    }

    /// What is kept in memory of a link.
    pub(super) fn admit(&self, link: SnapshotLink<'_>, now: Timestamp) -> Result<Admitted, Refusal> {
        let project = ProjectName::try_from(&*link.project).map_err(|_| Refusal::Broken)?;
        // One from the future is let in: the clock may have been set back since, and the rules of freshness know that.
        let project = *self.places.get(&project).ok_or(Refusal::Unconfigured)?;
        if now.since(link.resolved_at) >= self.max_age {
            return Err(Refusal::Expired);
        }
        let url = TargetUrl::accept(&link.url, &self.allowed_hosts, &self.contains_key)
            .map_err(|_| Refusal::Broken)?;
        let scope = if link.only_its_project { Scope::Only(project) } else { Scope::All };
        let resolved_at = link.resolved_at;
        let known = ResolvedLink { url, project, resolved_at, refreshes: Refreshes::default() };
        Ok((scope, link.item.into_owned(), known))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admission").field("projects", &self.projects).finish_non_exhaustive()
    }
}
