//! The form of the answer that a caller asks for: a page or JSON, from a cache or not.

use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL};

/// Returns true if the caller is a browser that wants a page: its `Accept` names `text/html`, and not with a weight of
/// zero.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    weights(headers, "text/html").any(|weight| weight > 0.0)
}

/// Returns true if the caller wants lines (NDJSON) rather than one JSON document: its `Accept` names them, not with a weight
/// of zero, and not with a lower one than JSON if it names that too.
pub(super) fn wants_ndjson(headers: &HeaderMap) -> bool {
    let json = weights(headers, "application/json").fold(0.0, f32::max);
    weights(headers, "application/x-ndjson").any(|weight| weight > 0.0 && weight >= json)
}

/// The weights (RFC 9110, section 12.4.2) with which `Accept` names a media type; one that is malformed is 1.
fn weights<'a>(headers: &'a HeaderMap, media_type: &'a str) -> impl Iterator<Item = f32> + 'a {
    elements(headers, &ACCEPT).filter_map(move |element| {
        let mut parts = element.split(';').map(str::trim);
        let is_named = parts.next()?.eq_ignore_ascii_case(media_type);
        is_named.then(|| parts.find_map(weight).unwrap_or(1.0))
    })
}

/// Returns true if the caller asks for an answer that comes from no cache (RFC 9111, section 5.2.1.4).
pub(super) fn forbids_cached(headers: &HeaderMap) -> bool {
    elements(headers, &CACHE_CONTROL).any(|directive| directive.eq_ignore_ascii_case("no-cache"))
}

/// The elements of a list that may stand on several lines; lines that are not ASCII are skipped.
fn elements<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn weight(parameter: &str) -> Option<f32> {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    weight.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_browser_wants_a_page_and_a_program_does_not() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("Text/HTML;q=0.1", true),
            ("application/json, text/html;level=1", true),
            ("text/html;q=0", false),
            ("text/html; Q=0.000", false),
            ("*/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_page(&headers), expected, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn lines_are_wanted_by_who_names_them_and_json_no_more() {
        for (accept, expected) in [
            ("application/x-ndjson", true),
            ("Application/X-NDJSON; q=0.1, */*", true),
            ("application/x-ndjson, application/json", true),
            ("application/json;q=0.5, application/x-ndjson;q=0.9", true),
            ("application/json, application/x-ndjson;q=0.9", false),
            ("application/x-ndjson;q=0", false),
            ("application/x-ndjson;q=0.000, application/json;q=0", false),
            ("application/*, */*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_ndjson(&headers), expected, "{accept}");
        }
        assert!(!wants_ndjson(&HeaderMap::new()));
    }

    #[test]
    fn no_cache_is_found_among_other_directives_and_on_any_line() {
        for (control, expected) in
            [("no-cache", true), ("max-age=0, No-Cache", true), ("max-age=0", false), ("no-cache=x", false)]
        {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(control))]);
            assert_eq!(forbids_cached(&headers), expected, "{control}");
        }
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=0"));
        headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        assert!(forbids_cached(&headers));
    }
}
