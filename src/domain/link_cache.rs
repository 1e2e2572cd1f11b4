//! Links as they are cached, and the interfaces of the caches.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Item, MonotonicTime, ProjectIndex, ProjectSet, Scope, TargetUrl, Timestamp};

/// A link in a cache.
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
    /// The URL that it leads to.
    pub url: TargetUrl,
    /// The project that has the item.
    pub project: ProjectIndex,
    /// The time at which Nebuly said so.
    pub resolved_at: Timestamp,
    /// The refreshes since then.
    pub refreshes: Refreshes,
}

/// The refreshes of a resolved link that did not find it again, since one last did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refreshes {
    /// The number of them.
    pub failures: u8,
    /// The moment before which none is tried.
    pub not_before: MonotonicTime,
    /// The moment at which Nebuly first said that the item is gone.
    pub gone_since: Option<MonotonicTime>,
}

/// An item that some projects do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsentLink {
    /// The projects that said so.
    pub said_by: ProjectSet,
    /// The moment at which the first of them did.
    pub said_at: MonotonicTime,
}

/// A cache of links. It may evict any of them at any time.
pub trait LinkCache: Send + Sync + 'static {
    /// The link of this item, however old.
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink>;

    /// Inserts a link in place of any earlier one of the same scope and item.
    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink);
}

/// A link that replicas share. Absences are not shared, nor is anything else that only one of them saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLink {
    /// The URL that it leads to.
    pub url: TargetUrl,
    /// The project that has the item.
    pub project: ProjectIndex,
    /// The time at which Nebuly said so.
    pub resolved_at: Timestamp,
}

/// A cache of links that replicas share. It may be slow or unreachable, or return invalid data, at any time: a look-up is
/// then a miss, and nothing worse.
pub trait SharedLinks: Send + Sync + 'static {
    /// The links of an item, at most one for each project; each is checked like an answer from outside.
    fn get<'a>(&'a self, scope: Scope, item: &'a Item<'static>) -> SharedFuture<'a>;

    /// Shares a link. Nobody waits for it.
    fn put(&self, scope: Scope, item: &Item<'static>, link: SharedLink);
}

/// The future that [`SharedLinks::get`] returns.
pub type SharedFuture<'a> = Pin<Box<dyn Future<Output = Vec<SharedLink>> + Send + 'a>>;
