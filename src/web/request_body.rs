//! The body of a request: the form in which it may be sent, and how much of it is read.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::Web;
use super::headers::single;
use super::problem::Problem;
use super::request_head::RequestHead;
use crate::domain::LazyCaller;

/// The longest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Returns true if the body is sent as this media type, in UTF-8 and without a content encoding.
pub(super) fn is_sent_as(headers: &HeaderMap, media_type: &str) -> bool {
    let Some(content_type) = single(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_of_type = parts.next().is_some_and(|own| own.eq_ignore_ascii_case(media_type));
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_of_type && parts.all(is_utf8) && !headers.contains_key(CONTENT_ENCODING)
}

/// Says what is wrong with a body of another type.
pub(super) const OTHER_TYPE: &str = "This one has another Content-Type, or another charset in it.";

/// Says what is wrong with a body that [`is_sent_as`] refuses.
pub(super) fn how_it_is_sent(headers: &HeaderMap) -> &'static str {
    if !headers.contains_key(CONTENT_TYPE) {
        "This one has no Content-Type."
    } else if headers.contains_key(CONTENT_ENCODING) {
        "This one has a Content-Encoding."
    } else {
        OTHER_TYPE
    }
}

/// Reads the body of a request. One that is too long is refused before it is read if it says so, and so is one too many at
/// once.
pub(super) async fn read_body(
    web: &Web,
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> Result<Bytes, Problem> {
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY) {
        return Err(Problem::TooLarge);
    }
    let place = web.body_places.take(caller.caller().fairness_key);
    let _place = place.ok_or(Problem::TooManyBatches)?;
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Problem::TooLarge
        } else {
            Problem::InvalidRequest("The body of the request broke off.")
        }
    })?;
    Ok(body.to_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_bodies_of_their_type_in_utf_8_are_read() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"; x=y", true),
            ("application/json; charset=latin1", false),
            ("application/json-seq", false),
            ("multipart/form-data", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            assert_eq!(is_sent_as(&headers, "application/json"), expected, "{content_type}");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
            assert!(!is_sent_as(&headers, "application/json"));
        }
        assert!(!is_sent_as(&HeaderMap::new(), "application/json"));
    }
}
