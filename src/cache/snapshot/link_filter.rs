//! Decides which links of a snapshot are loaded into memory.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::reader::SnapshotLink;
use crate::domain::{
    AllowedHosts, ContainsKey, Item, ProjectIndex, ProjectName, Refreshes, ResolvedLink, Scope, TargetUrl,
    Timestamp,
};

/// The rules for the links of a snapshot: its URLs pass the same checks as an answer of Nebuly's.
pub struct LinkFilter {
    projects: Vec<ProjectName>,
    indexes: HashMap<ProjectName, ProjectIndex>,
    allowed_hosts: AllowedHosts,
    contains_key: ContainsKey,
    max_age: Duration,
}

/// A link that is loaded, and the scope and item that it is found by.
pub(super) type LoadedLink = (Scope, Item<'static>, ResolvedLink);

/// The reason why a link is not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SkipReason {
    /// Something is wrong with it.
    Broken,
    /// Its project is not configured.
    Unconfigured,
    /// It is too old.
    Expired,
}

impl LinkFilter {
    /// Accepts links of these projects, in the order of the settings, to these hosts, and younger than `max_age`, which is
    /// [`Lifetimes::max_age`](crate::domain::Lifetimes::max_age).
    #[must_use]
    pub fn new(
        projects: Vec<ProjectName>,
        allowed_hosts: AllowedHosts,
        contains_key: ContainsKey,
        max_age: Duration,
    ) -> Self {
        let indexes = projects.iter().cloned().enumerate();
        let indexes = indexes.filter_map(|(at, name)| Some((name, ProjectIndex::new(at)?))).collect();
        Self { projects, indexes, allowed_hosts, contains_key, max_age }
    }

    /// The name of a project.
    pub(super) fn name(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.projects.get(project.position())
    }

    /// The link as it is kept in memory, or why it is not.
    pub(super) fn accept(&self, link: SnapshotLink<'_>, now: Timestamp) -> Result<LoadedLink, SkipReason> {
        let project = ProjectName::try_from(&*link.project).map_err(|_| SkipReason::Broken)?;
        // One from the future is accepted: the clock may have been set back since, and the rules of freshness know that.
        let project = *self.indexes.get(&project).ok_or(SkipReason::Unconfigured)?;
        if now.since(link.resolved_at) >= self.max_age {
            return Err(SkipReason::Expired);
        }
        let url = TargetUrl::accept(&link.url, &self.allowed_hosts, &*self.contains_key)
            .map_err(|_| SkipReason::Broken)?;
        let scope = if link.only_its_project { Scope::Only(project) } else { Scope::All };
        let resolved_at = link.resolved_at;
        let known = ResolvedLink { url, project, resolved_at, refreshes: Refreshes::default() };
        Ok((scope, link.item.into_owned(), known))
    }
}

impl fmt::Debug for LinkFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LinkFilter").field("projects", &self.projects).finish_non_exhaustive()
    }
}
