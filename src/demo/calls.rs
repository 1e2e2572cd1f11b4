//! The calls that came in: the kind of each, and a record of them for tests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, request::Parts};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

/// The path below which the API is served.
pub(super) const API_PATH: &str = "/api/external";

/// The most calls that are kept: enough for any test that looks at single calls, and a bound for load tests.
const KEPT_CALLS: usize = 10_000;

/// The calls that are documented, and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `GET deeplinks/interaction/{id}`
    Interaction,
    /// `GET deeplinks/conversation/{id}`
    Conversation,
    /// `POST get-interactions`
    GetInteractions,
    /// `POST get-interaction-aggregates`
    GetInteractionAggregates,
    /// `GET export/interactions/detail-v2/{id}`
    InteractionDetail,
    /// `POST get-conversation-detail`
    ConversationDetail,
    /// Any other path below the API's: nothing that is documented.
    Other,
}

impl CallKind {
    /// The only method that this call is documented with.
    pub(super) fn method(self) -> Option<&'static str> {
        match self {
            Self::Interaction | Self::Conversation | Self::InteractionDetail => Some("GET"),
            Self::GetInteractions | Self::GetInteractionAggregates | Self::ConversationDetail => Some("POST"),
            Self::Other => None,
        }
    }
}

/// One call to the API, as it came in.
#[derive(Clone)]
pub struct Call {
    /// The key that was presented as `Authorization: Bearer`, valid or not.
    pub key: Option<String>,
    /// The method.
    pub method: Method,
    /// The kind of the call, by its path alone.
    pub kind: CallKind,
    /// The id that it asks for, decoded once; bytes that are not UTF-8 are replaced. Listings have none.
    pub id: Option<String>,
    /// The offset of the page that a listing asks for.
    pub offset: Option<usize>,
    /// Path and query, as they were sent.
    pub target: String,
    /// All headers. Their `Debug` does not print the key.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The time when it was complete.
    pub at: Instant,
}

impl Call {
    pub(super) fn new(parts: Parts, body: Bytes) -> Self {
        let (kind, segment) = recognise(parts.uri.path());
        let Question { conversation_id, offset } = Question::of(kind, &body);
        let segment = segment.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned());
        let mut headers = parts.headers;
        let key = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::to_owned);
        for (name, value) in &mut headers {
            if name == AUTHORIZATION {
                value.set_sensitive(true);
            }
        }
        Self {
            key,
            method: parts.method,
            kind,
            id: segment.or(conversation_id),
            offset,
            target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers,
            body,
            at: Instant::now(),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("has_key", &self.key.is_some())
            .field("method", &self.method)
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("offset", &self.offset)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// The parts of a call in its body.
#[derive(Default, Deserialize)]
struct Question {
    conversation_id: Option<String>,
    offset: Option<usize>,
}

/// The record of calls.
#[derive(Default)]
pub(super) struct CallLog {
    newest: Mutex<VecDeque<Call>>,
    counts: watch::Sender<CallCounts>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CallCounts {
    pub(super) arrived: usize,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
}

impl CallLog {
    /// Records a call; it counts as in flight until the returned guard is dropped.
    pub(super) fn record(self: &Arc<Self>, call: Call) -> CountedCall {
        {
            let mut newest = self.newest.lock();
            if newest.len() == KEPT_CALLS {
                newest.pop_front();
            }
            newest.push_back(call);
        }
        self.counts.send_modify(|counts| {
            counts.arrived += 1;
            counts.in_flight += 1;
            counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        });
        CountedCall(Arc::clone(self))
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.newest.lock().iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> CallCounts {
        *self.counts.borrow()
    }

    pub(super) fn count_for(&self, id: &str) -> usize {
        self.newest.lock().iter().filter(|call| call.id.as_deref() == Some(id)).count()
    }

    pub(super) fn forget(&self) {
        self.newest.lock().clear();
        self.counts.send_modify(|counts| {
            counts.arrived = 0;
            counts.most_in_flight = counts.in_flight;
        });
    }

    pub(super) async fn wait_for(&self, arrived: usize) {
        // The sender lives as long as this log, so the wait cannot fail.
        drop(self.counts.subscribe().wait_for(|counts| counts.arrived >= arrived).await);
    }
}

/// A call that counts as in flight until this is dropped.
pub(super) struct CountedCall(Arc<CallLog>);

impl Drop for CountedCall {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.in_flight -= 1);
    }
}

/// Returns true if a path is one of the API's.
pub(super) fn is_of_api(path: &str) -> bool {
    path.strip_prefix(API_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the kind of call of a path, and its segment with the id, not decoded. A path with a segment too many is no
/// documented call, so an id that became two segments is noticed.
fn recognise(path: &str) -> (CallKind, Option<&str>) {
    let rest = path.strip_prefix(API_PATH).unwrap_or_default();
    let segments: Vec<_> = rest.split('/').skip(1).collect();
    match segments.as_slice() {
        ["deeplinks", "interaction", id] => (CallKind::Interaction, Some(id)),
        ["deeplinks", "conversation", id] => (CallKind::Conversation, Some(id)),
        ["export", "interactions", "detail-v2", id] => (CallKind::InteractionDetail, Some(id)),
        ["get-interactions"] => (CallKind::GetInteractions, None),
        ["get-interaction-aggregates"] => (CallKind::GetInteractionAggregates, None),
        ["get-conversation-detail"] => (CallKind::ConversationDetail, None),
        _ => (CallKind::Other, None),
    }
}

impl Question {
    fn of(kind: CallKind, body: &[u8]) -> Self {
        let Self { conversation_id, offset } = serde_json::from_slice(body).unwrap_or_default();
        match kind {
            CallKind::ConversationDetail => Self { conversation_id, offset: None },
            CallKind::GetInteractions | CallKind::GetInteractionAggregates => {
                Self { conversation_id: None, offset }
            }
            CallKind::Interaction
            | CallKind::Conversation
            | CallKind::InteractionDetail
            | CallKind::Other => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn call(path: &str) -> Call {
        let (parts, ()) = Request::get(path).body(()).unwrap().into_parts();
        Call::new(parts, Bytes::new())
    }

    #[test]
    fn only_the_newest_calls_are_kept_but_all_are_counted() {
        let log = Arc::new(CallLog::default());
        for n in 0..=KEPT_CALLS {
            drop(log.record(call(&format!("{API_PATH}/deeplinks/conversation/{n}"))));
        }
        assert_eq!((log.all().len(), log.counts().arrived), (KEPT_CALLS, KEPT_CALLS + 1));
        assert_eq!((log.count_for("0"), log.count_for("1")), (0, 1));
    }

    #[test]
    fn a_path_means_one_documented_call_or_none() {
        for (path, kind, id) in [
            ("/deeplinks/interaction/a%2520b", CallKind::Interaction, Some("a%20b")),
            ("/deeplinks/conversation/", CallKind::Conversation, Some("")),
            ("/deeplinks/conversation/a/b", CallKind::Other, None),
            ("/deeplinks/agent/a", CallKind::Other, None),
            ("/export/interactions/detail-v2/x", CallKind::InteractionDetail, Some("x")),
            ("/get-interactions/", CallKind::Other, None),
            ("/get-interactions", CallKind::GetInteractions, None),
        ] {
            let call = call(&format!("{API_PATH}{path}"));
            assert_eq!((call.kind, call.id.as_deref()), (kind, id), "{path}");
        }
    }

    #[test]
    fn the_api_ends_at_a_segment() {
        assert!(is_of_api("/api/external") && is_of_api("/api/external/x"));
        assert!(!is_of_api("/api/externally") && !is_of_api("/api"));
    }
}
