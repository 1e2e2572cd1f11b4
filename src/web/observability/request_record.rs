//! A request that was answered or whose client disconnected.

use std::time::Instant;

use http::{Method, StatusCode};

use super::link_outcome::LinkOutcome;
use super::request_id::RequestId;
use crate::domain::Item;
use crate::web::route::Route;

/// The status of a request whose client disconnected before its answer was ready, as nginx counts it.
pub(in crate::web) const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::REQUEST_TIMEOUT,
};

/// A request that was answered or whose client disconnected, as it is counted, logged and traced.
#[derive(Clone, Copy)]
pub(in crate::web) struct RequestRecord<'a> {
    pub(in crate::web) request_id: &'a RequestId,
    pub(in crate::web) route: Route,
    pub(in crate::web) method: &'a Method,
    pub(in crate::web) status: StatusCode,
    /// The person who asked, if a trusted proxy names one.
    pub(in crate::web) identity: Option<&'a str>,
    /// The name of the tag that was looked up. Its value is not logged.
    pub(in crate::web) tag: Option<&'a str>,
    /// The item that was asked for, or that the tag led to.
    pub(in crate::web) item: Option<&'a Item<'a>>,
    pub(in crate::web) outcome: Option<LinkOutcome>,
    /// The number of links, if the request was for many. Their ids are not logged.
    pub(in crate::web) links: Option<usize>,
    /// True if it cost a call to Nebuly.
    pub(in crate::web) is_cold: bool,
    /// When its head had been read.
    pub(in crate::web) started: Instant,
}

impl RequestRecord<'_> {
    /// Returns true if its caller has seen where a link leads, or may have.
    pub(super) fn is_opened(&self) -> bool {
        match self.status {
            // The links to choose from say where they lead, too.
            StatusCode::FOUND | StatusCode::CONFLICT | CLIENT_CLOSED_REQUEST => true,
            // A card has no outcome: it shows nothing of the link.
            StatusCode::OK => self.outcome.is_some() || self.links.is_some(),
            _ => false,
        }
    }
}
