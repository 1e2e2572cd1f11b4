//! Projects: their names, and their indexes in the settings.

use std::fmt;
use std::sync::Arc;

/// A project's name: 1 to 64 of `A-Z a-z 0-9 _ -`, so that it can stand in a URL, a log line and a metric's label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectName(Arc<str>);

/// The text cannot be the name of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a project's name is 1 to 64 letters, digits, `_` or `-`")]
pub struct InvalidProjectName;

impl ProjectName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ProjectName {
    type Error = InvalidProjectName;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(plain) {
            return Err(InvalidProjectName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

/// The index of a project in the settings. It means nothing outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ProjectIndex(u8);

/// The projects in which a link is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All that are configured.
    All,
    /// The one that the caller named. What it has is kept apart, and changes nothing for callers who name none.
    Only(ProjectIndex),
}

/// Some of the projects that are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectSet(u128);

impl ProjectIndex {
    /// The most projects that can be configured: sets of them are kept by the million, a bit for each.
    pub const MAX_PROJECTS: usize = 128;

    /// The index at this position, or `None` from [`Self::MAX_PROJECTS`] on.
    #[must_use]
    pub fn new(position: usize) -> Option<Self> {
        u8::try_from(position).ok().filter(|_| position < Self::MAX_PROJECTS).map(Self)
    }

    /// The position in the list of projects.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

impl ProjectSet {
    /// Adds a project.
    pub const fn insert(&mut self, project: ProjectIndex) {
        self.0 |= 1 << project.0;
    }

    /// The projects of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The projects of this set that are not in the other one.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns true if a project is among them.
    #[must_use]
    pub const fn contains(self, project: ProjectIndex) -> bool {
        self.0 & (1 << project.0) != 0
    }
}

impl FromIterator<ProjectIndex> for ProjectSet {
    fn from_iter<T: IntoIterator<Item = ProjectIndex>>(projects: T) -> Self {
        let mut set = Self::default();
        projects.into_iter().for_each(|project| set.insert(project));
        set
    }
}
