//! Durations that have to fit into each other.

use std::time::Duration;

use humantime::format_duration;

use super::reader::Reader;
use super::value::positive;

/// Each pair is a duration and one that it must fit into; the flag says that both may be equal.
const PAIRS: [(&str, &str, bool); 3] = [
    ("nebuly.connect_timeout", "nebuly.attempt_timeout", true),
    ("nebuly.attempt_timeout", "nebuly.deadline", true),
    // What came of the last attempt still has to be written.
    ("nebuly.deadline", "server.request_timeout", false),
];

/// Notes a problem for each pair that does not fit. A duration that cannot be read has its own problem already.
pub(super) fn check(reader: &mut Reader<'_>) {
    let duration = |reader: &Reader<'_>, key| -> Option<Duration> { reader.peek(key, positive()) };
    for (key, limit_key, may_equal) in PAIRS {
        let (Some(inner), Some(outer)) = (duration(reader, key), duration(reader, limit_key)) else {
            continue;
        };
        if inner < outer || (may_equal && inner == outer) {
            continue;
        }
        let must = if may_equal { "must not be longer than" } else { "must be shorter than" };
        let (inner, outer) = (format_duration(inner), format_duration(outer));
        reader.refuse(&[key, limit_key], format!("{key} ({inner}) {must} {limit_key} ({outer})"));
    }
}
