//! The pauses before a call is made again: our own backoff, and `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The middle of the first pause: long enough for a load balancer to notice a dead server, short for a caller who waits.
const FIRST: Duration = Duration::from_millis(100);

/// The longest `Retry-After` that is honoured: a longer one may come from a wrong clock.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The backoff before the attempt after `failed` failed ones: around 100 ms before the second, and twice as long before
/// each further one. With a jitter of half of it, so that calls that failed together are not repeated together.
pub(super) fn pause(failed: u32) -> Duration {
    jittered(failed, fastrand::f64())
}

/// [`pause`], with a random number from 0 to 1.
fn jittered(failed: u32, random: f64) -> Duration {
    let doublings = failed.saturating_sub(1).min(10);
    FIRST.saturating_mul(1 << doublings).mul_f64(0.5 + random)
}

/// The pause that an answer asks for, in either form. A date counts from the answer's own `Date`, so that the clocks of
/// two machines need not agree; without one, from `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number beyond 64 bits is a long pause as well.
        value.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let sent = text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(sent).unwrap_or_default()
    };
    Some(pause.min(LONGEST_RETRY_AFTER))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_pause_is_50_to_150_milliseconds_and_each_further_one_doubles() {
        let milliseconds = |failed, random| jittered(failed, random).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(|random| milliseconds(1, random)), [50, 100, 150]);
        assert_eq!([1, 2, 3, 4].map(|failed| milliseconds(failed, 0.5)), [100, 200, 400, 800]);
        assert_eq!(milliseconds(u32::MAX, 0.5), milliseconds(11, 0.5));
    }

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
