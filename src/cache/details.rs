//! The details of items that were read a short time ago. They may be personal data: they are kept in memory alone, never
//! in the shared cache or the snapshot, and not longer than their lifetime.

use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::bounded_by_age::{AgeBounds, BoundedByAge};
use crate::domain::{DetailValue, Details, DetailsCache, Item, MonotonicTime, PlainValue, ProjectIndex};

/// Somebody who opens a page again after this time sees what is new.
const LIFETIME: Duration = Duration::from_secs(60);

/// The most items whose details are kept.
const MAX_ENTRIES: usize = 1000;

/// The most bytes of details that are kept. Those of an item usually have less than one kilobyte, but may have as much as
/// an answer of Nebuly's.
const MAX_SIZE: usize = 8 * 1024 * 1024;

/// Keeps details in memory, bounded in number, bytes and time. When it is full, the oldest go first.
pub struct MemoryDetailsCache {
    entries: Mutex<BoundedByAge<(ProjectIndex, Item<'static>), Arc<Details>>>,
}

impl MemoryDetailsCache {
    /// Forgets the details that are too old now. To be called about once a second.
    pub fn housekeep(&self, now: MonotonicTime) {
        self.entries.lock().forget_expired(now);
    }
}

impl Default for MemoryDetailsCache {
    fn default() -> Self {
        let bounds = AgeBounds { entries: MAX_ENTRIES, size: MAX_SIZE, lifetime: LIFETIME };
        Self { entries: Mutex::new(BoundedByAge::new(bounds)) }
    }
}

impl DetailsCache for MemoryDetailsCache {
    fn get(&self, project: ProjectIndex, item: &Item<'static>, now: MonotonicTime) -> Option<Arc<Details>> {
        let key = (project, item.clone());
        let mut entries = self.entries.lock();
        entries.forget_expired(now);
        entries.get(&key).cloned()
    }

    fn insert(&self, project: ProjectIndex, item: Item<'static>, details: Arc<Details>, now: MonotonicTime) {
        let size = size(&item, &details);
        self.entries.lock().insert((project, item), details, size, now);
    }
}

/// The bytes of an entry, beside the map: those of its values, names and texts.
fn size(item: &Item<'static>, details: &Details) -> usize {
    let values =
        details.fields.iter().map(|(_, value)| size_of::<(Arc<str>, DetailValue)>() + heap_size(value));
    size_of::<(ProjectIndex, Item<'_>)>() + size_of::<Details>() + item.id().len() + values.sum::<usize>()
}

fn heap_size(value: &DetailValue) -> usize {
    match value {
        DetailValue::Plain(value) => text_len(value),
        DetailValue::List(values) => {
            values.iter().map(|value| size_of::<PlainValue>() + text_len(value)).sum()
        }
        DetailValue::Object(members) => {
            let member = size_of::<(String, PlainValue)>();
            members.iter().map(|(name, value)| member + name.len() + text_len(value)).sum()
        }
    }
}

fn text_len(value: &PlainValue) -> usize {
    if let PlainValue::Text(text) = value { text.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const PROJECT: usize = 0;

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_millis(seconds * 1000)
    }

    fn project(position: usize) -> ProjectIndex {
        ProjectIndex::new(position).unwrap()
    }

    fn conversation(id: &str) -> Item<'static> {
        Item::conversation(id).unwrap().into_owned()
    }

    fn details(text: &str) -> Arc<Details> {
        let topic = DetailValue::Plain(PlainValue::Text(text.to_owned()));
        Arc::new(Details { fields: vec![("topic".into(), topic)], read_at: Timestamp::default() })
    }

    fn insert(cache: &MemoryDetailsCache, id: &str, text: &str, seconds: u64) {
        cache.insert(project(PROJECT), conversation(id), details(text), at(seconds));
    }

    fn has(cache: &MemoryDetailsCache, id: &str, seconds: u64) -> bool {
        cache.get(project(PROJECT), &conversation(id), at(seconds)).is_some()
    }

    #[test]
    fn details_are_kept_for_a_minute_and_then_forgotten() {
        let cache = MemoryDetailsCache::default();
        insert(&cache, "a", "refunds", 1);
        insert(&cache, "b", "refunds", 30);
        assert_eq!(cache.get(project(PROJECT), &conversation("a"), at(60)), Some(details("refunds")));
        assert!(!has(&cache, "a", 61) && has(&cache, "b", 61));
        cache.housekeep(at(61));
        assert_eq!(cache.entries.lock().len_and_size().0, 1);
        cache.housekeep(at(90));
        assert_eq!(cache.entries.lock().len_and_size(), (0, 0));
    }

    #[test]
    fn details_that_are_read_again_are_new() {
        let cache = MemoryDetailsCache::default();
        insert(&cache, "a", "refunds", 0);
        insert(&cache, "b", "refunds", 10);
        insert(&cache, "a", "deliveries", 50);
        cache.housekeep(at(70));
        assert!(!has(&cache, "b", 70));
        assert_eq!(cache.get(project(PROJECT), &conversation("a"), at(70)), Some(details("deliveries")));
    }

    #[test]
    fn project_and_kind_tell_items_of_one_id_apart() {
        const ID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
        let cache = MemoryDetailsCache::default();
        insert(&cache, ID, "refunds", 0);
        assert!(cache.get(project(1), &conversation(ID), at(0)).is_none());
        let interaction = Item::interaction(ID).unwrap().into_owned();
        assert!(cache.get(project(PROJECT), &interaction, at(0)).is_none());
    }

    #[test]
    fn a_thousand_are_kept_the_newest() {
        let cache = MemoryDetailsCache::default();
        for n in 0..=MAX_ENTRIES {
            insert(&cache, &format!("c{n}"), "refunds", 0);
        }
        assert!(!has(&cache, "c0", 0) && has(&cache, "c1", 0) && has(&cache, "c1000", 0));
        assert_eq!(cache.entries.lock().len_and_size().0, MAX_ENTRIES);
    }

    #[test]
    fn long_texts_are_bounded_in_bytes() {
        let cache = MemoryDetailsCache::default();
        let text = "a".repeat(MAX_SIZE / 4);
        for n in 0..8 {
            insert(&cache, &format!("c{n}"), &text, 0);
        }
        assert!(!has(&cache, "c4", 0) && has(&cache, "c5", 0) && has(&cache, "c7", 0));
        assert!(cache.entries.lock().len_and_size().1 <= MAX_SIZE);
        insert(&cache, "too large", &"a".repeat(MAX_SIZE), 0);
        assert_eq!(cache.entries.lock().len_and_size(), (0, 0));
    }
}
