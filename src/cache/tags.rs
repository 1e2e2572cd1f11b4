//! The tags that were looked up. Their values are somebody's own texts: they are kept in memory alone, never in the shared
//! cache or the snapshot, and no longer than a day.

use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::domain::{CachedTag, MonotonicTime, TagCache, TagKey, TaggedItem};

/// The most tags that are kept with their items.
const MAX_ENTRIES: usize = 10_000;

/// The most tags that are kept as absent.
const MAX_ABSENT: usize = 1000;

/// The most bytes of either. A tag with its item usually has less than half a kilobyte, but several projects may have one,
/// and values and ids may have 512 bytes.
const MAX_SIZE: usize = 16 * 1024 * 1024;

/// Keeps tags in memory, bounded in number, bytes and time. When it is full, the oldest go first.
///
/// Those that no project has are kept apart: whoever guesses values evicts none of the others, which are needed in an
/// outage.
pub struct MemoryTagCache {
    found: Mutex<TagsByAge>,
    absent: Mutex<TagsByAge>,
}

struct TagsByAge {
    /// The oldest first.
    entries: IndexMap<TagKey, TagEntry>,
    /// The bytes of all entries.
    size: usize,
    max_entries: usize,
    lifetime: Duration,
}

struct TagEntry {
    tag: Arc<CachedTag>,
    inserted_at: MonotonicTime,
    size: usize,
}

impl MemoryTagCache {
    /// An empty cache, in which an absence counts for this time.
    #[must_use]
    pub fn new(negative_ttl: Duration) -> Self {
        let with = |max_entries, lifetime| {
            Mutex::new(TagsByAge { entries: IndexMap::new(), size: 0, max_entries, lifetime })
        };
        Self { found: with(MAX_ENTRIES, CachedTag::KEPT), absent: with(MAX_ABSENT, negative_ttl) }
    }

    /// Forgets the tags that are too old now. To be called about once a second.
    pub fn housekeep(&self, now: MonotonicTime) {
        self.found.lock().forget_expired(now);
        self.absent.lock().forget_expired(now);
    }
}

impl TagCache for MemoryTagCache {
    fn get(&self, key: &TagKey) -> Option<Arc<CachedTag>> {
        let found = self.found.lock().get(key);
        found.or_else(|| self.absent.lock().get(key))
    }

    fn insert(&self, key: TagKey, tag: CachedTag, now: MonotonicTime) {
        let (its, other) =
            if tag.items.is_empty() { (&self.absent, &self.found) } else { (&self.found, &self.absent) };
        other.lock().remove(&key);
        its.lock().insert(key, tag, now);
    }
}

impl TagsByAge {
    fn get(&self, key: &TagKey) -> Option<Arc<CachedTag>> {
        self.entries.get(key).map(|entry| Arc::clone(&entry.tag))
    }

    fn insert(&mut self, key: TagKey, tag: CachedTag, now: MonotonicTime) {
        self.remove(&key);
        let size = size(&key, &tag);
        self.size += size;
        self.entries.insert(key, TagEntry { tag: Arc::new(tag), inserted_at: now, size });
        while self.entries.len() > self.max_entries || self.size > MAX_SIZE {
            self.forget_oldest();
        }
    }

    fn remove(&mut self, key: &TagKey) {
        if let Some(removed) = self.entries.shift_remove(key) {
            self.size -= removed.size;
        }
    }

    fn forget_expired(&mut self, now: MonotonicTime) {
        let is_expired = |entry: &TagEntry| now.since(entry.inserted_at) >= self.lifetime;
        let expired = self.entries.values().take_while(|entry| is_expired(entry)).count();
        // All at once: each removal from the front moves all that stay.
        self.size -= self.entries.drain(..expired).map(|(_, entry)| entry.size).sum::<usize>();
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.entries.shift_remove_index(0) {
            self.size -= oldest.size;
        }
    }
}

