//! The record of a request whose end is known only after its answer has begun.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame};

use super::Web;
use super::observability::{CLIENT_CLOSED_REQUEST, LinkOutcome, RequestId, RequestRecord, RequestSpan};
use super::route::Route;
use crate::domain::Item;

/// A record that is written later. It borrows nothing.
pub(super) struct LateRecord {
    web: Arc<Web>,
    span: Option<RequestSpan>,
    request_id: RequestId,
    route: Route,
    method: Method,
    status: StatusCode,
    identity: Option<String>,
    item: Option<Item<'static>>,
    outcome: Option<LinkOutcome>,
    links: Option<usize>,
    is_cold: bool,
    started: Instant,
}

/// A body that is made while it is sent. When it ends, or is dropped before, it writes the record of its request.
pub(super) struct RecordedBody {
    body: Body,
    record: LateRecord,
    is_cold: Arc<AtomicBool>,
    has_ended: bool,
    has_failed: bool,
}

impl LateRecord {
    pub(super) fn new(web: &Arc<Web>, record: &RequestRecord<'_>, span: Option<RequestSpan>) -> Self {
        Self {
            web: Arc::clone(web),
            span,
            request_id: record.request_id.clone(),
            route: record.route,
            method: record.method.clone(),
            status: record.status,
            identity: record.identity.map(str::to_owned),
            item: record.item.cloned().map(Item::into_owned),
            outcome: record.outcome,
            links: record.links,
            is_cold: record.is_cold,
            started: record.started,
        }
    }

    /// Writes the record, with what has changed of it.
    pub(super) fn write(&self, change: impl FnOnce(&mut RequestRecord<'_>)) {
        let mut record = RequestRecord {
            request_id: &self.request_id,
            route: self.route,
            method: &self.method,
            status: self.status,
            identity: self.identity.as_deref(),
            tag: self.web.tag_of(self.route).map(|tag| &**tag),
            item: self.item.as_ref(),
            outcome: self.outcome,
            links: self.links,
            is_cold: self.is_cold,
            started: self.started,
        };
        change(&mut record);
        self.web.record(&record, self.span.as_ref());
    }
}

impl RecordedBody {
    /// A body that sets `is_cold` if it costs a call to Nebuly, or would have.
    pub(super) fn new(body: Body, record: LateRecord, is_cold: Arc<AtomicBool>) -> Self {
        Self { body, record, is_cold, has_ended: false, has_failed: false }
    }
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The calls that it makes are part of the request.
        let _context = self.record.span.as_ref().map(RequestSpan::enter);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.has_ended = frame.is_none();
        self.has_failed |= matches!(frame, Some(Err(_)));
        Poll::Ready(frame)
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        self.record.write(|record| {
            // Only a cold request waits for anything.
            record.is_cold = !self.has_ended || self.is_cold.load(Ordering::Relaxed);
            if !self.has_ended {
                let is_defect = self.has_failed || std::thread::panicking();
                record.status =
                    if is_defect { StatusCode::INTERNAL_SERVER_ERROR } else { CLIENT_CLOSED_REQUEST };
            }
        });
    }
}
