//! A link in memory, in few bytes.

use std::sync::Arc;

use super::patterns::{PatternIndex, Patterns};
use crate::domain::{
    AbsentLink, CachedLink, Item, MonotonicTime, ProjectIndex, ProjectSet, Refreshes, ResolvedLink,
    Timestamp, UrlPattern,
};

/// The bytes that an allocator adds to each block, and the multiple that it rounds up to; those of glibc on 64 bits.
const BLOCK_HEADER: usize = 8;
const BLOCK_STEP: usize = 16;

/// The bytes beside a whole URL on the heap: the link with the counters of its `Arc`, and the owner of the URL's bytes.
const WHOLE_SIZE: usize = block(2 * size_of::<usize>() + size_of::<ResolvedLink>()) + block(24);

/// A [`CachedLink`] without loss. Nearly all of them have nothing on the heap.
#[derive(Debug, Clone)]
pub(super) enum CompactLink {
    /// A resolved link whose URL is a pattern with the item's id in it.
    Patterned {
        pattern: PatternIndex,
        project: ProjectIndex,
        failures: u8,
        resolved_at: Timestamp,
        not_before: MonotonicTime,
        gone_since: CompactMoment,
    },
    /// A resolved link whose URL follows no known pattern.
    Whole(Arc<ResolvedLink>),
    /// Several projects have its item.
    Ambiguous(Arc<[ResolvedLink]>),
    /// Some projects do not have its item.
    Absent(CompactAbsence),
}

/// An `Option<MonotonicTime>` in 8 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompactMoment(MonotonicTime);

/// An [`AbsentLink`] without the padding that its set's alignment would need.
#[derive(Clone, Copy)]
#[repr(Rust, packed(8))]
pub(super) struct CompactAbsence {
    said_by: ProjectSet,
    said_at: MonotonicTime,
}

impl CompactLink {
    pub(super) fn new(item: &Item<'_>, link: CachedLink, patterns: &Patterns) -> Self {
        let link = match link {
            CachedLink::Resolved(link) => link,
            CachedLink::Ambiguous(links) => return Self::Ambiguous(links),
            CachedLink::Absent(AbsentLink { said_by, said_at }) => {
                return Self::Absent(CompactAbsence { said_by, said_at });
            }
        };
        match UrlPattern::of(&link.url, item).and_then(|pattern| patterns.index_of(&pattern)) {
            Some(pattern) => Self::Patterned {
                pattern,
                project: link.project,
                failures: link.refreshes.failures,
                resolved_at: link.resolved_at,
                not_before: link.refreshes.not_before,
                gone_since: CompactMoment::from(link.refreshes.gone_since),
            },
            None => Self::Whole(Arc::new(link)),
        }
    }

    /// The link that was stored for this item. Building its URL is one allocation and one copy.
    pub(super) fn link(&self, item: &Item<'_>, patterns: &Patterns) -> Option<CachedLink> {
        match self {
            Self::Patterned { pattern, project, failures, resolved_at, not_before, gone_since } => {
                let url = patterns.get(*pattern)?.url(item)?;
                let refreshes = Refreshes {
                    failures: *failures,
                    not_before: *not_before,
                    gone_since: (*gone_since).into(),
                };
                Some(CachedLink::Resolved(ResolvedLink {
                    url,
                    project: *project,
                    resolved_at: *resolved_at,
                    refreshes,
                }))
            }
            Self::Whole(link) => Some(CachedLink::Resolved(ResolvedLink::clone(link))),
            Self::Ambiguous(links) => Some(CachedLink::Ambiguous(Arc::clone(links))),
            Self::Absent(absent) => {
                let CompactAbsence { said_by, said_at } = *absent;
                Some(CachedLink::Absent(AbsentLink { said_by, said_at }))
            }
        }
    }

    /// The bytes that it has on the heap.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::Whole(link) => WHOLE_SIZE + block(link.url.len()),
            Self::Ambiguous(links) => links.iter().map(|link| WHOLE_SIZE + block(link.url.len())).sum(),
            Self::Patterned { .. } | Self::Absent(_) => 0,
        }
    }
}

/// The bytes on the heap that a block of this length takes.
pub(super) const fn block(len: usize) -> usize {
    (len + BLOCK_HEADER).next_multiple_of(BLOCK_STEP)
}

impl CompactMoment {
    /// The last moment that there is, which never comes.
    const NONE: MonotonicTime = MonotonicTime::from_millis(u64::MAX);
}

impl From<Option<MonotonicTime>> for CompactMoment {
    fn from(moment: Option<MonotonicTime>) -> Self {
        Self(moment.unwrap_or(Self::NONE))
    }
}

impl From<CompactMoment> for Option<MonotonicTime> {
    fn from(CompactMoment(moment): CompactMoment) -> Self {
        (moment != CompactMoment::NONE).then_some(moment)
    }
}

impl std::fmt::Debug for CompactAbsence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { said_by, said_at } = *self;
        formatter
            .debug_struct("CompactAbsence")
            .field("said_by", &said_by)
            .field("said_at", &said_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_into_four_words() {
        assert!(size_of::<CompactLink>() <= 32, "{}", size_of::<CompactLink>());
    }
}
