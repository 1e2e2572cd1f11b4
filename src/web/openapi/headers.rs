//! The headers that answers have.

use http::StatusCode;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Header, HeaderBuilder, ResponseBuilder};

use super::component::component;

/// Those of every answer.
pub(super) const EVERYWHERE: &[&str] = &["x-request-id", "x-content-type-options", "referrer-policy"];

/// Those of many links.
pub(super) const OF_LINKS: &[&str] = &["x-accel-buffering"];

/// Those of an answer with a body.
pub(super) const WITH_BODY: &[&str] = &["cache-control", "content-security-policy"];

/// Those that say how the answer of a link came about.
pub(super) const OF_LINK: &[&str] = &["cache-status", "server-timing"];

/// Those that a browser wants of an answer to a page of another origin.
pub(super) const CROSS_ORIGIN: &[&str] =
    &["access-control-allow-origin", "access-control-expose-headers", "vary"];

/// Those of the answer to a preflight.
pub(super) const PREFLIGHT: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "cache-control",
    "vary",
    "allow",
];

/// Those of a redirect.
pub(super) const REDIRECT: &[&str] = &["location", "cache-control", "x-robots-tag"];

/// Those of a page.
pub(super) const PAGE: &[&str] = &["x-robots-tag"];

/// Those of a problem with this status.
pub(super) const fn of_problem(status: StatusCode) -> &'static [&'static str] {
    match status {
        StatusCode::UNAUTHORIZED => &["www-authenticate"],
        StatusCode::NOT_FOUND => &["refresh"],
        StatusCode::METHOD_NOT_ALLOWED => &["allow"],
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => &["retry-after"],
        _ => &[],
    }
}

/// Adds headers by their names.
pub(super) fn add(response: ResponseBuilder, names: &[&[&str]]) -> ResponseBuilder {
    names
        .iter()
        .copied()
        .flatten()
        .fold(response, |response, name| response.header_ref(*name, component("headers", name)))
}

/// Every header, with its description and an example.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Header)> {
    TABLE.iter().map(|(name, description, example)| {
        let number = example.parse::<u32>().ok();
        let schema =
            ObjectBuilder::new().schema_type(if number.is_some() { Type::Integer } else { Type::String });
        let example = number.map_or_else(|| Value::from(*example), Value::from);
        (
            *name,
            HeaderBuilder::new()
                .schema(Some(schema))
                .description(Some(*description))
                .example(Some(example))
                .build(),
        )
    })
}

const TABLE: &[(&str, &str, &str)] = &[
    (
        "access-control-allow-headers",
        "For an origin of `access.cors_origins`.",
        "authorization,cache-control,content-type,x-request-id",
    ),
    ("access-control-allow-methods", "For an origin of `access.cors_origins`.", "GET,POST"),
    (
        "access-control-allow-origin",
        "For an origin of `access.cors_origins`.",
        "https://dashboard.example.com",
    ),
    (
        "access-control-expose-headers",
        "For an origin of `access.cors_origins`.",
        "cache-status,retry-after,server-timing,x-request-id",
    ),
    ("access-control-max-age", "Seconds; for an origin of `access.cors_origins`.", "600"),
    ("allow", "The methods of this path.", "GET,HEAD"),
    ("cache-control", "How long a browser may keep the answer.", "no-store"),
    ("cache-status", "How the answer of the link came about (RFC 9211).", "nebulink; hit"),
    ("content-security-policy", "A browser may load nothing from elsewhere.", "default-src 'none'"),
    ("location", "The URL, as Nebuly gave it.", "https://v2.platform.eu.nebuly.com/"),
    ("referrer-policy", "Other sites do not learn the address.", "no-referrer"),
    (
        "refresh",
        "Loads the page of an unknown item again; for a browser.",
        "5;url=/go/conversation?id=a&looks=1",
    ),
    ("retry-after", "Seconds.", "5"),
    ("server-timing", "How long Nebuly took, in milliseconds, if it was asked.", "nebuly;dur=87.120"),
    ("vary", "The headers of a request on which the answer depends.", "origin"),
    ("www-authenticate", "The scheme of API tokens.", "Bearer"),
    ("x-accel-buffering", "With NDJSON: asks nginx to hold no line back.", "no"),
    ("x-content-type-options", "The content is what its type says.", "nosniff"),
    ("x-request-id", "The request's id, which its line in the log has, too.", "7d2f0c1b9a3e4d58"),
    ("x-robots-tag", "No search engine may list it.", "noindex, nofollow"),
];
