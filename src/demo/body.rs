//! Bodies of answers, whole ones and broken ones.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::calls::InFlight;

/// What a half body promises: more than it sends.
const PROMISED_BY_HALF: u64 = 500;

/// What a half body sends.
const SENT_BY_HALF: &[u8] = br#"{"url": "http://127.0.0.1/live-act"#;

/// How a URL begins that is too long for anybody.
const LONG_URL_BEGINS: &[u8] = br#"{"url": "http://127.0.0.1/"#;

/// How it ends.
const LONG_URL_ENDS: &[u8] = br#""}"#;

/// What a long body is made of.
static FILLING: [u8; 16 * 1024] = [b'a'; 16 * 1024];

/// The body of an answer. The call that it answers is in flight for as long as the body is.
pub(super) struct AnswerBody {
    content: Content,
    _in_flight: Option<InFlight>,
}

enum Content {
    /// Nothing left to send.
    End,
    Whole(Bytes),
    /// Filling without end.
    Drip {
        begun: bool,
        pulse: Interval,
    },
    Half(HalfWay),
    Huge {
        begun: bool,
        left: usize,
    },
}

/// How far a half body is. The pause lets what was sent reach the socket before the connection breaks.
enum HalfWay {
    Start,
    Pause,
    Break,
}

/// A body ended before its time, as it was meant to.
#[derive(Debug, thiserror::Error)]
#[error("the body was broken off on purpose")]
pub(super) struct BrokenOff;

impl AnswerBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(if bytes.is_empty() { Content::End } else { Content::Whole(bytes) })
    }

    pub(super) fn drip(pause: Duration) -> Self {
        // An interval of nothing is not possible.
        let mut pulse = interval(pause.max(Duration::from_millis(1)));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::new(Content::Drip { begun: false, pulse })
    }

    pub(super) fn half() -> Self {
        Self::new(Content::Half(HalfWay::Start))
    }

    pub(super) fn huge(bytes: usize) -> Self {
        let left = bytes.saturating_sub(LONG_URL_BEGINS.len() + LONG_URL_ENDS.len());
        Self::new(Content::Huge { begun: false, left })
    }

    fn new(content: Content) -> Self {
        Self { content, _in_flight: None }
    }

    pub(super) fn answering(self, call: InFlight) -> Self {
        Self { _in_flight: Some(call), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let (data, next) = match &mut self.content {
            Content::End => return Poll::Ready(None),
            Content::Whole(bytes) => (std::mem::take(bytes), Some(Content::End)),
            Content::Drip { begun: begun @ false, .. } | Content::Huge { begun: begun @ false, .. } => {
                *begun = true;
                (Bytes::from_static(LONG_URL_BEGINS), None)
            }
            Content::Drip { pulse, .. } => {
                ready!(pulse.poll_tick(context));
                (Bytes::from_static(b"a"), None)
            }
            Content::Half(HalfWay::Start) => {
                (Bytes::from_static(SENT_BY_HALF), Some(Content::Half(HalfWay::Pause)))
            }
            Content::Half(at @ HalfWay::Pause) => {
                *at = HalfWay::Break;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Content::Half(HalfWay::Break) => return Poll::Ready(Some(Err(BrokenOff))),
            Content::Huge { left: 0, .. } => (Bytes::from_static(LONG_URL_ENDS), Some(Content::End)),
            Content::Huge { left, .. } => {
                let size = FILLING.len().min(*left);
                *left -= size;
                (Bytes::from_static(FILLING.get(..size).unwrap_or_default()), None)
            }
        };
        if let Some(next) = next {
            self.content = next;
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::End)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::End => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Half(_) => SizeHint::with_exact(PROMISED_BY_HALF),
            Content::Drip { .. } | Content::Huge { .. } => SizeHint::default(),
        }
    }
}
