//! A moment, in words: for a person, in UTC, and how long ago it was.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment as a page shows it. `templates/time_text.html` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct TimeText {
    /// RFC 3339, for programs that read the page.
    pub(in crate::web) machine: String,
    /// Such as `20 Nov 2026, 10:00:00 UTC`.
    pub(in crate::web) absolute: String,
    /// Such as `3 hours ago`.
    pub(in crate::web) relative: String,
}

impl TimeText {
    /// The text of a moment, as seen from `now`; `None` for one beyond the year 9999.
    pub(in crate::web) fn new(at: crate::domain::Timestamp, now: crate::domain::Timestamp) -> Option<Self> {
        let seconds = i64::try_from(at.as_millis() / 1000).ok()?;
        let at_second = Timestamp::from_second(seconds).ok()?;
        Some(Self {
            machine: at_second.to_string(),
            absolute: at_second.to_zoned(TimeZone::UTC).strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
            relative: relative(at.as_millis(), now.as_millis()),
        })
    }
}

fn relative(at: u64, now: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = Duration::from_millis(at.abs_diff(now)).as_secs();
    let (count, unit) = match seconds {
        0 => return "just now".to_owned(),
        1..MINUTE => (seconds, "second"),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if at <= now { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp as Moment;

    #[test]
    fn a_moment_is_told_in_utc_and_by_its_age() {
        let text =
            TimeText::new(Moment::from_millis(1_795_167_600_999), Moment::from_millis(1_795_178_400_000));
        let text = text.unwrap();
        assert_eq!(text.machine, "2026-11-20T09:40:00Z");
        assert_eq!(text.absolute, "20 Nov 2026, 09:40:00 UTC");
        assert_eq!(text.relative, "2 hours ago");
        assert_eq!(TimeText::new(Moment::from_millis(u64::MAX), Moment::default()), None);
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (seconds, expected) in [
            (0, "just now"),
            (1, "1 second ago"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (86_400, "1 day ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(relative(0, seconds * 1000), expected);
        }
        assert_eq!(relative(120_000, 0), "in 2 minutes");
    }
}
