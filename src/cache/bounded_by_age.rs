//! A map that is bounded in number, bytes and time. When it is full, the oldest entries go first.
//!
//! moka, which keeps the links, has a clock of its own and evicts by use.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::MonotonicTime;

/// A map that is bounded in number, bytes and time. Each change takes logarithmic time: entries may be older than those
/// that were there before.
pub(super) struct BoundedByAge<K, V> {
    entries: HashMap<Arc<K>, AgedEntry<V>>,
    /// The keys, the oldest first.
    by_age: BTreeMap<Age, Arc<K>>,
    /// The bytes of all entries.
    size: usize,
    bounds: AgeBounds,
    /// The number of the next insertion.
    next: u64,
}

/// The bounds of such a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct AgeBounds {
    /// The most entries.
    pub(super) entries: usize,
    /// The most bytes of all entries together.
    pub(super) size: usize,
    /// The time after which an entry is forgotten.
    pub(super) lifetime: Duration,
}

struct AgedEntry<V> {
    value: V,
    size: usize,
    age: Age,
}

/// The place of an entry in the order of ages. Of those of one moment, the first inserted is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    since: MonotonicTime,
    number: u64,
}

impl<K: Eq + Hash, V> BoundedByAge<K, V> {
    pub(super) fn new(bounds: AgeBounds) -> Self {
        Self { entries: HashMap::new(), by_age: BTreeMap::new(), size: 0, bounds, next: 0 }
    }

    /// The value of a key, however old.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Keeps a value of this many bytes, in place of an earlier one. Its lifetime begins at `since`.
    pub(super) fn insert(&mut self, key: K, value: V, size: usize, since: MonotonicTime) {
        self.remove(&key);
        let (key, age) = (Arc::new(key), Age { since, number: self.next });
        self.next += 1;
        self.size += size;
        self.by_age.insert(age, Arc::clone(&key));
        self.entries.insert(key, AgedEntry { value, size, age });
        while self.entries.len() > self.bounds.entries || self.size > self.bounds.size {
            self.forget_oldest();
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_age.remove(&entry.age);
            self.size -= entry.size;
        }
    }

    /// Forgets the entries that are too old now.
    pub(super) fn forget_expired(&mut self, now: MonotonicTime) {
        while let Some((age, _)) = self.by_age.first_key_value()
            && now.since(age.since) >= self.bounds.lifetime
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.by_age.pop_first()
            && let Some(entry) = self.entries.remove(&key)
        {
            self.size -= entry.size;
        }
    }

    /// The number of entries, and their bytes.
    #[cfg(test)]
    pub(super) fn len_and_size(&self) -> (usize, usize) {
        assert_eq!(self.entries.len(), self.by_age.len());
        (self.entries.len(), self.size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: AgeBounds = AgeBounds { entries: 5, size: 20, lifetime: Duration::from_millis(10) };

    proptest! {
        #[test]
        fn the_youngest_stay_within_the_bounds(
            inserted in prop::collection::vec((0..8_u8, 0..8_usize, 0..30_u64), 0..40),
            removed in 0..8_u8,
            now in 0..40_u64,
        ) {
            let mut map = BoundedByAge::new(BOUNDS);
            // The oldest first, as (since, number, key, size).
            let mut expected: Vec<(u64, usize, u8, usize)> = Vec::new();
            for (number, (key, size, since)) in inserted.into_iter().enumerate() {
                map.insert(key, number, size, MonotonicTime::from_millis(since));
                expected.retain(|entry| entry.2 != key);
                expected.push((since, number, key, size));
                expected.sort_unstable();
                let size = |entries: &[(u64, usize, u8, usize)]| entries.iter().map(|entry| entry.3).sum::<usize>();
                while expected.len() > BOUNDS.entries || size(&expected) > BOUNDS.size {
                    expected.remove(0);
                }
                prop_assert_eq!(map.len_and_size(), (expected.len(), size(&expected)));
            }
            map.remove(&removed);
            map.forget_expired(MonotonicTime::from_millis(now));
            expected.retain(|entry| entry.2 != removed && now.saturating_sub(entry.0) < 10);
            for key in 0..8 {
                let number = expected.iter().find(|entry| entry.2 == key).map(|entry| &entry.1);
                prop_assert_eq!(map.get(&key), number);
            }
            prop_assert_eq!(map.len_and_size().0, expected.len());
        }
    }
}
