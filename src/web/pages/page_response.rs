//! The response of a page, with the policy that lets a browser do nothing but show it.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use sha2::{Digest, Sha256};

use super::frame::{SCRIPT, STYLE};
use crate::web::headers::{NO_ROBOTS, NO_STORE, X_ROBOTS_TAG};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The policy of a page: with a form or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum PagePolicy {
    /// It has none.
    Plain,
    /// It has one, which is sent to this installation.
    WithForm,
}

/// The `content-security-policy` of a page without a form.
static PLAIN: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));

/// The `content-security-policy` of a page with one.
static WITH_FORM: LazyLock<HeaderValue> = LazyLock::new(|| policy("'self'"));

/// A page, which no cache may keep.
pub(in crate::web) fn page_response(status: StatusCode, page: String, policy: PagePolicy) -> Response {
    let mut response = secure_response(status, HTML, page);
    let headers = response.headers_mut();
    headers.insert(X_ROBOTS_TAG, NO_ROBOTS);
    if policy == PagePolicy::WithForm {
        headers.insert(CONTENT_SECURITY_POLICY, WITH_FORM.clone());
        // With `no-referrer` a browser would not say that the form comes from here: its `Origin` would be `null`.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }
    response
}

/// A response that a browser may do nothing with but show it, and that no cache may keep.
pub(in crate::web) fn secure_response(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_SECURITY_POLICY, PLAIN.clone());
    response
}

fn policy(form_action: &str) -> HeaderValue {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src 'self'; base-uri 'none'; form-action \
         {form_action}; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    // Base64 and the words above always make a header; without one nothing may be loaded at all.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
