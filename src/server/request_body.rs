//! The body of a request, which the server takes back if the service does not read it to its end.
//!
//! An unread body stands between its connection and the next request on it. hyper then closes the connection, but only
//! after a response that promised to keep it: by that time a proxy has sent somebody else's request on it. So the server
//! looks at what is left of the body before the response goes out: it reads a small rest, and announces the end of the
//! connection (`connection: close`) before any other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most that is read of an unwanted body to keep its connection, in bytes.
const MAX_DISCARDED: u64 = 64 * 1024;

/// How long a response waits at most for an unwanted body to arrive: some round trips of a slow network.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request. Dropped before its end, it goes back to the server.
#[derive(Debug)]
pub struct RequestBody {
    /// Always there until this is dropped.
    incoming: Option<Incoming>,
    /// Takes what is left; `None` if the request has no body, or if reading it has failed.
    rest: Option<oneshot::Sender<Incoming>>,
    /// The peer waits for `100 Continue`, which reading would send.
    is_withheld: bool,
}

/// What is left of a request's body when its service has dropped it.
#[derive(Debug)]
pub(super) struct UnreadBody(oneshot::Receiver<Incoming>);

/// Splits a request's body into what its service gets, and what the server gets back; `None` if there is no body.
pub(super) fn watch(request: Request<Incoming>) -> (Request<RequestBody>, Option<UnreadBody>) {
    if request.body().is_end_stream() {
        let request =
            request.map(|body| RequestBody { incoming: Some(body), rest: None, is_withheld: false });
        return (request, None);
    }
    let (rest, unread) = oneshot::channel();
    let is_withheld = request.headers().contains_key(EXPECT);
    let request = request.map(|body| RequestBody { incoming: Some(body), rest: Some(rest), is_withheld });
    (request, Some(UnreadBody(unread)))
}

impl UnreadBody {
    /// Reads and forgets what is left of the body, within a bound of bytes and time. True if its end was reached, so that
    /// the connection can carry another request.
    pub(super) async fn discard(mut self) -> bool {
        // Nothing is there if the body has failed, was never to be sent, or is still held by the response.
        let Ok(mut body) = self.0.try_recv() else { return false };
        if body.size_hint().lower() > MAX_DISCARDED {
            return false;
        }
        let to_the_end = async {
            let mut left = MAX_DISCARDED;
            while let Some(frame) = body.frame().await {
                let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
                left = left.checked_sub(u64::try_from(length).ok()?)?;
            }
            Some(())
        };
        matches!(timeout(DISCARD_TIMEOUT, to_the_end).await, Ok(Some(())))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_withheld = false;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        if let Some(Err(_)) = &frame {
            self.rest = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(rest), Some(incoming), false) =
            (self.rest.take(), self.incoming.take(), self.is_withheld)
        {
            // Fails if the connection has ended in the meantime.
            rest.send(incoming).ok();
        }
    }
}
