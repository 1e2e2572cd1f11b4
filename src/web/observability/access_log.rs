//! One line in the log for each answered request that the operator wants to see.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use opentelemetry::trace::TraceId;

use crate::domain::Item;

/// The longest that anything a caller chose may become in a line, in bytes.
const MAX_LEN: usize = 600;

/// The status of a request whose connection ended before its answer was ready, as nginx counts it.
pub(in crate::web) const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::REQUEST_TIMEOUT,
};

/// Which answered requests are logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLog {
    /// Which ones.
    pub requests: Requests,
    /// How what a caller chose is written.
    pub escaping: Escaping,
}

/// Which answered requests get a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// Each one.
    All,
    /// Those that cost a call to Nebuly, also if nobody waited for its answer, and those that failed with 500 or above.
    Cold,
    /// Those answered with 400 or above.
    Errors,
    /// None.
    None,
}

/// How what a caller chose is written into a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// As printable ASCII: a text log has no escapes of its own.
    PrintableAscii,
    /// As it is: JSON escapes it.
    ByFormat,
}

/// What a line says.
pub(in crate::web) struct Entry<'a> {
    pub(in crate::web) request_id: &'a str,
    pub(in crate::web) route: &'static str,
    pub(in crate::web) method: &'a Method,
    pub(in crate::web) status: StatusCode,
    /// Who asked, where a trusted proxy says so.
    pub(in crate::web) identity: Option<&'a str>,
    pub(in crate::web) item: Option<&'a Item<'a>>,
    pub(in crate::web) outcome: Option<&'static str>,
    /// The trace that it is part of, if it is traced.
    pub(in crate::web) trace_id: Option<TraceId>,
    /// When its head had been read.
    pub(in crate::web) began: Instant,
}

/// A text that a caller chose, made fit for a line.
struct Chosen<'a>(&'a str, Escaping);

impl AccessLog {
    /// Whether an answer with this status gets a line.
    fn wants(self, status: StatusCode, cold: bool) -> bool {
        match self.requests {
            Requests::All => true,
            Requests::Cold => cold || status.is_server_error(),
            Requests::Errors => status.as_u16() >= 400,
            Requests::None => false,
        }
    }

    /// Writes the line of an answered request, if it gets one.
    ///
    /// Who opened a link is logged in any case: without this line, in one of `nebulink::audit`. So is who was found gone:
    /// a caller may read the answer first and reset the connection then.
    pub(in crate::web) fn note(self, entry: &Entry<'_>, cold: bool) {
        if self.wants(entry.status, cold) {
            self.write(entry);
        } else if let (StatusCode::FOUND | CLIENT_CLOSED_REQUEST, Some(identity)) =
            (entry.status, entry.identity)
        {
            self.write_opened(entry, identity);
        }
    }

    /// Writes who opened a link.
    fn write_opened(self, entry: &Entry<'_>, identity: &str) {
        tracing::info!(
            target: "nebulink::audit",
            request_id = entry.request_id,
            route = entry.route,
            identity = %Chosen(identity, self.escaping),
            kind = entry.item.map(|item| item.kind().as_str()),
            id = entry.item.map(|item| Chosen(&item.id(), self.escaping).to_string()),
            "link opened"
        );
    }

    /// Writes a line; its level follows from the status.
    fn write(self, entry: &Entry<'_>) {
        macro_rules! line {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: "nebulink::access",
                    request_id = entry.request_id,
                    route = entry.route,
                    method = %Chosen(entry.method.as_str(), self.escaping),
                    status = entry.status.as_u16(),
                    identity = entry.identity.map(|identity| Chosen(identity, self.escaping).to_string()),
                    kind = entry.item.map(|item| item.kind().as_str()),
                    id = entry.item.map(|item| Chosen(&item.id(), self.escaping).to_string()),
                    outcome = entry.outcome,
                    trace_id = entry.trace_id.map(tracing::field::display),
                    duration_ms = milliseconds(entry.began.elapsed()),
                    $message
                )
            };
        }
        match entry.status.as_u16() {
            499 => line!(info, "connection closed before the answer"),
            500 => line!(error, "request answered"),
            501.. => line!(warn, "request answered"),
            _ => line!(info, "request answered"),
        }
    }
}

/// Milliseconds, rounded to whole microseconds: at most three decimals are written.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

impl fmt::Display for Chosen<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, escaping) = self;
        let mut written = 0;
        for char in text.chars() {
            let escaped = match escaping {
                Escaping::PrintableAscii if !matches!(char, ' '..='~') || char == '\\' => {
                    Some(char.escape_default())
                }
                _ => None,
            };
            written += escaped.as_ref().map_or(char.len_utf8(), ExactSizeIterator::len);
            if written > MAX_LEN {
                return Ok(());
            }
            match escaped {
                Some(escaped) => write!(formatter, "{escaped}")?,
                None => formatter.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, escaping: Escaping) -> String {
        Chosen(text, escaping).to_string()
    }

    #[test]
    fn what_a_caller_chose_is_printable_ascii_in_a_text_log_and_bounded_in_any() {
        assert_eq!(written("a b/ü\u{1b}\\", Escaping::PrintableAscii), r"a b/\u{fc}\u{1b}\\");
        assert_eq!(written("a/ü", Escaping::ByFormat), "a/ü");
        for escaping in [Escaping::PrintableAscii, Escaping::ByFormat] {
            assert!((590..=600).contains(&written(&"ü".repeat(1000), escaping).len()));
        }
    }

    #[test]
    fn a_duration_is_milliseconds_with_at_most_three_decimals() {
        for (nanoseconds, expected) in [
            (16_584, "0.017"),
            (499, "0.0"),
            (1_000_000, "1.0"),
            (123_456_789, "123.457"),
            (29_999_999_999, "30000.0"),
        ] {
            let written = serde_json::to_string(&milliseconds(Duration::from_nanos(nanoseconds))).unwrap();
            assert_eq!(written, expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_duration_has_more_than_three_decimals(nanoseconds in 0..3_600_000_000_000_u64) {
            let written = milliseconds(Duration::from_nanos(nanoseconds)).to_string();
            proptest::prop_assert!(written.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 3), "{}", written);
        }
    }

    #[test]
    fn each_access_level_takes_its_own_requests() {
        let wanted = |requests, status, cold| {
            AccessLog { requests, escaping: Escaping::ByFormat }
                .wants(StatusCode::from_u16(status).unwrap(), cold)
        };
        for (requests, hit, resolved, bad, negative, failed) in [
            (Requests::All, true, true, true, true, true),
            (Requests::Cold, false, true, false, false, true),
            (Requests::Errors, false, false, true, true, true),
            (Requests::None, false, false, false, false, false),
        ] {
            assert_eq!(wanted(requests, 302, false), hit, "{requests:?}");
            assert_eq!(wanted(requests, 302, true), resolved, "{requests:?}");
            assert_eq!(wanted(requests, 400, false), bad, "{requests:?}");
            assert_eq!(wanted(requests, 404, false), negative, "{requests:?}");
            assert_eq!(wanted(requests, 502, true), failed, "{requests:?}");
        }
    }
}
