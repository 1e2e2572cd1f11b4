//! Many links at once, as a paste asks for them: how many run at a time, and until when.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use parking_lot::Mutex;

use super::Web;
use super::observability::{LinkOutcome, LinkStatus};
use crate::domain::{FairnessKey, IdCandidates, LazyCaller, Scope};
use crate::resolver::{Mode, Resolution, ResolveRequest};

/// The most batches that run at once.
const MAX_BATCHES: usize = 8;

/// The most of them that are one caller's.
const MAX_BATCHES_OF_CALLER: usize = 2;

/// The time that is left for the answer of a request when its last links are given up.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// The places for batches: at most [`MAX_BATCHES`], and [`MAX_BATCHES_OF_CALLER`] for one caller.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchPlaces(Arc<Mutex<Vec<FairnessKey>>>);

/// The place of a batch. It is free again once this is dropped.
#[derive(Debug)]
pub(super) struct BatchPlace {
    places: BatchPlaces,
    caller: FairnessKey,
}

/// A link of a batch.
#[derive(Debug)]
pub(super) struct BatchLink {
    pub(super) candidates: IdCandidates<'static>,
    pub(super) scope: Scope,
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

impl Web {
    /// The time at which the links of a batch are given up whose request began at this one.
    pub(super) fn batch_deadline(&self, began: Instant) -> Instant {
        began + self.options.request_timeout.saturating_sub(TIME_TO_ANSWER)
    }

    /// Resolves the links of a batch, at most `nebuly.max_in_flight` at a time, and counts them. The result of a link is
    /// `None` if it is not known by the deadline; what others wait for goes on.
    pub(super) async fn resolve_batch(
        &self,
        links: &[&BatchLink],
        caller: &dyn LazyCaller,
        deadline: Instant,
    ) -> Vec<Option<Resolution>> {
        let mut results: Vec<Option<Resolution>> = links.iter().map(|_| None).collect();
        let resolve = async |(result, link): (&mut Option<Resolution>, &&BatchLink)| {
            let (mode, wait) = (Mode::Cached, Duration::ZERO);
            let request =
                ResolveRequest { candidates: &link.candidates, scope: link.scope, mode, wait, caller };
            *result = Some(self.resolver.resolve(&request).await);
        };
        let max_in_flight = Some(self.options.max_in_flight);
        let all = stream::iter(results.iter_mut().zip(links)).for_each_concurrent(max_in_flight, resolve);
        // What has not come by then stays `None`.
        let _all_known = tokio::time::timeout_at(deadline.into(), pin!(all)).await.is_ok();
        for (result, link) in results.iter().zip(links) {
            let outcome =
                result.as_ref().map_or(LinkOutcome::Failed, |result| LinkStatus::of(result).outcome);
            self.resolution_metrics.count(link.candidates.first().kind(), outcome);
        }
        results
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
