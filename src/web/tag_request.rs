//! A request to look a tag up, as it is read from path and query.

use super::Web;
use super::link_address::SelfLink;
use super::link_request::scope;
use super::parameters::{Parameters, decoded_parameter, id_in_path, id_in_query};
use super::problem::Problem;
use super::problem_response::ProblemResponse;
use super::request_head::RequestHead;
use super::route::{IdLocation, TAGS, TagRoute};
use crate::domain::{InvalidId, Kind, ProjectName, Scope, Tag, TimeRange, Timestamp};
use crate::text::percent_encoded;

/// The milliseconds of an hour.
const HOUR: u64 = 60 * 60 * 1000;

/// The distance of both ends of a window from its middle, before they are widened to full hours.
const HALF_WINDOW: u64 = 24 * HOUR;

/// The first number that is in milliseconds: it would be beyond the year 5000 in seconds, and is in 1973 as it is.
const FIRST_IN_MILLISECONDS: u64 = 100_000_000_000;

/// A moment two days before the last one that has a date of four digits, in milliseconds: 9999-12-29.
const LAST_MOMENT: u64 = 253_402_041_600_000;

/// A request to look a tag up.
#[derive(Debug)]
pub(super) struct TagRequest<'a> {
    pub(super) tag: Tag,
    pub(super) kind: Kind,
    /// The time around which the item is looked for.
    pub(super) at: Option<Timestamp>,
    pub(super) scope: Scope,
    pub(super) parameters: Parameters<'a>,
}

impl<'a> TagRequest<'a> {
    /// Reads it. The problem says what was received for a value, if that is what is wrong.
    pub(super) fn read(
        web: &Web,
        route: TagRoute,
        head: &'a RequestHead,
    ) -> Result<Self, Box<ProblemResponse>> {
        let problem = |problem| Box::new(ProblemResponse::from(problem));
        let parameters = Parameters::parse(head.uri.query()).map_err(problem)?;
        let path = head.uri.path().get(web.options.base_path.len()..).unwrap_or_default();
        let raw = raw_value(route, path, &parameters).map_err(problem)?;
        let name = web.options.lookup_tags.get(route.position).ok_or_else(|| problem(Problem::UnknownTag))?;
        let value = decoded_value(route, raw);
        let tag = value.and_then(|value| Tag::new(name.clone(), value)).map_err(|_| {
            let received = decoded_value(route, raw).unwrap_or_else(|_| raw.to_owned());
            Box::new(ProblemResponse { received: Some(received), ..Problem::InvalidValue.into() })
        })?;
        let kind = match parameters.kind.map(decoded_parameter).as_deref() {
            None | Some("interaction") => Kind::Interaction,
            Some("conversation") => Kind::Conversation,
            Some(_) => {
                return Err(problem(Problem::InvalidRequest(
                    "The parameter kind is interaction or conversation.",
                )));
            }
        };
        let at = parameters.at.map(|at| moment(&decoded_parameter(at)).ok_or(Problem::InvalidRequest(
            "The parameter at is a time with its offset, such as 2026-11-20T10:00:00Z, or a number of seconds or milliseconds.",
        )));
        let at = at.transpose().map_err(problem)?;
        let mut request = Self { tag, kind, at, scope: Scope::All, parameters };
        request.scope = scope(web, &request.parameters).map_err(|problem| {
            let in_all = request.self_link(&web.options.base_path, None);
            Box::new(ProblemResponse { link: Some(in_all), ..*problem })
        })?;
        Ok(request)
    }

