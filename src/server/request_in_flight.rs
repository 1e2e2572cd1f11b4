//! One request and its answer, watched: when it begins, whether its own body was read, and when the body of its answer has
//! ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;
use tower::util::Oneshot;

use super::Connection;
use super::request_body::{self, RequestBody, UnreadBody};

/// A connection's requests, each handed to a clone of the service.
#[derive(Debug)]
pub(super) struct Exchanges<S> {
    service: S,
    connection: Connection,
}

impl<S> Exchanges<S> {
    pub(super) fn new(service: S, connection: Connection) -> Self {
        Self { service, connection }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Exchanges<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Exchange<Oneshot<S, Request<RequestBody>>, Response<B>>;

    /// hyper comes here as soon as a head is complete.
    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.connection.begin_request();
        request.extensions_mut().insert(self.connection.clone());
        let version = request.version();
        let (request, unread) = request_body::watch(request);
        let answer = Oneshot::new(self.service.clone(), request);
        let answer = match unread {
            None => Answering::WithoutBody { answer },
            Some(unread) => Answering::WithBody { answer: Box::pin(answer_and_discard(answer, unread)) },
        };
        Exchange { answer, version, connection: self.connection.clone() }
    }
}

/// Answers a request that has a body, and says whether its connection can carry another request.
async fn answer_and_discard<F, R>(answer: F, unread: UnreadBody) -> (R, bool)
where
    F: Future<Output = Result<R, Infallible>>,
{
    let Ok(response) = answer.await;
    (response, unread.discard().await)
}

pin_project! {
    /// A request that is being answered.
    pub(super) struct Exchange<F, R> {
        #[pin]
        answer: Answering<F, R>,
        version: Version,
        connection: Connection,
    }
}

pin_project! {
    /// An answer on its way. One to a request without a body, as nearly all are, costs nothing for the other kind.
    #[project = AnsweringProjection]
    enum Answering<F, R> {
        WithoutBody { #[pin] answer: F },
        WithBody { answer: Pin<Box<dyn Future<Output = (R, bool)> + Send>> },
    }
}

impl<F, B> Future for Exchange<F, Response<B>>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut response, can_go_on) = match this.answer.project() {
            AnsweringProjection::WithoutBody { answer } => {
                let Ok(response) = ready!(answer.poll(cx));
                (response, true)
            }
            AnsweringProjection::WithBody { answer } => ready!(answer.as_mut().poll(cx)),
        };
        if !can_go_on || this.connection.drain().is_leaving() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            if *this.version == Version::HTTP_10 {
                // Or hyper would add the `keep-alive` that such a peer asked for.
                *response.version_mut() = Version::HTTP_10;
            }
        }
        let end = End(this.connection.clone());
        Poll::Ready(Ok(response.map(|body| Answer { body, end })))
    }
}

pin_project! {
    /// The body of an answer.
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        end: End,
    }
}

/// hyper drops a body when it has all of it, or needs none of it (HEAD).
struct End(Connection);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end_answer();
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
