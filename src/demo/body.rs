//! Bodies of answers, whole ones and broken ones.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::time::{MissedTickBehavior, interval};

use super::calls::CountedCall;

/// The `content-length` of a half body: more than it sends.
pub(super) const PROMISED_BY_HALF: u64 = 500;

/// The bytes that a half body sends.
const SENT_BY_HALF: &[u8] = br#"{"url": "http://127.0.0.1/live-act"#;

/// The begin of a body with an overlong URL.
const LONG_URL_BEGINS: &[u8] = br#"{"url": "http://127.0.0.1/"#;

/// Its end.
const LONG_URL_ENDS: &[u8] = br#""}"#;

/// The bytes between them.
static FILLING: [u8; 16 * 1024] = [b'a'; 16 * 1024];

/// The body of an answer. The call that it answers is in flight for as long as the body exists.
pub(super) struct AnswerBody {
    body: UnsyncBoxBody<Bytes, BrokenOff>,
    _in_flight: Option<CountedCall>,
}

/// The body ends too early, as it was meant to.
#[derive(Debug, thiserror::Error)]
#[error("the body was broken off on purpose")]
pub(super) struct BrokenOff;

impl AnswerBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(Full::new(bytes.into()).map_err(|never| match never {}))
    }

    pub(super) fn drip(pause: Duration) -> Self {
        // An interval of zero is not possible.
        let mut pulse = interval(pause.max(Duration::from_millis(1)));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drops = stream::unfold(pulse, async |mut pulse| {
            pulse.tick().await;
            Some((&b"a"[..], pulse))
        });
        Self::long_url(drops)
    }

    pub(super) fn huge(bytes: usize) -> Self {
        let left = bytes.saturating_sub(LONG_URL_BEGINS.len() + LONG_URL_ENDS.len());
        let filling = stream::iter(std::iter::repeat_n(&FILLING[..], left / FILLING.len()));
        let rest = stream::iter(FILLING.get(..left % FILLING.len()));
        Self::long_url(filling.chain(rest).chain(stream::iter([LONG_URL_ENDS])))
    }

    /// Sends part of a body, and breaks the connection after a pause that lets that part reach the socket.
    pub(super) fn half() -> Self {
        let broken = async {
            tokio::task::yield_now().await;
            Err(BrokenOff)
        };
        Self::stream(stream::iter([Ok(SENT_BY_HALF)]).chain(stream::once(broken)))
    }

    fn long_url(rest: impl Stream<Item = &'static [u8]> + Send + 'static) -> Self {
        Self::stream(stream::iter([LONG_URL_BEGINS]).chain(rest).map(Ok))
    }

    fn stream(chunks: impl Stream<Item = Result<&'static [u8], BrokenOff>> + Send + 'static) -> Self {
        Self::new(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk?))))))
    }

    fn new(body: impl Body<Data = Bytes, Error = BrokenOff> + Send + 'static) -> Self {
        Self { body: body.boxed_unsync(), _in_flight: None }
    }

    pub(super) fn answering(self, call: CountedCall) -> Self {
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
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
