//! `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The longest pause that is believed: whoever asks for more may just have a wrong clock.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How long an answer asks us to wait, in either form. A date counts from the answer's own `Date`, so that the clocks of
/// two machines need not agree; without one, from `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number beyond 64 bits is a long pause as well.
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let sent = text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(sent).unwrap_or_default()
    };
    Some(pause.min(LONGEST))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        let now = httpdate::parse_http_date("Fri, 20 Nov 2026 10:00:00 GMT").unwrap();
        retry_after(&headers, now).map(|pause| pause.as_secs())
    }

    #[test]
    fn seconds_are_read_and_cut_at_five_minutes() {
        for (value, seconds) in
            [("0", 0), (" 7 ", 7), ("300", 300), ("301", 300), ("99999999999999999999999", 300)]
        {
            assert_eq!(read(value, None), Some(seconds), "{value}");
        }
    }

    #[test]
    fn a_date_counts_from_the_date_of_the_answer_or_else_from_now() {
        for (date, sent, seconds) in [
            ("Fri, 20 Nov 2026 10:00:30 GMT", None, 30),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some("Fri, 20 Nov 2026 12:00:10 GMT"), 20),
            ("Fri, 20 Nov 2026 10:00:30 GMT", Some("yesterday"), 30),
            ("Fri, 20 Nov 2026 09:00:00 GMT", None, 0),
            ("Sat, 21 Nov 2026 10:00:00 GMT", None, 300),
        ] {
            assert_eq!(read(date, sent), Some(seconds), "{date} {sent:?}");
        }
    }

    #[test]
    fn anything_else_is_no_pause() {
        for value in ["", "soon", "-1", "1.5", "Fri, 32 Nov 2026 10:00:00 GMT"] {
            assert_eq!(read(value, None), None, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
    }
}
