//! The details of an item, as a page shows them: times, money and durations in the words of people.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::{DetailValue, Details, Kind, PlainValue, Timestamp};
use crate::web::pages::{TimeText, VisibleText};

/// The longest text that is shown, in characters. Longer texts of Nebuly's come cut at this length.
const MAX_TEXT: usize = 1000;

/// The most emotions that are shown.
const MAX_EMOTIONS: usize = 5;

/// A row of the details.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DetailRow {
    pub(super) label: Cow<'static, str>,
    pub(super) value: ShownValue,
}

/// The value of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShownValue {
    Time(TimeText),
    Text(VisibleText),
}

/// The meaning of a field's value, where Nebuly documents one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Time,
    /// One of Nebuly's own words.
    Word,
    Emotions,
    /// Millionths of a dollar.
    MicroDollars,
    Seconds,
    Interactions,
    /// Whatever else.
    Other,
}

/// The rows of an item's details. Fields without a value are left out.
pub(super) fn rows(kind: Kind, details: &Details, now: Timestamp) -> Vec<DetailRow> {
    let row = |(name, value): &(Arc<str>, DetailValue)| {
        let (label, meaning) = meaning_of(kind, name);
        let label = label.map_or_else(|| Cow::Owned(raised(&name.replace('_', " "))), Cow::Borrowed);
        Some(DetailRow { label, value: shown(meaning, value, now)? })
    };
    details.fields.iter().filter_map(row).collect()
}

/// The label and the meaning of a field. The unit of an interaction's cost and latency is not documented, so these are
/// plain numbers.
fn meaning_of(kind: Kind, name: &str) -> (Option<&'static str>, Meaning) {
    match (kind, name) {
        (_, "timestamp" | "start_session") => (Some("Started"), Meaning::Time),
        (_, "end_timestamp" | "end_session") => (Some("Ended"), Meaning::Time),
        (_, "sentiment" | "topic" | "intent") => (None, Meaning::Word),
        (_, "emotions") => (None, Meaning::Emotions),
        (_, "text_language") => (Some("Language"), Meaning::Other),
        (Kind::Conversation, "cost") => (None, Meaning::MicroDollars),
        (_, "session_length") => (Some("Length"), Meaning::Interactions),
        (_, "session_time") => (Some("Duration"), Meaning::Seconds),
        _ => (None, Meaning::Other),
    }
}

fn shown(meaning: Meaning, value: &DetailValue, now: Timestamp) -> Option<ShownValue> {
    if meaning == Meaning::Time
        && let DetailValue::Plain(PlainValue::Text(text)) = value
        && let Some(time) = time(text, now)
    {
        return Some(ShownValue::Time(time));
    }
    let text = match (meaning, value) {
        (Meaning::Word, DetailValue::Plain(PlainValue::Text(text))) => raised(text),
        (Meaning::Emotions, DetailValue::Object(members)) => emotions(members),
        (Meaning::Emotions, DetailValue::List(words)) => raised(&list(words)),
        (Meaning::MicroDollars, DetailValue::Plain(value)) => {
            number(value).map_or_else(|| plain(value), money)
        }
        (Meaning::Seconds, DetailValue::Plain(value)) => number(value).map_or_else(|| plain(value), duration),
        (Meaning::Interactions, DetailValue::Plain(PlainValue::Integer(count))) => {
            format!("{count} interaction{}", if *count == 1 { "" } else { "s" })
        }
        (_, DetailValue::Plain(value)) => plain(value),
        (_, DetailValue::List(values)) => list(values),
        (_, DetailValue::Object(members)) => {
            let member = |(name, value): &(String, PlainValue)| format!("{name}: {}", plain(value));
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        }
    };
    (!text.is_empty()).then(|| ShownValue::Text(VisibleText::of_lines(&shortened(text))))
}

fn plain(value: &PlainValue) -> String {
    match value {
        PlainValue::Null => String::new(),
        PlainValue::Bool(true) => "yes".to_owned(),
        PlainValue::Bool(false) => "no".to_owned(),
        PlainValue::Integer(number) => number.to_string(),
        PlainValue::Decimal(number) => number.to_string(),
        PlainValue::Text(text) => text.clone(),
    }
}

fn list(values: &[PlainValue]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "a number for people to read has a few digits")]
const fn number(value: &PlainValue) -> Option<f64> {
    match value {
        PlainValue::Integer(number) => Some(*number as f64),
        PlainValue::Decimal(number) => Some(*number),
        PlainValue::Null | PlainValue::Bool(_) | PlainValue::Text(_) => None,
    }
}

fn time(text: &str, now: Timestamp) -> Option<TimeText> {
    let time: jiff::Timestamp = text.parse().ok()?;
    TimeText::new(Timestamp::from_millis(u64::try_from(time.as_millisecond()).ok()?), now)
}

/// The strongest emotions, the strongest first.
fn emotions(members: &[(String, PlainValue)]) -> String {
    let mut members: Vec<_> =
        members.iter().filter_map(|(name, value)| Some((name, number(value)?))).collect();
    members.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let shown = members.iter().take(MAX_EMOTIONS).map(|(name, strength)| format!("{name} {strength:.2}"));
    raised(&shown.collect::<Vec<_>>().join(", "))
}

