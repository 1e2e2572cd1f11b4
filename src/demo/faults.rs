//! The faults of Nebuly that can be set, and the calls that have them.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::calls::{Call, CallKind};

/// A way in which a call fails, or is answered wrongly. It takes the place of the usual answer, and of the check of
/// the key, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this status.
    Status {
        /// The status.
        code: StatusCode,
        /// Further headers.
        headers: HeaderMap,
        /// The body, sent as JSON unless a header says otherwise.
        body: String,
    },
    /// The connection is closed before the answer.
    Drop,
    /// The connection is reset (RST) before the answer.
    Reset,
    /// Nothing is ever answered.
    Hang,
    /// An answer that begins well, then goes on a byte at a time and never ends.
    Drip {
        /// The time between two bytes.
        pause: Duration,
    },
    /// The connection is closed in the middle of an answer whose `content-length` promised more.
    Half,
    /// A 200 with a URL so long that the body has this size, without a `content-length`, so that the caller must count.
    Huge {
        /// The size of the body; a few bytes are the least.
        bytes: usize,
    },
    /// A 200 with a page of HTML, as from a proxy that answers itself.
    Garbage,
    /// A 200 with this body, sent as JSON.
    Body(String),
    /// A 200 as documented, with this as its `url`.
    Url(String),
    /// The usual answer, after this delay.
    Delay(Duration),
    /// Another fault, after a delay. [`Self::Hold`] in it holds no calls.
    Late {
        /// The delay.
        by: Duration,
        /// The other fault.
        fault: Box<Self>,
    },
    /// The usual answer, as soon as the held calls are released. Setting this fault begins to hold calls; once they are
    /// released, all calls pass until the fault is set again.
    Hold,
    /// A 200 as documented, but sent as gzip, whether or not the caller takes that.
    Compressed,
    /// A 302 to this address.
    RedirectTo(String),
}

impl Fault {
    /// An answer with this status and a small body.
    #[must_use]
    pub fn status(code: StatusCode) -> Self {
        Self::Status {
            code,
            headers: HeaderMap::new(),
            body: r#"{"detail":"a fault of the stand-in"}"#.to_owned(),
        }
    }

    /// 429, with a `Retry-After` of seconds or a date.
    #[must_use]
    pub fn throttled(retry_after: HeaderValue) -> Self {
        Self::Status {
            code: StatusCode::TOO_MANY_REQUESTS,
            headers: HeaderMap::from_iter([(RETRY_AFTER, retry_after)]),
            body: r#"{"detail":"too many requests"}"#.to_owned(),
        }
    }
}

/// The calls that a fault is for: those that fit all conditions.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Matching {
    key: Option<String>,
    id: Option<String>,
    id_prefix: Option<String>,
    kind: Option<CallKind>,
    offset: Option<usize>,
    times: Option<usize>,
}

impl Matching {
    /// Every call.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Calls with this key.
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self::any().and_key(key)
    }

    /// Calls for exactly this id, decoded.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self::any().and_id(id)
    }

    /// Calls for an id that begins with this.
    #[must_use]
    pub fn id_prefix(prefix: impl Into<String>) -> Self {
        Self { id_prefix: Some(prefix.into()), ..Self::any() }
    }

    /// Calls of this kind.
    #[must_use]
    pub fn kind(kind: CallKind) -> Self {
        Self::any().and_kind(kind)
    }

    /// Calls for the page of a listing at this offset; 0 is the first.
    #[must_use]
    pub fn page_at(offset: usize) -> Self {
        Self { offset: Some(offset), ..Self::any() }
    }

    /// Of these, those with this key.
    #[must_use]
    pub fn and_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Of these, those for exactly this id.
    #[must_use]
    pub fn and_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Of these, those of this kind.
    #[must_use]
    pub fn and_kind(self, kind: CallKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Of these, only the next `n`.
    #[must_use]
    pub fn times(self, n: usize) -> Self {
        Self { times: Some(n), ..self }
    }

    fn fits(&self, call: &Call) -> bool {
        let id = call.id.as_deref();
        self.key.as_deref().is_none_or(|key| call.key.as_deref() == Some(key))
            && self.id.as_deref().is_none_or(|wanted| id == Some(wanted))
            && self.id_prefix.as_deref().is_none_or(|prefix| id.is_some_and(|id| id.starts_with(prefix)))
            && self.kind.is_none_or(|kind| call.kind == kind)
            && self.offset.is_none_or(|offset| call.offset == Some(offset))
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Matching")
            .field("has_key", &self.key.is_some())
            .field("id", &self.id)
            .field("id_prefix", &self.id_prefix)
            .field("kind", &self.kind)
            .field("offset", &self.offset)
            .field("times", &self.times)
            .finish()
    }
}

/// All faults that are set.
#[derive(Default)]
pub(super) struct Faults {
    set: Mutex<FaultSet>,
    is_holding: watch::Sender<bool>,
}

#[derive(Default)]
struct FaultSet {
    /// Those with a count, in the order in which they were set, each with what is left of its count.
    counted: Vec<(Matching, usize, Fault)>,
    /// Those without a count, the latest last.
    lasting: Vec<(Matching, Fault)>,
    general: Option<Fault>,
}

impl Faults {
    pub(super) fn set_general(&self, fault: Option<Fault>) {
        self.hold_for(fault.as_ref());
        self.set.lock().general = fault;
    }

    pub(super) fn set_for(&self, matching: Matching, fault: Fault) {
        self.hold_for(Some(&fault));
        let mut set = self.set.lock();
        if let Some(times) = matching.times {
            set.counted.push((matching, times, fault));
        } else {
            set.lasting.retain(|(earlier, _)| *earlier != matching);
            set.lasting.push((matching, fault));
        }
    }

    pub(super) fn clear(&self) {
        *self.set.lock() = FaultSet::default();
        self.release_held();
    }

    /// Takes the fault of this call; one with a count is used up by it.
    pub(super) fn take(&self, call: &Call) -> Option<Fault> {
        let mut set = self.set.lock();
        set.counted.retain(|(_, left, _)| *left > 0);
        if let Some((_, left, fault)) = set.counted.iter_mut().find(|(matching, ..)| matching.fits(call)) {
            *left -= 1;
            return Some(fault.clone());
        }
        let lasting =
            set.lasting.iter().rev().find(|(matching, _)| matching.fits(call)).map(|(_, fault)| fault);
        lasting.or(set.general.as_ref()).cloned()
    }

    pub(super) fn release_held(&self) {
        self.is_holding.send_replace(false);
    }

    /// Returns when no calls are held.
    pub(super) async fn wait_for_release(&self) {
        // The sender lives as long as this value, so the wait cannot fail.
        drop(self.is_holding.subscribe().wait_for(|is_holding| !is_holding).await);
    }

    fn hold_for(&self, fault: Option<&Fault>) {
        if fault == Some(&Fault::Hold) {
            self.is_holding.send_replace(true);
        }
    }
}
