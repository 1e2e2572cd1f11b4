//! The response of a page, with the policy that lets a browser do nothing but show it.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use sha2::{Digest, Sha256};

use crate::web::headers::NO_STORE;

/// The `content-type` of a page.
pub(in crate::web) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The style of every page; the policy names its hash.
pub(super) const STYLE: &str = include_str!("../../../templates/style.css");

/// The `content-security-policy` of every page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Base64 and the words above always make a header; without one nothing may be loaded at all.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A response with the policy, which no cache may keep.
pub(in crate::web) fn secure_response(
    status: StatusCode,
    content_type: HeaderValue,
    body: String,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}
