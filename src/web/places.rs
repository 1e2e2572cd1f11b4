//! The places for work of which a bounded number runs at once, such as pastes.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::FairnessKey;

/// The places for one sort of work.
#[derive(Debug, Clone)]
pub(super) struct Places {
    most: usize,
    most_of_caller: usize,
    /// The callers of those that are taken.
    taken: Arc<Mutex<Vec<FairnessKey>>>,
}

/// A place that was taken. It is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    caller: FairnessKey,
}

impl Places {
    /// So many places, and so many of them for one caller.
    pub(super) fn new(most: usize, most_of_caller: usize) -> Self {
        Self { most, most_of_caller, taken: Arc::default() }
    }

    /// Takes a place for a caller; `None` if there is none for it.
    pub(super) fn take(&self, caller: FairnessKey) -> Option<Place> {
        let mut taken = self.taken.lock();
        let of_caller = taken.iter().filter(|other| **other == caller).count();
        if taken.len() >= self.most || of_caller >= self.most_of_caller {
            return None;
        }
        taken.push(caller);
        Some(Place { places: self.clone(), caller })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(position) = taken.iter().position(|caller| *caller == self.caller) {
            taken.swap_remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let places = Places::new(8, 2);
        let take = |caller| places.take(FairnessKey::Caller(caller));
        let (first, second) = (take(1).unwrap(), take(1).unwrap());
        assert!(take(1).is_none());
        let others: Vec<_> =
            (2..=4).flat_map(|caller| [take(caller).unwrap(), take(caller).unwrap()]).collect();
        assert!(take(5).is_none());
        drop(first);
        let again = take(1).unwrap();
        assert!(take(1).is_none() && take(5).is_none());
        drop((second, again, others));
        assert!(places.taken.lock().is_empty());
    }
}
