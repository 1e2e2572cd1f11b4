//! Many links at once, as a paste asks for them: how many are resolved at a time, and until when.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::Web;
use super::observability::{LinkOutcome, LinkStatus};
use crate::domain::{IdCandidates, LazyCaller, Scope};
use crate::resolver::{Mode, Resolution, ResolveRequest};

/// The time that is left for the answer of a request when its last links are given up.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// A link of a batch.
#[derive(Debug)]
pub(super) struct BatchLink {
    pub(super) candidates: IdCandidates<'static>,
    pub(super) scope: Scope,
}

impl Web {
    /// The time at which the links of a batch are given up whose request began at this one.
    pub(super) fn batch_deadline(&self, began: Instant) -> Instant {
        let time = self.options.request_timeout.saturating_sub(TIME_TO_ANSWER);
        began.checked_add(time).unwrap_or(began)
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
