//! The pages that a person or a link preview robot sees.
//!
//! They work without JavaScript, load nothing from elsewhere, and are sent with a policy that lets a browser do nothing
//! but show them.

mod card;
mod preview_robot;
mod problem_page;

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use sha2::{Digest, Sha256};

use super::headers::NO_STORE;

pub(super) use self::card::card;
pub(super) use self::preview_robot::is_preview_robot;
pub(super) use self::problem_page::{Choice, SelfLink, problem_page};

/// The `content-type` of a page.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The style of every page; the policy names its hash.
const STYLE: &str = include_str!("../../../templates/style.css");

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
pub(super) fn secure_response(status: StatusCode, content_type: HeaderValue, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}
