//! The places for batches, such as pastes: a bounded number of them runs at once.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::FairnessKey;

/// The most batches that run at once.
const MAX_BATCHES: usize = 8;

/// The most of them that are one caller's.
const MAX_BATCHES_OF_CALLER: usize = 2;

/// The places for batches: at most [`MAX_BATCHES`], and [`MAX_BATCHES_OF_CALLER`] for one caller.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchPlaces(Arc<Mutex<Vec<FairnessKey>>>);

/// The place of a batch. It is free again once this is dropped.
#[derive(Debug)]
pub(super) struct BatchPlace {
    places: BatchPlaces,
    caller: FairnessKey,
}

impl BatchPlaces {
    /// Takes a place for a caller; `None` if there is none for it.
    pub(super) fn take(&self, caller: FairnessKey) -> Option<BatchPlace> {
        let mut taken = self.0.lock();
        let of_caller = taken.iter().filter(|other| **other == caller).count();
        if taken.len() >= MAX_BATCHES || of_caller >= MAX_BATCHES_OF_CALLER {
            return None;
        }
        taken.push(caller);
        Some(BatchPlace { places: self.clone(), caller })
    }
}

impl Drop for BatchPlace {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        if let Some(position) = taken.iter().position(|caller| *caller == self.caller) {
            taken.swap_remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_batches_run_at_once_and_two_of_one_caller() {
        let places = BatchPlaces::default();
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
        assert!(places.0.lock().is_empty());
    }
}
