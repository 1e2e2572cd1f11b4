//! One request and its response. The connection learns when the request begins, and when the body of the response has
//! ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::connection::Connection;
use super::request_body::{self, RequestBody, UnreadBody};

/// The service of one connection, told when each request begins and ends.
#[derive(Debug)]
pub(super) struct ConnectionService<S> {
    service: S,
    connection: Connection,
}

impl<S> ConnectionService<S> {
    pub(super) fn new(service: S, connection: Connection) -> Self {
        Self { service, connection }
    }
}

impl<S, B> Service<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = RequestInFlight<S::Future, Response<B>>;

    /// Called by hyper as soon as a head is complete.
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.begin_request();
        let version = request.version();
        let (request, unread) = request_body::split(request);
        let response = self.service.call(request);
        let call = match unread {
            None => ServiceCall::WithoutBody { response },
            Some(unread) => ServiceCall::WithBody { response: Box::pin(call_and_discard(response, unread)) },
        };
        RequestInFlight { call, version, connection: self.connection.clone() }
    }
}

/// Answers a request that has a body. Returns true with the response if the connection can carry another request.
async fn call_and_discard<F, R>(response: F, unread: UnreadBody) -> (R, bool)
where
    F: Future<Output = Result<R, Infallible>>,
{
    let Ok(response) = response.await;
    (response, unread.discard().await)
}

pin_project! {
    /// A request that is being answered.
    pub(super) struct RequestInFlight<F, R> {
        #[pin]
        call: ServiceCall<F, R>,
        version: Version,
        connection: Connection,
    }
}

pin_project! {
    /// The call of the service. Only a request with a body, which is rare, costs an allocation.
    #[project = ServiceCallProjection]
    enum ServiceCall<F, R> {
        WithoutBody { #[pin] response: F },
        WithBody { response: Pin<Box<dyn Future<Output = (R, bool)> + Send>> },
    }
}

impl<F, B: Body> Future for RequestInFlight<F, Response<B>>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut response, keep_alive) = match this.call.project() {
            ServiceCallProjection::WithoutBody { response } => {
                let Ok(response) = ready!(response.poll(cx));
                (response, true)
            }
            ServiceCallProjection::WithBody { response } => ready!(response.as_mut().poll(cx)),
        };
        let is_http_10 = *this.version == Version::HTTP_10;
        // The end of the connection is the end of the answer.
        let ends_connection = is_http_10 && response.body().size_hint().exact().is_none();
        if !keep_alive || ends_connection || this.connection.drain().is_draining() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            if is_http_10 {
                // Else hyper would add the `keep-alive` that such a peer asked for.
                *response.version_mut() = Version::HTTP_10;
            }
        }
        let guard = CompletionGuard(this.connection.clone());
        Poll::Ready(Ok(response.map(|body| ResponseBody { body, guard })))
    }
}

pin_project! {
    /// The body of a response.
    pub(super) struct ResponseBody<B> {
        #[pin]
        body: B,
        guard: CompletionGuard,
    }
}

/// Tells the connection when the body has ended: hyper drops it when it has all of it, or needs none of it (HEAD).
struct CompletionGuard(Connection);

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        self.0.end_answer();
    }
}

impl<B: Body> Body for ResponseBody<B> {
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
