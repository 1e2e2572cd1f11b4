//! Parsers for values: numbers, durations, sizes, lists and more. No message repeats a value.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::Value;

use crate::files::{FilePath, MAX_LEN, SmallFile};

/// The parsed value, or a message that says what is expected.
pub(super) type Parsed<T> = Result<T, Cow<'static, str>>;

/// The longest duration: ten years, so that no sum of durations and no timestamp overflows.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The shortest duration that is longer than zero.
const SHORTEST: Duration = Duration::from_nanos(1);

/// The longest text of a duration, in bytes. humantime panics on sums beyond 2^64 seconds, which need more.
const MAX_DURATION_LEN: usize = 20;

const NOT_A_DURATION: &str = "not a duration such as 15s, 24h or 30d";
const NOT_A_SIZE: &str = "not a size such as 64MiB";

/// Takes text without surrounding white space.
pub(super) fn text(value: &Value) -> Parsed<&str> {
    value.as_str().map(str::trim).ok_or(Cow::Borrowed("not text in quotes"))
}

/// Takes text, and gives it to `parse`.
pub(super) fn of_text<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<T> {
    move |value| parse(text(value)?)
}

/// Takes text, and gives it to `parse` unless it is empty.
pub(super) fn optional<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Option<T>> {
    move |value| match text(value)? {
        "" => Ok(None),
        text => parse(text).map(Some),
    }
}

/// Takes a list of texts, or one text with commas, as in the environment, and gives each item to `parse`.
pub(super) fn list<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Vec<T>> {
    move |value| {
        let texts: Vec<&str> = match value {
            Value::String(_, text) if text.starts_with('[') && text.contains('"') => {
                return Err("in the environment and behind --set a list is written as a,b, without brackets and quotes"
                    .into());
            }
            Value::String(_, text) => {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
            }
            Value::Array(_, values) => {
                let texts = values.iter().map(|value| text(value).ok()).collect::<Option<_>>();
                texts.ok_or("not a list of texts in quotes")?
            }
            _ => return Err("not a list".into()),
        };
        let item = |(index, text)| {
            parse(text).map_err(|message| Cow::Owned(format!("item {}: {message}", index + 1)))
        };
        texts.into_iter().enumerate().map(item).collect()
    }
}

/// Parses text with `FromStr`; if it fails, `expected` is the message.
pub(super) fn parsed<T: FromStr>(expected: &'static str) -> impl Fn(&str) -> Parsed<T> {
    move |text| text.parse().map_err(|_| Cow::Borrowed(expected))
}

/// Takes `true` or `false`.
pub(super) fn flag(value: &Value) -> Parsed<bool> {
    match (value, value.as_str().map(str::trim)) {
        (Value::Bool(_, flag), _) => Ok(*flag),
        (_, Some("true")) => Ok(true),
        (_, Some("false")) => Ok(false),
        _ => Err("neither true nor false".into()),
    }
}

/// Takes one of a few words.
pub(super) fn choice<T: Copy>(choices: &[(&'static str, T)]) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let chosen = value.as_str().and_then(|text| choices.iter().find(|(word, _)| *word == text.trim()));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            format!("not one of: {}", words.join(", ")).into()
        })
    }
}

/// Takes a whole number in a range.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&Value) -> Parsed<T>
where
    T: TryFrom<u128> + PartialOrd + Display,
{
    move |value| {
        let number = match value {
            Value::Num(_, number) => {
                number.to_u128_lossy().or_else(|| number.to_f64().and_then(whole_of_float))
            }
            Value::String(_, text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()).into())
    }
}

/// Takes a duration in a range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Parsed<Duration> {
    move |value| {
        let text = text(value).map_err(|_| NOT_A_DURATION)?;
        if text.len() > MAX_DURATION_LEN {
            return Err(NOT_A_DURATION.into());
        }
        let duration = humantime::parse_duration(text).map_err(|_| NOT_A_DURATION)?;
        if duration < *range.start() {
            return Err(match *range.start() {
                SHORTEST => "must be longer than 0s".into(),
                least => format!("must be at least {}", humantime::format_duration(least)).into(),
            });
        }
        if duration > *range.end() {
            let days = range.end().as_secs() / (24 * 60 * 60);
            return Err(format!("must be at most {days}d").into());
        }
        Ok(duration)
    }
}

/// Takes a duration longer than zero.
pub(super) fn positive() -> impl Fn(&Value) -> Parsed<Duration> {
    duration(SHORTEST..=MAX_DURATION)
}

/// Takes a duration that may be zero.
pub(super) fn zero_or_more() -> impl Fn(&Value) -> Parsed<Duration> {
    duration(Duration::ZERO..=MAX_DURATION)
}

/// Takes a size in a range, in bytes.
pub(super) fn size(range: RangeInclusive<ByteSize>) -> impl Fn(&Value) -> Parsed<u64> {
    move |value| {
        let size: ByteSize = text(value).ok().and_then(|text| text.parse().ok()).ok_or(NOT_A_SIZE)?;
        if range.contains(&size) {
            return Ok(size.as_u64());
        }
        Err(format!("not a size from {} to {}", compact(*range.start()), compact(*range.end())).into())
    }
}

/// Takes text of printable ASCII without white space. `len` bounds its length in bytes.
pub(super) fn printable(len: RangeInclusive<usize>) -> impl Fn(&str) -> Parsed<String> {
    move |text| {
        if len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(text.to_owned());
        }
        Err(format!("not {} to {} printable ASCII characters without white space", len.start(), len.end())
            .into())
    }
}

/// Takes any path; the file may be missing.
#[expect(clippy::unnecessary_wraps, reason = "has the form of a parser")]
pub(super) fn path(text: &str) -> Parsed<FilePath> {
    Ok(FilePath::new(text))
}

/// Takes the path of a file that can be read now.
pub(super) fn readable_file(text: &str) -> Parsed<FilePath> {
    content(&FilePath::new(text), MAX_LEN)?;
    Ok(FilePath::known(text))
}

/// Reads a file of at most `max_len` bytes.
pub(super) fn content(path: &FilePath, max_len: u64) -> Parsed<Vec<u8>> {
    // The system's message does not repeat the path.
    let unreadable = |error: io::Error| Cow::Owned(format!("the file cannot be read: {error}"));
    SmallFile::new(path.clone(), max_len).begin().wait().map_err(unreadable)
}

/// Converts a float that is a whole number: Helm's `toToml` writes `20` as `20.0`.
fn whole_of_float(float: f64) -> Option<u128> {
    let is_whole = float >= 0.0 && float <= f64::from(u32::MAX) && float.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
    is_whole.then_some(float as u128)
}

/// Writes a size as in settings: `1MiB`.
fn compact(size: ByteSize) -> String {
    format!("{:.0}", size.display().iec()).replace(' ', "")
}
