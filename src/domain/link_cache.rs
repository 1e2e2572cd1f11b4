//! What is remembered of a link, and the interfaces of what remembers it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Item, MonotonicTime, ProjectIndex, ProjectSet, Scope, TargetUrl, Timestamp};

/// A link as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachedLink {
    /// It leads somewhere.
    Resolved(ResolvedLink),
    /// Several projects have a conversation of this id: a link for each of them, in the order of the settings, all resolved
    /// at one time.
    Ambiguous(Arc<[ResolvedLink]>),
    /// Some projects do not have its item.
    Absent(AbsentLink),
}

/// A link that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedLink {
    /// Where it leads.
    pub url: TargetUrl,
    /// Which project has the item.
    pub project: ProjectIndex,
    /// When Nebuly said so.
    pub resolved_at: Timestamp,
    /// What came of asking again since.
    pub refreshes: Refreshes,
}

/// What came of asking again for a link that was resolved, since it last succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refreshes {
    /// How many failed, one after the other.
    pub failures: u8,
    /// Before this moment none is tried.
    pub not_before: MonotonicTime,
    /// When Nebuly first said that the item is gone.
    pub gone_since: Option<MonotonicTime>,
}

/// An item that some projects do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsentLink {
    /// Those that said so.
    pub said_by: ProjectSet,
    /// When the first of them did.
    pub said_at: MonotonicTime,
}

/// A memory of links. It may forget any of them at any time.
pub trait LinkCache: Send + Sync + 'static {
    /// The link of this item, however old.
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink>;

    /// Remembers a link in place of any earlier one of the same scope and item.
    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink);
}

/// A link that replicas share. Absences are not shared, nor is anything else that only one of them saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLink {
    /// Where it leads.
    pub url: TargetUrl,
    /// Which project has the item.
    pub project: ProjectIndex,
    /// When Nebuly said so.
    pub resolved_at: Timestamp,
}

/// A memory of links that replicas share. It may be slow, gone or full of nonsense at any time: whatever happens there,
/// it only knows nothing.
pub trait SharedLinks: Send + Sync + 'static {
    /// What it knows of an item, at most one link for each project; each checked like an answer from outside.
    fn get<'a>(&'a self, scope: Scope, item: &'a Item<'static>) -> SharedFuture<'a>;

    /// Shares a link. Nobody waits for it.
    fn put(&self, scope: Scope, item: &Item<'static>, link: SharedLink);
}

/// What [`SharedLinks::get`] returns.
pub type SharedFuture<'a> = Pin<Box<dyn Future<Output = Vec<SharedLink>> + Send + 'a>>;
