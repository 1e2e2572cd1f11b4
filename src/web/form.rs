//! The form of a page: who may send one, and its fields.

use axum::body::Body;
use http::header::{HeaderName, ORIGIN};
use percent_encoding::percent_decode;
use url::Url;

use super::Web;
use super::headers::single;
use super::installation::Installation;
use super::problem::Problem;
use super::request_body::{is_sent_as, read_body};
use super::request_head::RequestHead;
use crate::domain::LazyCaller;

/// The type of a form as browsers send it.
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The fields of the forms of our pages; the first of its name counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) ids: Option<String>,
    pub(super) project: Option<String>,
    pub(super) address: Option<String>,
}

impl Form {
    /// Reads the form that a page of ours has sent. Any other is refused before its body is read, and so is one too many at
    /// once.
    pub(super) async fn read(
        web: &Web,
        head: &RequestHead,
        body: Body,
        caller: &dyn LazyCaller,
    ) -> Result<Self, Problem> {
        if !is_from_our_page(web, head) {
            return Err(Problem::CrossSite);
        }
        if !is_sent_as(&head.headers, MEDIA_TYPE) {
            return Err(Problem::UnsupportedForm);
        }
        let body = read_body(web, head, body, caller).await?;
        Self::parse(&body).ok_or(Problem::UnsupportedForm)
    }

    /// `None` if one of its fields is not UTF-8.
    fn parse(body: &[u8]) -> Option<Self> {
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            // No browser encodes these names.
            let field = match parts.next() {
                Some(b"ids") => &mut form.ids,
                Some(b"project") => &mut form.project,
                Some(b"address") => &mut form.address,
                _ => continue,
            };
            if field.is_none() {
                *field = Some(decoded(parts.next().unwrap_or_default())?);
            }
        }
        Some(form)
    }
}

/// Decodes a value; `None` if it is not UTF-8.
fn decoded(value: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

/// Returns true if no other site can have made a browser send the request. Browsers say from where they send a form, except
/// the oldest ones, and all of them over plain HTTP, where they send `Origin` alone.
fn is_from_our_page(web: &Web, head: &RequestHead) -> bool {
    if head.headers.contains_key(SEC_FETCH_SITE) {
        return single(&head.headers, &SEC_FETCH_SITE)
            .is_some_and(|site| site == "same-origin" || site == "none");
    }
    if !head.headers.contains_key(ORIGIN) {
        return true;
    }
    let origin = single(&head.headers, &ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|text| {
        // Written as browsers write it (RFC 6454, section 6.2): nothing but scheme, host and port.
        let origin = Url::parse(text).ok().filter(|origin| origin.origin().ascii_serialization() == text);
        origin.is_some_and(|origin| Installation::of(web, head).is_origin(&origin))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_decoded_once_and_the_first_of_a_name_counts() {
        let form = Form::parse(b"x&ids=a+b%0Ac%2526=d&=&&project=&ids=x&other=%ff").unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(form, Form { ids: text("a b\nc%26=d"), project: text(""), address: None });
        assert_eq!(Form::parse(b"ids").unwrap().ids, text(""));
        assert_eq!(Form::parse(b"").unwrap(), Form::default());
        assert!(Form::parse(b"ids=%ff").is_none());
        assert!(Form::parse(b"ids=\xff").is_none());
    }

    proptest! {
        #[test]
        fn no_body_makes_parsing_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _fields = Form::parse(&body);
        }
    }
}
