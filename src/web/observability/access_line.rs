//! A line of the access log as JSON, written by hand.
//!
//! It is the line that tracing-subscriber would write, field for field, in a fraction of the time: every redirect has one by
//! default. All other events, and the access log as text, go through tracing.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use opentelemetry::trace::TraceId;
use serde::Serialize;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use uuid::fmt::Hyphenated;

use super::link_outcome::LinkOutcome;
use super::request_record::RequestRecord;
use crate::domain::Item;

/// Where lines go that are written by hand.
#[derive(Debug, Clone, Copy)]
pub struct JsonLines {
    /// Takes a whole line, with its line end.
    pub push: fn(&[u8]),
    /// The lowest level of the access log that is written.
    pub level: LevelFilter,
}

/// The longest text of a caller's in a line, in bytes after escaping.
pub(super) const MAX_LEN: usize = 600;

/// The target of the access log, by which `log.level` chooses its lines.
pub const ACCESS_TARGET: &str = "nebulink::access";

/// The length of `2026-11-22T10:20:01`.
const SECOND_LEN: usize = 19;

impl JsonLines {
    /// Writes the line of a request.
    pub(super) fn write(
        self,
        level: Level,
        message: &str,
        record: &RequestRecord<'_>,
        duration: Duration,
        trace_id: Option<TraceId>,
    ) {
        thread_local!(static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        if level > self.level {
            return;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let write = |line: &mut Vec<u8>| {
            line.clear();
            append(line, now, level, message, record, duration, trace_id);
            (self.push)(line);
        };
        // A thread that is ending has no buffer any more.
        if LINE.try_with(|line| write(&mut line.borrow_mut())).is_err() {
            write(&mut Vec::new());
        }
    }
}

/// Appends the line of a request. `now` is the time since the Unix epoch.
fn append(
    line: &mut Vec<u8>,
    now: Duration,
    level: Level,
    message: &str,
    record: &RequestRecord<'_>,
    duration: Duration,
    trace_id: Option<TraceId>,
) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    append_second(line, now.as_secs());
    line.push(b'.');
    append_digits(line, now.subsec_micros(), 100_000);
    line.extend_from_slice(b"Z\",\"level\":\"");
    line.extend_from_slice(level.as_str().as_bytes());
    // Our own words need no escaping, and neither does a request id.
    line.push(b'"');
    append_plain(line, "message", message);
    append_plain(line, "request_id", record.request_id.as_str());
    append_plain(line, "route", record.route.pattern());
    append_escaped(line, "method", record.method.as_str());
    append_number(line, "status", record.status.as_u16());
    if let Some(identity) = record.identity {
        append_escaped(line, "identity", identity);
    }
    if let Some(tag) = record.tag {
        append_escaped(line, "tag", tag);
    }
    if let Some(item) = record.item {
        append_plain(line, "kind", item.kind().as_str());
        match item {
            Item::Interaction(id) => {
                append_plain(line, "id", id.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]));
            }
            Item::Conversation(id) => append_escaped(line, "id", id.as_str()),
        }
    }
    if let Some(outcome) = record.outcome.map(LinkOutcome::as_str) {
        append_plain(line, "outcome", outcome);
    }
    if let Some(links) = record.links {
        append_number(line, "links", links);
    }
    if let Some(trace_id) = trace_id {
        append_plain(line, "trace_id", &trace_id.to_string());
    }
    append_name(line, "duration_ms");
    append_milliseconds(line, duration);
    append_plain(line, "target", ACCESS_TARGET);
    line.extend_from_slice(b"}\n");
}

