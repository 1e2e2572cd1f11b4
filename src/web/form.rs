//! The form of a page: who may send one, and its fields.

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Web;
use super::headers::single;
use super::installation::Installation;
use super::problem::Problem;

/// The longest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The fields of a form.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the form that a page of ours has sent. Any other is refused before its body is read.
    pub(super) async fn read(web: &Web, parts: &Parts, body: Body) -> Result<Self, Problem> {
        if !is_from_our_page(web, parts) {
            return Err(Problem::CrossSite);
        }
        if !is_urlencoded(&parts.headers) {
            return Err(Problem::UnsupportedForm);
        }
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > MAX_BODY) {
            return Err(Problem::TooLarge);
        }
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Problem::TooLarge
            } else {
                Problem::InvalidRequest("The body of the request broke off.")
            }
        })?;
        Self::parse(&body.to_bytes()).ok_or(Problem::UnsupportedForm)
    }

    /// The value of the first field of this name; empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok()?;
        let pairs = body.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        pairs.collect::<Option<_>>().map(Self)
    }
}

/// Decodes a name or a value; `None` if it is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Returns true if no other site can have made a browser send the request. Browsers say from where they send a form, except
/// the oldest ones, and all of them over plain HTTP, where they send `Origin` alone.
fn is_from_our_page(web: &Web, parts: &Parts) -> bool {
    if parts.headers.contains_key(SEC_FETCH_SITE) {
        return single(&parts.headers, &SEC_FETCH_SITE)
            .is_some_and(|site| site == "same-origin" || site == "none");
    }
    if !parts.headers.contains_key(ORIGIN) {
        return true;
    }
    let origin = single(&parts.headers, &ORIGIN).and_then(|origin| Url::parse(origin.to_str().ok()?).ok());
    origin.is_some_and(|origin| Installation::of(web, parts).is_origin(&origin))
}

/// Returns true if the body is a form as browsers send it, in UTF-8.
fn is_urlencoded(headers: &HeaderMap) -> bool {
    let Some(content_type) = single(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_form =
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_form && parts.all(is_utf8) && !headers.contains_key(CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_decoded_once_and_the_first_of_a_name_counts() {
        let form = Form::parse(b"ids=a+b%0Ac%2526&project=&ids=x").unwrap();
        assert_eq!((form.field("ids"), form.field("project"), form.field("other")), ("a b\nc%26", "", ""));
        assert!(Form::parse(b"ids=%ff").is_none());
        assert!(Form::parse(b"\xff").is_none());
    }

    #[test]
    fn only_forms_in_utf_8_are_read() {
        for (content_type, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded;charset=\"utf-8\"", true),
            ("application/x-www-form-urlencoded; charset=latin1", false),
            ("multipart/form-data", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            assert_eq!(is_urlencoded(&headers), expected, "{content_type}");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert!(!is_urlencoded(&headers));
        }
        assert!(!is_urlencoded(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_body_makes_parsing_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _fields = Form::parse(&body);
        }
    }
}
