//! The body of a request. If the service does not read it to its end, the server discards the rest.
//!
//! The next request of a connection cannot be read before the rest of this body. hyper then closes the connection, but
//! only after a response that promised to keep it: by that time a proxy has sent somebody else's request on it. So the server
//! checks the rest of the body before the response goes out: it reads a small rest, and answers with `connection: close` if
//! there is more.

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

/// The most bytes of an unread body that are read to keep its connection.
const MAX_DISCARDED: u64 = 64 * 1024;

/// The longest that a response waits for an unread body to arrive: some round trips of a slow network.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request. If it is dropped before its end, the rest goes back to the server.
#[derive(Debug)]
pub struct RequestBody {
    /// Always there until this is dropped.
    incoming: Option<Incoming>,
    /// Takes the rest; `None` if the request has no body, or if reading it has failed.
    rest: Option<oneshot::Sender<Incoming>>,
    /// The peer waits for `100 Continue`, which reading would send.
    is_withheld: bool,
}

/// The rest of a request's body when its service has dropped it.
#[derive(Debug)]
pub(super) struct UnreadBody(oneshot::Receiver<Incoming>);

/// Gives a request a body for its service, and returns the rest that comes back to the server; `None` if there is no body.
pub(super) fn split(request: Request<Incoming>) -> (Request<RequestBody>, Option<UnreadBody>) {
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
    /// Reads and discards the rest of the body, within a bound of bytes and time. Returns true if its end was reached,
    /// so that the connection can carry another request.
    pub(super) async fn discard(mut self) -> bool {
        // There is none if reading it has failed, if the peer withholds it, or if the response still holds it.
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
            // Fails if the connection has ended.
            rest.send(incoming).ok();
        }
    }
}
