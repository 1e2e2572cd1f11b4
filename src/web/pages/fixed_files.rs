//! Files at fixed paths: the mark, the file for robots, and the description for browsers.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::page_response::secure_response;
use crate::web::problem::Problem;

/// How long a browser or robot may keep what is the same for everybody: a day.
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// How long a browser may keep what depends on the address that was asked for: an hour.
pub(in crate::web) const AN_HOUR: HeaderValue = HeaderValue::from_static("private, max-age=3600");

/// The mark. It is the same in the header of each page.
const MARK: &str = include_str!("../../../templates/mark.svg");

/// Links are not for search engines: each one may cost a call.
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// A description as `OpenSearch` 1.1 has it: a keyword in the browser's bar opens a link.
#[derive(Template)]
#[template(path = "opensearch.xml")]
struct OpenSearch<'a> {
    /// The address of this installation.
    address: &'a str,
}

/// `/favicon.svg`.
pub(in crate::web) fn favicon() -> Response {
    kept_for_a_day("image/svg+xml", MARK)
}

/// `/robots.txt`.
pub(in crate::web) fn robots() -> Response {
    kept_for_a_day("text/plain; charset=utf-8", ROBOTS)
}

/// `/opensearch.xml`, for the installation at this address.
pub(in crate::web) fn open_search(address: &str) -> Result<Response, Problem> {
    let description = OpenSearch { address }.render().map_err(|_| Problem::Internal)?;
    let content_type = HeaderValue::from_static("application/opensearchdescription+xml");
    let mut response = secure_response(StatusCode::OK, content_type, description);
    response.headers_mut().insert(CACHE_CONTROL, AN_HOUR);
    Ok(response)
}

fn kept_for_a_day(content_type: &'static str, text: &str) -> Response {
    let mut response =
        secure_response(StatusCode::OK, HeaderValue::from_static(content_type), text.to_owned());
    response.headers_mut().insert(CACHE_CONTROL, A_DAY);
    response
}