fn append_name(line: &mut Vec<u8>, name: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

/// Appends a text that has nothing to escape.
fn append_plain(line: &mut Vec<u8>, name: &str, text: &str) {
    append_name(line, name);
    line.push(b'"');
    line.extend_from_slice(text.as_bytes());
    line.push(b'"');
}

/// Appends a text that a caller chose.
fn append_escaped(line: &mut Vec<u8>, name: &str, text: &str) {
    append_name(line, name);
    append_json(line, cut(text));
}

fn append_number(line: &mut Vec<u8>, name: &str, number: impl Serialize) {
    append_name(line, name);
    append_json(line, number);
}

fn append_json(line: &mut Vec<u8>, value: impl Serialize) {
    // Texts and numbers can be written as JSON, and memory takes every byte.
    serde_json::to_writer(line, &value).ok();
}

/// Appends the time up to its second. It is formatted once for each second and thread.
fn append_second(line: &mut Vec<u8>, seconds: u64) {
    thread_local!(static SECOND: Cell<(u64, [u8; SECOND_LEN])> = const { Cell::new((u64::MAX, [0; SECOND_LEN])) });
    let format = || {
        let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let text = time.unwrap_or_default().to_string();
        text.as_bytes().first_chunk().copied().unwrap_or([b'0'; SECOND_LEN])
    };
    let text = SECOND.try_with(|second| match second.get() {
        (known, text) if known == seconds => text,
        _ => {
            let text = format();
            second.set((seconds, text));
            text
        }
    });
    line.extend_from_slice(&text.unwrap_or_else(|_ending| format()));
}

/// Appends milliseconds with at most three decimals, and at least one.
fn append_milliseconds(line: &mut Vec<u8>, duration: Duration) {
    let micros = (duration + Duration::from_nanos(500)).as_micros();
    append_json(line, u64::try_from(micros / 1000).unwrap_or(u64::MAX));
    line.push(b'.');
    let decimals = u32::try_from(micros % 1000).unwrap_or(0);
    append_digits(line, decimals, 100);
    for _ in 0..2 {
        line.pop_if(|last| *last == b'0');
    }
}

/// Appends a number with leading zeros; `first` is the value of its first digit.
fn append_digits(line: &mut Vec<u8>, number: u32, first: u32) {
    let mut value = first;
    while value > 0 {
        line.push(b'0' + u8::try_from(number / value % 10).unwrap_or(0));
        value /= 10;
    }
}

/// The beginning of a text that a caller chose, as long as it fits a line.
fn cut(text: &str) -> &str {
    if text.len() <= MAX_LEN {
        return text;
    }
    let end = (0..=MAX_LEN).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use http::{HeaderMap, Method, StatusCode};
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use serde_json::Value;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::telemetry::{LogFormat, subscriber};
    use crate::web::observability::{AccessLogger, Escaping, LoggedRequests, RequestId};
    use crate::web::route::{LinkRoute, Route};

    thread_local!(static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

    /// Keeps what the subscriber writes.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The line of a record as it is written by hand, and as tracing writes it; without their times.
    fn both(record: &RequestRecord<'_>, duration: Duration, trace_id: Option<TraceId>) -> (String, String) {
        let logger = AccessLogger { requests: LoggedRequests::All, escaping: Escaping::ByFormat, json: None };
        let push: fn(&[u8]) = |line| WRITTEN.with(|written| written.borrow_mut().extend_from_slice(line));
        let json = Some(JsonLines { push, level: LevelFilter::INFO });
        AccessLogger { json, ..logger }.log(record, duration, trace_id);
        let by_hand = String::from_utf8(WRITTEN.take()).unwrap();
        let kept = Kept::default();
        let everything = Targets::new().with_default(LevelFilter::TRACE);
        let tracing = subscriber(LogFormat::Json, everything, false, kept.clone());
        tracing::subscriber::with_default(tracing, || logger.log(record, duration, trace_id));
        let by_tracing = String::from_utf8(kept.0.lock().clone()).unwrap();
        (without_time(&by_hand), without_time(&by_tracing))
    }

    fn without_time(line: &str) -> String {
        let (time, rest) = line.split_once("\",").unwrap();
        let time = time.strip_prefix("{\"timestamp\":\"").unwrap();
        assert_eq!((time.len(), time.parse::<Timestamp>().is_ok()), (27, true), "{line}");
        rest.to_owned()
    }

    #[test]
    fn a_line_has_the_second_of_its_time_and_six_decimals() {
        let mut line = Vec::new();
        for (seconds, expected) in [
            (1_795_342_800, "2026-11-22T10:20:00"),
            (1_795_342_801, "2026-11-22T10:20:01"),
            (0, "1970-01-01T00:00:00"),
        ] {
            line.clear();
            append_second(&mut line, seconds);
            append_second(&mut line, seconds);
            assert_eq!(String::from_utf8_lossy(&line), expected.repeat(2));
        }
        line.clear();
        append_digits(&mut line, 42, 100_000);
        assert_eq!(line, b"000042");
    }

    #[test]
    fn a_level_that_is_switched_off_writes_nothing() {
        let request_id = RequestId::of(&HeaderMap::new());
        let mut record = record(&request_id, &Method::GET);
        for (level, status, is_written) in [
            (LevelFilter::INFO, 302, true),
            (LevelFilter::WARN, 302, false),
            (LevelFilter::WARN, 503, true),
            (LevelFilter::ERROR, 503, false),
            (LevelFilter::ERROR, 500, true),
            (LevelFilter::OFF, 500, false),
        ] {
            record.status = StatusCode::from_u16(status).unwrap();
            let push: fn(&[u8]) = |line| WRITTEN.with(|written| written.borrow_mut().extend_from_slice(line));
            let json = Some(JsonLines { push, level });
            AccessLogger { requests: LoggedRequests::All, escaping: Escaping::ByFormat, json }.log(
                &record,
                Duration::ZERO,
                None,
            );
            assert_eq!(WRITTEN.take().is_empty(), !is_written, "{level} {status}");
        }
    }

    fn record<'a>(request_id: &'a RequestId, method: &'a Method) -> RequestRecord<'a> {
        RequestRecord {
            request_id,
            route: Route::Redirect(LinkRoute::of("/go/conversation/x").unwrap()),
            method,
            status: StatusCode::FOUND,
            identity: None,
            tag: None,
            item: None,
            outcome: None,
            links: None,
            is_cold: false,
            started: Instant::now(),
        }
    }

    proptest! {
        #[test]
        fn a_line_by_hand_is_the_line_of_the_subscriber_byte_for_byte(
            method in "[A-Z!#$%&'*+.^_|~-]{1,20}",
            status in 200_u16..600,
            identity in prop::option::of("[ -~]{1,256}"),
            tag in prop::option::of("\\PC{1,20}"),
            id in prop::option::of(prop_oneof!["\\PC{1,300}", "[\\x01-\\x1f\"\\\\/\u{7f}\u{2028}é😀]{1,120}", "[0-9a-f]{32}"]),
            outcome in prop::option::of(0..2),
            links in prop::option::of(0..2000_usize),
            trace_id in prop::option::of(1_u128..),
            nanos in prop_oneof![0..4_000_000_u64, 0..3_600_000_000_000_u64],
        ) {
            let request_id = RequestId::of(&HeaderMap::new());
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let item = id.as_deref().and_then(|id| Item::interaction(id).or_else(|_| Item::conversation(id)).ok());
            let outcome = outcome.map(|number| if number == 0 { LinkOutcome::Hit } else { LinkOutcome::Failed });
            let record = RequestRecord {
                status: StatusCode::from_u16(status).unwrap(),
                identity: identity.as_deref(),
                tag: tag.as_deref(),
                item: item.as_ref(),
                outcome,
                links,
                ..record(&request_id, &method)
            };
            let trace_id = trace_id.map(TraceId::from);
            let (by_hand, by_tracing) = both(&record, Duration::from_nanos(nanos), trace_id);
            let read: Value = serde_json::from_str(&format!("{{{by_hand}")).unwrap();
            prop_assert_eq!(&read["target"], ACCESS_TARGET);
            prop_assert_eq!(by_hand, by_tracing);
        }
    }
}
