//! What became of links, as metrics: their handles are resolved once, so that a redirect only adds one.

use metrics::Counter;

use crate::domain::Kind;
use crate::resolver::{AnswerSource, Calls, Outcome, Resolution};

/// What became of a link, in the words of section 11 of the design.
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

/// A counter for each kind and outcome.
pub(in crate::web) struct Metrics {
    interactions: Resolutions,
    conversations: Resolutions,
}

struct Resolutions([Counter; LinkOutcome::ALL.len()]);

impl LinkOutcome {
    /// In the order of the discriminants.
    const ALL: [Self; 9] = [
        Self::Hit,
        Self::Shared,
        Self::Stale,
        Self::Negative,
        Self::Resolved,
        Self::Collapsed,
        Self::Absent,
        Self::Constructed,
        Self::Failed,
    ];

    pub(in crate::web) const fn of(resolution: &Resolution) -> Self {
        match (&resolution.outcome, resolution.source) {
            (Outcome::Absent, AnswerSource::Memory) => Self::Negative,
            (_, AnswerSource::Memory) => Self::Hit,
            (_, AnswerSource::Shared) => Self::Shared,
            (_, AnswerSource::Stale) => Self::Stale,
            (_, AnswerSource::Constructed) => Self::Constructed,
            (
                Outcome::Resolved(_) | Outcome::Ambiguous(_),
                AnswerSource::Nebuly(Calls { collapsed: true, .. }),
            ) => Self::Collapsed,
            (Outcome::Resolved(_) | Outcome::Ambiguous(_), AnswerSource::Nebuly(_)) => Self::Resolved,
            (Outcome::Absent, AnswerSource::Nebuly(_)) => Self::Absent,
            (Outcome::Failed(_), AnswerSource::Nebuly(_)) => Self::Failed,
        }
    }

    pub(in crate::web) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Shared => "shared",
            Self::Stale => "stale",
            Self::Negative => "negative",
            Self::Resolved => "resolved",
            Self::Collapsed => "collapsed",
            Self::Absent => "absent",
            Self::Constructed => "constructed",
            Self::Failed => "failed",
        }
    }
}

impl Metrics {
    /// Resolves every handle, in the recorder that is in effect.
    pub(in crate::web) fn new() -> Self {
        metrics::describe_counter!(
            "nebulink_resolutions_total",
            "Links asked for, by kind and by what became of them"
        );
        Self {
            interactions: Resolutions::new(Kind::Interaction),
            conversations: Resolutions::new(Kind::Conversation),
        }
    }

    /// Counts a link.
    pub(in crate::web) fn count(&self, kind: Kind, outcome: LinkOutcome) {
        let Resolutions(counters) = match kind {
            Kind::Interaction => &self.interactions,
            Kind::Conversation => &self.conversations,
        };
        if let Some(counter) = counters.get(outcome as usize) {
            counter.increment(1);
        }
    }
}

impl Resolutions {
    fn new(kind: Kind) -> Self {
        Self(LinkOutcome::ALL.map(|outcome| {
            metrics::counter!("nebulink_resolutions_total", "kind" => kind.as_str(), "outcome" => outcome.as_str())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_stands_where_its_counter_does() {
        for (place, outcome) in LinkOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
