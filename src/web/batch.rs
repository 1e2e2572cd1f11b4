//! Many links at once, as batches and pastes ask for them: how many are resolved at a time, and until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _, stream};

use super::Web;
use super::observability::{LinkOutcome, LinkStatus};
use crate::domain::{Caller, IdCandidates, Scope};
use crate::resolver::{Mode, Resolution, ResolveRequest};

/// The time that is left for the answer of a request when its last links are given up.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// After so many results, a batch lets the other tasks of its worker have their turn.
const LINKS_OF_A_TURN: usize = 8;

/// A link of a batch.
#[derive(Debug)]
pub(super) struct BatchLink {
    pub(super) candidates: IdCandidates<'static>,
    pub(super) scope: Scope,
    /// Where it stands in the batch, from 0. A link that stands there several times is resolved once.
    pub(super) positions: Vec<usize>,
}

/// A link of a batch, and what became of it.
#[derive(Debug)]
pub(super) struct BatchResult {
    pub(super) link: BatchLink,
    /// `None` if it was not known in time.
    pub(super) resolution: Option<Resolution>,
}

impl BatchResult {
    /// The outcome of the link.
    pub(super) fn outcome(&self) -> LinkOutcome {
        let resolution = self.resolution.as_ref();
        resolution.map_or(LinkOutcome::Failed, |resolution| LinkStatus::of(resolution).outcome)
    }
}

impl Web {
    /// The time at which the links of a batch are given up whose request began at this one.
    pub(super) fn batch_deadline(&self, began: Instant) -> Instant {
        let time = self.options.request_timeout.saturating_sub(TIME_TO_ANSWER);
        began.checked_add(time).unwrap_or(began)
    }

    /// Resolves the links of a batch, at most `nebuly.max_in_flight` at a time, and counts them. They come as soon as they are
    /// known, and by the deadline; after it, only from memory. It goes on only while it is polled, and ends when it is dropped; what others wait for goes
    /// on.
    pub(super) fn resolve_batch(
        self: &Arc<Self>,
        links: Vec<BatchLink>,
        mode: Mode,
        caller: Caller,
        deadline: Instant,
    ) -> impl Stream<Item = BatchResult> + Send + use<> {
        let (web, caller) = (Arc::clone(self), Arc::new(caller.of_batch()));
        let resolve = move |link| {
            let (web, caller) = (Arc::clone(&web), Arc::clone(&caller));
            async move {
                let result = web.resolve_link(link, mode, &caller, deadline).await;
                let kind = result.link.candidates.first().kind();
                for _ in &result.link.positions {
                    web.resolution_metrics.count(kind, result.outcome());
                }
                result
            }
        };
        let results = stream::iter(links).map(resolve).buffer_unordered(self.options.max_in_flight);
        let mut taken: usize = 0;
        // Links that are in memory need no wait, during which others would have their turn.
        results.then(move |result| {
            taken += 1;
            let is_turn_over = taken.is_multiple_of(LINKS_OF_A_TURN);
            async move {
                if is_turn_over {
                    tokio::task::yield_now().await;
                }
                result
            }
        })
    }

    async fn resolve_link(
        &self,
        link: BatchLink,
        mode: Mode,
        caller: &Caller,
        deadline: Instant,
    ) -> BatchResult {
        let (candidates, scope) = (&link.candidates, link.scope);
        let request = ResolveRequest { candidates, scope, mode, wait: Duration::ZERO, caller };
        let in_time = async {
            // A call that nobody waits for would cost the caller a token.
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::timeout_at(deadline.into(), self.resolver.resolve(&request)).await.ok()
        };
        let resolution = in_time.await.or_else(|| self.resolver.known(&request));
        BatchResult { link, resolution }
    }
}