/// The bytes of an entry: those of its structs and texts.
fn size(key: &TagKey, tag: &CachedTag) -> usize {
    let items = tag.items.iter().map(|item| size_of::<TaggedItem>() + item.item.id().len());
    let table = size_of::<TagKey>() + size_of::<TagEntry>() + size_of::<CachedTag>();
    table + key.tag.value().len() + items.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AbsentLink, Item, Kind, ProjectIndex, ProjectSet, Scope, Tag, TimeRange, Timestamp};

    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_millis(seconds * 1000)
    }

    fn key(value: &str) -> TagKey {
        let tag = Tag::new("ticket", value).unwrap();
        TagKey { scope: Scope::All, tag, kind: Kind::Conversation, range: None }
    }

    fn tag(id: Option<&str>, seconds: u64) -> CachedTag {
        let item = |id| TaggedItem {
            project: ProjectIndex::new(0).unwrap(),
            item: Item::conversation(id).unwrap().into_owned(),
            found_at: at(seconds),
        };
        let absent = AbsentLink { said_by: ProjectSet::default(), said_at: at(seconds) };
        CachedTag { items: id.into_iter().map(item).collect(), absent, complete_at: Some(at(seconds)) }
    }

    fn cache() -> MemoryTagCache {
        MemoryTagCache::new(Duration::from_secs(15))
    }

    fn insert(cache: &MemoryTagCache, value: &str, id: Option<&str>, seconds: u64) {
        cache.insert(key(value), tag(id, seconds), at(seconds));
    }

    fn has(cache: &MemoryTagCache, value: &str) -> bool {
        cache.get(&key(value)).is_some()
    }

    #[test]
    fn a_tag_is_kept_for_a_day_and_an_absence_for_its_own_shorter_time() {
        let cache = cache();
        insert(&cache, "1", Some("c"), 0);
        insert(&cache, "2", Some("c"), 1);
        insert(&cache, "3", None, 0);
        cache.housekeep(at(14));
        assert!(has(&cache, "1") && has(&cache, "3"));
        cache.housekeep(at(15));
        assert!(has(&cache, "1") && !has(&cache, "3"));
        cache.housekeep(at(24 * HOUR));
        assert!(!has(&cache, "1") && has(&cache, "2"));
        cache.housekeep(at(24 * HOUR + 1));
        let found = cache.found.lock();
        assert_eq!((found.entries.len(), found.size), (0, 0));
    }

    #[test]
    fn a_tag_that_is_looked_up_again_is_new_and_stands_once() {
        let cache = cache();
        insert(&cache, "1", Some("old"), 0);
        insert(&cache, "1", None, 10);
        assert_eq!(cache.get(&key("1")).unwrap().items, []);
        insert(&cache, "1", Some("new"), 20);
        cache.housekeep(at(24 * HOUR + 10));
        assert_eq!(*cache.get(&key("1")).unwrap(), tag(Some("new"), 20));
        assert_eq!(cache.absent.lock().size, 0);
    }

    #[test]
    fn value_name_kind_window_and_scope_tell_look_ups_apart() {
        let cache = cache();
        insert(&cache, "1", Some("c"), 0);
        let range = TimeRange { start: Timestamp::from_millis(0), end: Timestamp::from_millis(1) };
        for other in [
            TagKey { tag: Tag::new("ticket", "2").unwrap(), ..key("1") },
            TagKey { tag: Tag::new("trace", "1").unwrap(), ..key("1") },
            TagKey { kind: Kind::Interaction, ..key("1") },
            TagKey { range: Some(range), ..key("1") },
            TagKey { scope: Scope::Only(ProjectIndex::new(0).unwrap()), ..key("1") },
        ] {
            assert_eq!(cache.get(&other), None, "{other:?}");
        }
    }

    #[test]
    fn ten_thousand_are_kept_the_newest_however_many_are_absent() {
        let cache = cache();
        for n in 0..=MAX_ENTRIES {
            insert(&cache, &n.to_string(), Some("c"), 0);
        }
        for n in 0..2 * MAX_ABSENT {
            insert(&cache, &format!("guess-{n}"), None, 0);
        }
        assert!(!has(&cache, "0") && has(&cache, "1") && has(&cache, "10000"));
        assert!(!has(&cache, "guess-0") && has(&cache, "guess-1999"));
        assert_eq!((cache.found.lock().entries.len(), cache.absent.lock().entries.len()), (10_000, 1000));
    }

    #[test]
    fn long_texts_are_bounded_in_bytes() {
        let cache = cache();
        let long = "x".repeat(512);
        let mut tag = tag(Some(&long), 0);
        tag.items = vec![tag.items[0].clone(); 128];
        for n in 0..1000 {
            cache.insert(key(&n.to_string()), tag.clone(), at(0));
        }
        let found = cache.found.lock();
        assert!(found.size <= MAX_SIZE && found.entries.len() < 1000 && found.entries.len() > 100);
    }
}
