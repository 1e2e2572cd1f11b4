//! Moments as JSON writes them.

use crate::domain::Timestamp;

/// RFC 3339 in UTC, to the second; nothing for a moment beyond the year 9999.
pub(super) fn rfc3339(moment: Timestamp) -> Option<String> {
    let seconds = i64::try_from(moment.as_millis() / 1000).ok()?;
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}
