//! The patterns of the projects' URLs, each kept once.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::UrlPattern;

/// The number of slots: two for each project, as many as there can be, and as many again for URLs that change
/// their form while links in the old one are still there. At 3 KiB each they take 3 MiB at most.
const SLOTS: usize = 1024;

/// The number of slots that are tried for a pattern, from the one that its hash points at. With 8, one process in a hundred
/// would have no slot for one of 256 patterns; with 32 hardly any has.
const TRIES: usize = 32;

/// The number of patterns that are remembered as seen once.
const SEEN: usize = 256;

/// The index of a pattern. It stays valid as long as the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PatternIndex(u16);

/// The patterns. They are only ever added, so that reading one takes no lock and writes nothing.
pub(super) struct Patterns {
    slots: Box<[OnceLock<UrlPattern<'static>>]>,
    /// Hashes of patterns that were seen, so that only one which comes again takes a slot: URLs with something in them
    /// that never repeats would fill them all.
    seen: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Patterns {
    /// Returns the index of a pattern, which takes a slot when it is seen for the second time; `None` before that, or if no
    /// slot is free.
    pub(super) fn index_of(&self, pattern: &UrlPattern<'_>) -> Option<PatternIndex> {
        let hash = self.hasher.hash_one(pattern);
        let mut position = position(hash, SLOTS);
        for _ in 0..TRIES {
            let slot = self.slots.get(position)?;
            let found = match slot.get() {
                Some(kept) => kept == pattern,
                None if self.comes_again(hash) => {
                    slot.get_or_init(|| pattern.clone().into_owned()) == pattern
                }
                None => return None,
            };
            if found {
                return u16::try_from(position).ok().map(PatternIndex);
            }
            position = (position + 1) % SLOTS;
        }
        None
    }

    /// The pattern of an index.
    pub(super) fn get(&self, index: PatternIndex) -> Option<&UrlPattern<'static>> {
        self.slots.get(usize::from(index.0))?.get()
    }

    fn comes_again(&self, hash: u64) -> bool {
        self.seen.get(position(hash, SEEN)).is_some_and(|seen| seen.swap(hash, Ordering::Relaxed) == hash)
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            slots: std::iter::repeat_with(OnceLock::new).take(SLOTS).collect(),
            seen: std::iter::repeat_with(AtomicU64::default).take(SEEN).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl std::fmt::Debug for Patterns {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Patterns").finish_non_exhaustive()
    }
}

fn position(hash: u64, len: usize) -> usize {
    // The remainder is below `len`.
    usize::try_from(hash % len as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AllowedHosts, Item, TargetUrl};

    fn url(query: &str) -> TargetUrl {
        let mut hosts = AllowedHosts::default();
        hosts.allow("go.example").unwrap();
        TargetUrl::accept(&format!("https://go.example/?{query}&id=a"), &hosts, |_| false).unwrap()
    }

    fn pattern(url: &TargetUrl) -> UrlPattern<'_> {
        UrlPattern::of(url, &Item::conversation("a").unwrap()).unwrap()
    }

    #[test]
    fn a_pattern_has_an_index_from_the_second_time_on() {
        let patterns = Patterns::default();
        let url = url("project=1");
        assert_eq!(patterns.index_of(&pattern(&url)), None);
        let index = patterns.index_of(&pattern(&url)).unwrap();
        assert_eq!(patterns.index_of(&pattern(&url)), Some(index));
        assert_eq!(patterns.get(index), Some(&pattern(&url)));
    }

    #[test]
    fn urls_that_never_repeat_take_no_slot_from_those_that_do() {
        let patterns = Patterns::default();
        for number in 0..10_000 {
            patterns.index_of(&pattern(&url(&format!("number={number}"))));
        }
        assert!(patterns.slots.iter().all(|slot| slot.get().is_none()));
        for project in 0..256 {
            let url = url(&format!("project={project}"));
            assert!((0..2).any(|_| patterns.index_of(&pattern(&url)).is_some()), "{project}");
        }
    }

    #[test]
    fn when_no_slot_is_free_there_is_no_index() {
        let patterns = Patterns::default();
        let mut indexed = 0;
        for number in 0..4 * SLOTS {
            let url = url(&format!("number={number}"));
            indexed += usize::from((0..2).any(|_| patterns.index_of(&pattern(&url)).is_some()));
        }
        assert!((SLOTS / 2..=SLOTS).contains(&indexed), "{indexed}");
    }
}