    /// The link to ask for the same again, in this project.
    pub(super) fn self_link(&self, base_path: &str, project: Option<&ProjectName>) -> SelfLink {
        let Self { tag, kind, parameters, .. } = self;
        let (name, value) = (percent_encoded(tag.name()), percent_encoded(tag.value()));
        let mut path = format!("{base_path}{TAGS}/{name}?value={value}");
        if *kind != Kind::Interaction {
            path = format!("{path}&kind={kind}");
        }
        let at = self.at.and_then(|at| i64::try_from(at.as_millis()).ok());
        if let Some(at) = at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok()) {
            path = format!("{path}&at={at}");
        }
        let (label, value) = (tag.name().to_owned().into(), tag.value().to_owned());
        SelfLink::at(path, label, value, project, parameters.noredirect, parameters.looks)
    }

    /// The problem if there is no item: it says what was searched.
    pub(super) fn not_found(&self, web: &Web) -> Problem {
        let searched = self.range().or_else(|| web.resolver.last_tag_window());
        let may_come = searched.is_none_or(|searched| searched.end >= web.resolver.now());
        Problem::TagNotFound { kind: self.kind, searched, may_come }
    }

    /// The window around the time that was given.
    pub(super) fn range(&self) -> Option<TimeRange> {
        self.at.map(window)
    }
}

/// The text that stands for a value in a path below `server.base_path`, or in the query; still encoded.
pub(super) fn raw_value<'a>(
    route: TagRoute,
    path: &'a str,
    parameters: &Parameters<'a>,
) -> Result<&'a str, Problem> {
    let value = match route.value {
        IdLocation::Path => TagRoute::raw_value(path),
        IdLocation::Query => parameters.value,
    };
    value.ok_or(Problem::InvalidRequest(
        "There is no value: it goes into the path behind the name of the tag, or into the parameter value.",
    ))
}

/// Decodes such a text, by the rules of ids.
pub(super) fn decoded_value(route: TagRoute, raw: &str) -> Result<String, InvalidId> {
    let text = match route.value {
        IdLocation::Path => id_in_path(raw),
        IdLocation::Query => id_in_query(raw),
    };
    Ok(text?.decoded.into_owned())
}

/// Reads a time: RFC 3339 with an offset, whose `+` may have become a space; or digits, which are seconds below 10¹¹ and
/// else milliseconds. A time before 1970 is read as its beginning, one far in the future as the last that can be searched.
fn moment(text: &str) -> Option<Timestamp> {
    let millis = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number are a time far in the future.
        let number = text.parse().unwrap_or(u64::MAX);
        if number < FIRST_IN_MILLISECONDS { number * 1000 } else { number }
    } else {
        let text = text.replace(' ', "+");
        let _date: jiff::civil::DateTime = local_part(&text)?.parse().ok()?;
        // Only the last days that have a date of four digits are beyond the library.
        let time: jiff::Timestamp = text.parse().unwrap_or(jiff::Timestamp::MAX);
        u64::try_from(time.as_millisecond()).unwrap_or_default()
    };
    Some(Timestamp::from_millis(millis.min(LAST_MOMENT)))
}

/// Date and time of a text that has the form of RFC 3339; its digits may still be none. The library reads more forms.
fn local_part(text: &str) -> Option<&str> {
    const LOCAL: &[u8] = b"0000-00-00T00:00:00";
    let fits = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte.eq_ignore_ascii_case(form),
            })
    };
    let (local, rest) = text.split_at_checked(LOCAL.len())?;
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(rest) => Some(rest.trim_start_matches(|char: char| char.is_ascii_digit()))
            .filter(|offset| offset.len() < rest.len())?,
    }
    .as_bytes();
    let is_offset = fits(offset, b"Z")
        // Hours up to 23, and minutes up to 59.
        || (fits(offset, b"+00:00") || fits(offset, b"-00:00"))
            && offset.get(1..3) < Some(b"24")
            && offset.get(4..6) < Some(b"60");
    (is_offset && fits(local.as_bytes(), LOCAL)).then_some(local)
}

