//! The projects: the order in which they are asked, and the ids from which their URLs are built.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::domain::{
    Construction, DeepLinks, Item, ProjectIds, ProjectIndex, ProjectName, ProjectSet, Scope, TargetUrl,
};

/// A project to ask.
pub struct ResolverProject {
    /// Its name, which the log shows.
    pub name: ProjectName,
    /// The client that asks it.
    pub source: Box<dyn DeepLinks>,
    /// The ids that its URLs are built from, if the operator set them.
    pub ids: Option<ProjectIds>,
}

/// All projects.
pub(super) struct ResolverProjects {
    all: Vec<KnownProject>,
    construction: Construction,
    /// The number of items that were found, to tell which project found one last.
    found: AtomicU64,
}

struct KnownProject {
    name: ProjectName,
    source: Box<dyn DeepLinks>,
    set_ids: Option<ProjectIds>,
    /// Learned from a URL that Nebuly gave.
    learned_ids: RwLock<Option<ProjectIds>>,
    /// Set once no ids could be learned from a URL of this project, which is logged once.
    unreadable: OnceLock<()>,
    found_at: AtomicU64,
}

impl ResolverProjects {
    pub(super) fn new(projects: Vec<ResolverProject>, construction: Construction) -> Self {
        let known = |project: ResolverProject| KnownProject {
            name: project.name,
            source: project.source,
            set_ids: project.ids,
            learned_ids: RwLock::default(),
            unreadable: OnceLock::new(),
            found_at: AtomicU64::new(0),
        };
        Self { all: projects.into_iter().map(known).collect(), construction, found: AtomicU64::new(0) }
    }

    /// The projects of a scope.
    pub(super) fn of(&self, scope: Scope) -> ProjectSet {
        match scope {
            Scope::All => (0..self.all.len()).filter_map(ProjectIndex::new).collect(),
            Scope::Only(project) => [project].into_iter().collect(),
        }
    }

    /// The only project of a scope, if there is only one.
    pub(super) fn only(&self, scope: Scope) -> Option<ProjectIndex> {
        match scope {
            Scope::Only(project) => Some(project),
            Scope::All if self.all.len() == 1 => ProjectIndex::new(0),
            Scope::All => None,
        }
    }

    /// The projects of a scope `but` these, the one that found an item last first.
    pub(super) fn to_ask(&self, scope: Scope, but: ProjectSet) -> Vec<ProjectIndex> {
        let wanted = self.of(scope);
        let mut projects: Vec<_> = (0..self.all.len())
            .filter_map(ProjectIndex::new)
            .filter(|project| wanted.contains(*project) && !but.contains(*project))
            .collect();
        let found_at = |project: &ProjectIndex| {
            self.known(*project).map_or(0, |known| known.found_at.load(Ordering::Relaxed))
        };
        if let Some(latest) =
            projects.iter().enumerate().max_by_key(|(at, project)| (found_at(project), usize::MAX - at))
        {
            let latest = latest.0;
            if let Some(first) = projects.get_mut(..=latest) {
                first.rotate_right(1);
            }
        }
        projects
    }

    /// The client that asks a project.
    pub(super) fn source(&self, project: ProjectIndex) -> Option<&dyn DeepLinks> {
        self.known(project).map(|known| known.source.as_ref())
    }

    /// Notes that a project has found an item, and learns the ids from which its URLs are built.
    pub(super) fn note_found(&self, project: ProjectIndex, item: &Item<'_>, url: &TargetUrl) {
        let Some(known) = self.known(project) else { return };
        known.found_at.store(self.found.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        if known.set_ids.is_some() {
            return;
        }
        let learned = self.construction.learn(url, item);
        if learned.is_none() && known.unreadable.set(()).is_ok() {
            tracing::info!(
                project = %known.name,
                "Nebuly's URLs are not of the documented form, so none can be built in an outage"
            );
        }
        let unchanged = *known.learned_ids.read() == learned;
        if !unchanged {
            *known.learned_ids.write() = learned;
        }
    }

    /// Builds the URL of an item, if the ids for it are known.
    pub(super) fn construct(&self, project: ProjectIndex, item: &Item<'_>) -> Option<TargetUrl> {
        let known = self.known(project)?;
        if let Some(ids) = &known.set_ids {
            return self.construction.build(ids, item);
        }
        let learned = known.learned_ids.read();
        self.construction.build(learned.as_ref()?, item)
    }

    fn known(&self, project: ProjectIndex) -> Option<&KnownProject> {
        self.all.get(project.position())
    }
}
