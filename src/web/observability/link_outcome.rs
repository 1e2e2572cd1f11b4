//! The outcome of a link, and the headers and the metric that follow from it.

use http::{HeaderMap, HeaderValue};
use metrics::Counter;

use crate::domain::{CallFailure, Cause, Kind};
use crate::resolver::{AnswerSource, Calls, Mode, Outcome, Resolution};
use crate::web::headers::{CACHE_STATUS, SERVER_TIMING};

/// The outcome of a link; docs/metrics.md lists what each one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum LinkOutcome {
    Hit,
    Shared,
    Stale,
    Negative,
    Resolved,
    Collapsed,
    Absent,
    Constructed,
    Failed,
}

impl LinkOutcome {
    /// Every outcome with its label, in the order of the discriminants.
    const LABELS: [(Self, &str); 9] = [
        (Self::Hit, "hit"),
        (Self::Shared, "shared"),
        (Self::Stale, "stale"),
        (Self::Negative, "negative"),
        (Self::Resolved, "resolved"),
        (Self::Collapsed, "collapsed"),
        (Self::Absent, "absent"),
        (Self::Constructed, "constructed"),
        (Self::Failed, "failed"),
    ];

    /// The label in log, metric and span.
    pub(in crate::web) fn as_str(self) -> &'static str {
        Self::LABELS.get(self as usize).map_or("", |(_, label)| label)
    }

    /// Returns true if the request waited for calls to Nebuly, or for calls that could not be made.
    pub(in crate::web) const fn is_cold(self) -> bool {
        matches!(self, Self::Resolved | Self::Collapsed | Self::Absent | Self::Failed)
    }
}

/// The outcome of a link, and the headers that say how its answer came about.
#[derive(Debug)]
pub(in crate::web) struct LinkStatus {
    pub(in crate::web) outcome: LinkOutcome,
    /// True if a browser may keep the answer, unless it asked for a refresh: it is neither stale nor constructed, and no
    /// project was left out.
    pub(in crate::web) is_certain: bool,
    /// Set if Nebuly was asked or a cache had the answer: a caller over its limit, an open circuit and a full queue say
    /// nothing of either.
    cache_status: Option<HeaderValue>,
    /// How long the calls took that the request waited for.
    server_timing: Option<HeaderValue>,
}

impl LinkStatus {
    /// The one place where outcome and source become the words of the access log, the metric, the span and `cache-status`
    /// (RFC 9211).
    pub(in crate::web) fn of<T>(resolution: &Resolution<T>) -> Self {
        let fixed = |text| Some(HeaderValue::from_static(text));
        let (outcome, cache_status) = match (&resolution.outcome, resolution.source) {
            (Outcome::Absent, AnswerSource::Memory) => {
                (LinkOutcome::Negative, fixed("nebulink; hit; detail=negative"))
            }
            (_, AnswerSource::Memory) => (LinkOutcome::Hit, fixed("nebulink; hit")),
            (_, AnswerSource::Shared) => (LinkOutcome::Shared, fixed("nebulink; hit; detail=shared")),
            (_, AnswerSource::Stale) => (LinkOutcome::Stale, fixed("nebulink; hit; detail=stale")),
            (_, AnswerSource::Constructed) => {
                (LinkOutcome::Constructed, fixed("nebulink; detail=constructed"))
            }
            (
                Outcome::Resolved(_) | Outcome::Ambiguous(_),
                AnswerSource::Nebuly(Calls { collapsed: true, .. }),
            ) => (LinkOutcome::Collapsed, fixed("nebulink; fwd=miss; fwd-status=200; collapsed")),
            (
                Outcome::Resolved(_) | Outcome::Ambiguous(_),
                AnswerSource::Nebuly(Calls { mode: Mode::Refresh, .. }),
            ) => (LinkOutcome::Resolved, fixed("nebulink; fwd=request; fwd-status=200; stored")),
            (Outcome::Resolved(_) | Outcome::Ambiguous(_), AnswerSource::Nebuly(_)) => {
                (LinkOutcome::Resolved, fixed("nebulink; fwd=miss; fwd-status=200; stored"))
            }
            (Outcome::Absent, AnswerSource::Nebuly(Calls { status, .. })) => {
                let status = status.unwrap_or(404);
                (LinkOutcome::Absent, Some(value(format!("nebulink; fwd=miss; fwd-status={status}; stored"))))
            }
            (Outcome::Failed(CallFailure { status: Some(status), .. }), AnswerSource::Nebuly(_)) => {
                (LinkOutcome::Failed, Some(value(format!("nebulink; fwd=miss; fwd-status={status}"))))
            }
            (
                Outcome::Failed(CallFailure {
                    cause: Cause::RateLimited { .. } | Cause::Overloaded { .. },
                    ..
                }),
                AnswerSource::Nebuly(_),
            ) => (LinkOutcome::Failed, None),
            (Outcome::Failed(_), AnswerSource::Nebuly(_)) => {
                (LinkOutcome::Failed, fixed("nebulink; fwd=miss"))
            }
        };
        let server_timing = match resolution.source {
            AnswerSource::Nebuly(calls) if cache_status.is_some() => Some(server_timing(calls)),
            _ => None,
        };
        let is_certain = match resolution.source {
            AnswerSource::Memory | AnswerSource::Shared => true,
            AnswerSource::Stale | AnswerSource::Constructed => false,
            AnswerSource::Nebuly(calls) => !calls.is_incomplete,
        };
        Self { outcome, is_certain, cache_status, server_timing }
    }