/// The window around a time: a day to both sides, widened to full hours, so that times close to each other share it.
fn window(at: Timestamp) -> TimeRange {
    let at = at.as_millis();
    let start = at.saturating_sub(HALF_WINDOW);
    let end = at.saturating_add(HALF_WINDOW);
    TimeRange {
        start: Timestamp::from_millis(start - start % HOUR),
        end: Timestamp::from_millis(end.next_multiple_of(HOUR)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-20T10:00:00Z.
    const NOW: u64 = 1_795_168_800_000;

    #[test]
    fn a_time_is_rfc_3339_with_an_offset_or_a_number() {
        for (text, expected) in [
            ("2026-11-20T10:00:00Z", Some(NOW)),
            ("2026-11-20t10:00:00z", Some(NOW)),
            ("2026-11-20T11:30:00+01:30", Some(NOW)),
            ("2026-11-20T11:30:00 01:30", Some(NOW)),
            ("2026-11-20T05:00:00-05:00", Some(NOW)),
            ("2026-11-20T10:00:00.25Z", Some(NOW + 250)),
            ("1795168800", Some(NOW)),
            ("1795168800000", Some(NOW)),
            ("99999999999", Some(99_999_999_999_000)),
            ("100000000000", Some(100_000_000_000)),
            ("0", Some(0)),
            ("1969-12-31T00:00:00Z", Some(0)),
            ("18446744073709551615", Some(LAST_MOMENT)),
            ("99999999999999999999999999", Some(LAST_MOMENT)),
            ("9999-12-29T12:00:00Z", Some(LAST_MOMENT)),
            ("9999-12-31T23:59:59Z", Some(LAST_MOMENT)),
            ("0000-01-01T00:00:00Z", Some(0)),
            ("2026-11-20T10:00:60Z", Some(NOW + 59_000)),
        ] {
            assert_eq!(moment(text).map(Timestamp::as_millis), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            " ",
            "now",
            "-1",
            "+1795168800",
            "1795168800.5",
            "1e9",
            "2026-11-20",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00Z",
            "2026-11-20 10:00:00Z",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00+0100",
            "2026-11-20T10:00:00+01",
            "2026-11-20T10:00:00+24:00",
            "2026-11-20T10:00:00+01:60",
            "2026-11-20T10:00:00+01:00[Europe/Rome]",
            "2026-11-20T24:00:00Z",
            "2026-02-30T10:00:00Z",
            "20261120T100000Z",
            "2026-W47-5T10:00:00Z",
            "２０２６-11-20T10:00:00Z",
            " 1795168800",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_is_a_day_to_both_sides_widened_to_full_hours() {
        let window_of = |at: u64| {
            let TimeRange { start, end } = window(Timestamp::from_millis(at));
            (start.as_millis(), end.as_millis())
        };
        assert_eq!(window_of(NOW), (NOW - 24 * HOUR, NOW + 24 * HOUR));
        assert_eq!(window_of(NOW + 1), (NOW - 24 * HOUR, NOW + 25 * HOUR));
        assert_eq!(window_of(NOW - 1), (NOW - 25 * HOUR, NOW + 24 * HOUR));
        assert_eq!(window_of(0), (0, 24 * HOUR));
        // The last one still has dates of four digits.
        let end = i64::try_from(window_of(LAST_MOMENT).1).unwrap();
        assert!(jiff::Timestamp::from_millisecond(end).is_ok());
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_is_written(seconds in 0..=253_402_041_600_i64, minutes in -1439..=1439_i32, lost in any::<bool>()) {
            let time = jiff::Timestamp::from_second(seconds).unwrap();
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
            let text = time.display_with_offset(offset).to_string();
            let text = if lost { text.replace('+', " ") } else { text };
            let expected = u64::try_from(seconds).unwrap() * 1000;
            prop_assert_eq!(moment(&text).map(Timestamp::as_millis), Some(expected), "{}", text);
        }

        #[test]
        fn no_text_makes_reading_a_time_panic(text in "[-+:.TZtz0-9 ]{0,40}|.*") {
            if let Some(at) = moment(&text) {
                let TimeRange { start, end } = window(at);
                prop_assert!(start <= at && at <= end);
                prop_assert!(jiff::Timestamp::from_millisecond(i64::try_from(end.as_millis()).unwrap()).is_ok());
            }
        }
    }
}
