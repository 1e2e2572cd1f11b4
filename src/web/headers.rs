//! Headers that several files of the web layer use.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// The `x-robots-tag` of what no search engine may list.
pub(super) const NO_ROBOTS: HeaderValue = HeaderValue::from_static("noindex, nofollow");

/// The `cache-control` of what no cache may keep.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The value of a header that is there exactly once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).into_iter();
    lines.next().filter(|_| lines.next().is_none())
}