    /// The same for the link of an item that a tag led to, after a look-up with this source. It says how long the calls of the
    /// look-up took, even if the link itself cost none.
    pub(in crate::web) fn of_tagged(link: &Resolution, look_up: AnswerSource) -> Self {
        let mut status = Self::of(link);
        if let (AnswerSource::Nebuly(calls), None) = (look_up, &status.server_timing) {
            status.server_timing = Some(server_timing(calls));
        }
        status
    }

    /// Adds `cache-status` and `server-timing`.
    pub(in crate::web) fn add_to(self, headers: &mut HeaderMap) {
        if let Some(cache_status) = self.cache_status {
            headers.insert(CACHE_STATUS, cache_status);
        }
        if let Some(server_timing) = self.server_timing {
            headers.insert(SERVER_TIMING, server_timing);
        }
    }
}

fn server_timing(calls: Calls) -> HeaderValue {
    value(format!("nebuly;dur={:.3}", calls.duration.as_secs_f64() * 1000.0))
}

fn value(text: String) -> HeaderValue {
    // Digits and the words above always make a header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("nebulink"))
}

/// A counter for each kind and outcome. Their handles are resolved once, so that a redirect only adds one.
pub(in crate::web) struct ResolutionMetrics {
    interactions: [Counter; LinkOutcome::LABELS.len()],
    conversations: [Counter; LinkOutcome::LABELS.len()],
}

impl ResolutionMetrics {
    /// Resolves every handle, in the recorder that is in effect.
    pub(in crate::web) fn new() -> Self {
        metrics::describe_counter!("nebulink_resolutions_total", "Requested links, by outcome");
        let counters = |kind: Kind| {
            LinkOutcome::LABELS.map(|(_, label)| {
                metrics::counter!("nebulink_resolutions_total", "kind" => kind.as_str(), "outcome" => label)
            })
        };
        Self { interactions: counters(Kind::Interaction), conversations: counters(Kind::Conversation) }
    }

    /// Counts a link.
    pub(in crate::web) fn count(&self, kind: Kind, outcome: LinkOutcome) {
        let counters = match kind {
            Kind::Interaction => &self.interactions,
            Kind::Conversation => &self.conversations,
        };
        if let Some(counter) = counters.get(outcome as usize) {
            counter.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_the_index_of_its_counter() {
        for (index, (outcome, _)) in LinkOutcome::LABELS.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