/// Money, with as many decimals as say something.
fn money(micro_dollars: f64) -> String {
    let dollars = micro_dollars / 1_000_000.0;
    if dollars != 0.0 && dollars.abs() < 0.0001 {
        return "< $0.0001".to_owned();
    }
    if dollars.abs() >= 1.0 {
        return format!("${dollars:.2}");
    }
    let text = format!("{dollars:.4}");
    // At least cents.
    let text = text.strip_suffix("00").or_else(|| text.strip_suffix('0')).unwrap_or(&text);
    format!("${text}")
}

/// A duration in its two largest units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and whole where it is cast"
)]
fn duration(seconds: f64) -> String {
    if !(0.0..1e12).contains(&seconds) {
        return seconds.to_string();
    }
    let whole = seconds.round() as u64;
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if whole < 60 {
        format!("{} s", (seconds * 10.0).round() / 10.0)
    } else if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

/// The text with its first letter raised.
fn raised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn shortened(text: String) -> String {
    if text.chars().nth(MAX_TEXT - 1).is_none() {
        return text;
    }
    text.chars().take(MAX_TEXT).chain("… (shortened)".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> DetailValue {
        DetailValue::Plain(PlainValue::Text(value.to_owned()))
    }

    fn integer(value: i64) -> DetailValue {
        DetailValue::Plain(PlainValue::Integer(value))
    }

    /// The rows of one field, as `label: value`.
    fn shown(kind: Kind, name: &str, value: DetailValue) -> String {
        let now = Timestamp::from_millis(1_795_178_400_000);
        let details = Details { fields: vec![(Arc::from(name), value)], read_at: now };
        let row = |DetailRow { label, value }| match value {
            ShownValue::Time(time) => format!("{label}: {} ({})", time.absolute, time.relative),
            ShownValue::Text(text) => {
                let text: String = text.runs.into_iter().map(|run| run.text).collect();
                format!("{label}: {text}")
            }
        };
        rows(kind, &details, now).into_iter().map(row).collect()
    }

    #[test]
    fn values_are_shown_in_the_words_of_people() {
        let emotions = ["calm", "anger", "joy", "fear", "hope", "envy"];
        let strengths = (1..).map(|n| PlainValue::Decimal(f64::from(n) / 10.0));
        let emotions = emotions.map(str::to_owned).into_iter().zip(strengths).collect();
        let object = vec![("a".to_owned(), PlainValue::Integer(1)), ("b".to_owned(), PlainValue::Bool(true))];
        let words = || {
            DetailValue::List(vec![PlainValue::Text("calm".to_owned()), PlainValue::Text("hope".to_owned())])
        };
        for (name, value, expected) in [
            (
                "timestamp",
                text("2026-11-20T10:40:00.5+01:00"),
                "Started: 20 Nov 2026, 09:40:00 UTC (2 hours ago)",
            ),
            ("end_session", text("some day"), "Ended: some day"),
            ("sentiment", text("negative"), "Sentiment: Negative"),
            (
                "emotions",
                DetailValue::Object(emotions),
                "Emotions: Envy 0.60, hope 0.50, fear 0.40, joy 0.30, anger 0.20",
            ),
            ("emotions", words(), "Emotions: Calm, hope"),
            ("text_language", text("en"), "Language: en"),
            ("session_length", integer(6), "Length: 6 interactions"),
            ("session_length", integer(1), "Length: 1 interaction"),
            ("session_time", integer(252), "Duration: 4 min 12 s"),
            ("pii_removed", DetailValue::Plain(PlainValue::Bool(false)), "Pii removed: no"),
            ("tags", DetailValue::Object(object), "Tags: a: 1, b: yes"),
            ("actions", words(), "Actions: calm, hope"),
            ("topic", DetailValue::Plain(PlainValue::Null), ""),
            ("topic", text(""), ""),
            ("rags", DetailValue::List(vec![]), ""),
            ("input", text("a\nb\u{1b}[31m\u{202e}"), "Input: a\nbU+001B[31mU+202E"),
        ] {
            assert_eq!(shown(Kind::Conversation, name, value), expected);
        }
        assert_eq!(shown(Kind::Conversation, "cost", integer(12_300)), "Cost: $0.0123");
        assert_eq!(
            shown(Kind::Interaction, "cost", integer(12_300)),
            "Cost: 12300",
            "its unit is not documented"
        );
        let long = shown(Kind::Interaction, "input", text(&"ü".repeat(1000)));
        assert_eq!(long, format!("Input: {}… (shortened)", "ü".repeat(1000)));
    }

    #[test]
    fn money_has_as_many_decimals_as_say_something() {
        for (micro_dollars, expected) in [
            (0.0, "$0.00"),
            (1.0, "< $0.0001"),
            (100.0, "$0.0001"),
            (12_300.0, "$0.0123"),
            (120_000.0, "$0.12"),
            (125_000.0, "$0.125"),
            (1_200_000.0, "$1.20"),
            (1_234_567_890.0, "$1234.57"),
        ] {
            assert_eq!(money(micro_dollars), expected);
        }
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, expected) in [
            (0.0, "0 ms"),
            (0.85, "850 ms"),
            (4.2, "4.2 s"),
            (59.4, "59.4 s"),
            (252.0, "4 min 12 s"),
            (3780.0, "1 h 03 min"),
            (-1.0, "-1"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
