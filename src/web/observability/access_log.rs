//! One line in the log for each answered request that the operator wants to see.

use std::fmt::{self, Write as _};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::trace::TraceId;
use tracing::Level;

use super::access_line::{ACCESS_TARGET, JsonLines, MAX_LEN};
use super::link_outcome::LinkOutcome;
use super::request_record::RequestRecord;

/// Writes the access log.
#[derive(Debug, Clone, Copy)]
pub struct AccessLogger {
    /// The requests that get a line.
    pub requests: LoggedRequests,
    /// The form of texts that a caller chose.
    pub escaping: Escaping,
    /// Where lines go if they are JSON; otherwise they go through tracing, as all other events do.
    pub json: Option<JsonLines>,
}

/// The answered requests that get a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedRequests {
    /// Each one.
    All,
    /// Those that cost a call to Nebuly, also if nobody waited for its answer, and those that failed with 500 or above.
    Cold,
    /// Those answered with 400 or above.
    Errors,
    /// None.
    None,
}

/// The form of texts that a caller chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// As printable ASCII: a text log has no escapes of its own.
    PrintableAscii,
    /// As it is: JSON escapes it.
    ByFormat,
}

/// A text that a caller chose, escaped and cut to fit a line.
struct Sanitized<'a>(&'a str, Escaping);

impl AccessLogger {
    /// Returns true if a request gets a line.
    fn wants(self, status: StatusCode, is_cold: bool) -> bool {
        match self.requests {
            LoggedRequests::All => true,
            LoggedRequests::Cold => is_cold || status.is_server_error(),
            LoggedRequests::Errors => status.as_u16() >= 400,
            LoggedRequests::None => false,
        }
    }

    /// Writes the line of an answered request, if it gets one.
    ///
    /// Who opened a link, its page, or many links at once is logged in any case: without this line, in one of
    /// `nebulink::audit`. So is a client that disconnected: it may read the answer first and reset the connection then.
    pub(in crate::web) fn log(
        self,
        record: &RequestRecord<'_>,
        duration: Duration,
        trace_id: Option<TraceId>,
    ) {
        if self.wants(record.status, record.is_cold) {
            self.log_request(record, duration, trace_id);
        } else if let Some(identity) = record.identity.filter(|_| record.is_opened()) {
            tracing::info!(
                target: "nebulink::audit",
                request_id = record.request_id.as_str(),
                route = record.route.pattern(),
                identity = %Sanitized(identity, self.escaping),
                tag = record.tag.map(|tag| Sanitized(tag, self.escaping).to_string()),
                kind = record.item.map(|item| item.kind().as_str()),
                id = record.item.map(|item| Sanitized(&item.id(), self.escaping).to_string()),
                links = record.links,
                "link opened"
            );
        }
    }

    /// Writes a line; its level follows from the status.
    fn log_request(self, record: &RequestRecord<'_>, duration: Duration, trace_id: Option<TraceId>) {
        let (level, message) = match record.status.as_u16() {
            499 => (Level::INFO, "connection closed before the answer"),
            500 => (Level::ERROR, "request answered"),
            501.. => (Level::WARN, "request answered"),
            _ => (Level::INFO, "request answered"),
        };
        if let Some(json) = self.json {
            json.write(level, message, record, duration, trace_id);
            return;
        }
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: ACCESS_TARGET,
                    $level,
                    request_id = record.request_id.as_str(),
                    route = record.route.pattern(),
                    method = %Sanitized(record.method.as_str(), self.escaping),
                    status = record.status.as_u16(),
                    identity = record.identity.map(|identity| Sanitized(identity, self.escaping).to_string()),
                    tag = record.tag.map(|tag| Sanitized(tag, self.escaping).to_string()),
                    kind = record.item.map(|item| item.kind().as_str()),
                    id = record.item.map(|item| Sanitized(&item.id(), self.escaping).to_string()),
                    outcome = record.outcome.map(LinkOutcome::as_str),
                    links = record.links,
                    trace_id = trace_id.map(tracing::field::display),
                    duration_ms = milliseconds(duration),
                    "{message}"
                )
            };
        }
        // The level of a place in the code is fixed.
        match level {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            _ => line!(Level::INFO),
        }
    }
}

/// Milliseconds, rounded to whole microseconds: at most three decimals are written.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

impl fmt::Display for Sanitized<'_> {
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
        Sanitized(text, escaping).to_string()
    }

    #[test]
    fn a_callers_text_is_printable_ascii_in_a_text_log_and_bounded_in_any() {
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
    fn each_level_logs_its_own_requests() {
        let wanted = |requests, status, is_cold| {
            AccessLogger { requests, escaping: Escaping::ByFormat, json: None }
                .wants(StatusCode::from_u16(status).unwrap(), is_cold)
        };
        for (requests, hit, resolved, bad, negative, failed) in [
            (LoggedRequests::All, true, true, true, true, true),
            (LoggedRequests::Cold, false, true, false, false, true),
            (LoggedRequests::Errors, false, false, true, true, true),
            (LoggedRequests::None, false, false, false, false, false),
        ] {
            assert_eq!(wanted(requests, 302, false), hit, "{requests:?}");
            assert_eq!(wanted(requests, 302, true), resolved, "{requests:?}");
            assert_eq!(wanted(requests, 400, false), bad, "{requests:?}");
            assert_eq!(wanted(requests, 404, false), negative, "{requests:?}");
            assert_eq!(wanted(requests, 502, true), failed, "{requests:?}");
        }
    }
}
