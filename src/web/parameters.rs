//! The parameters of a request's query.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::route::IdLocation;
use crate::domain::{IdText, InvalidId};

/// The names of the parameter that holds an id.
pub(super) const ID_NAMES: [&str; 2] = ["id", "external_id"];

/// The parameter by which the page of an unknown item counts how often it has loaded itself again.
pub(super) const LOOKS: &str = "looks";

/// Names that may stand in a query once, also where they do nothing: the last three are for tags. `external_id` is what
/// Zendesk's clickthrough calls the id.
const LISTED: [&str; 9] =
    ["id", "external_id", "noredirect", "refresh", "wait", "project", "value", "kind", "at"];

const NOT_A_REFRESH: Problem =
    Problem::InvalidRequest("The parameter refresh is a switch: it takes no value, or true or false.");

const NOT_A_NOREDIRECT: Problem =
    Problem::InvalidRequest("The parameter noredirect is a switch: it takes no value, or true or false.");

/// The parameters of a request. Those that are not listed are ignored.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    id: Option<&'a str>,
    /// The value of a tag, still encoded.
    pub(super) value: Option<&'a str>,
    /// The kind of the item with a tag, still encoded.
    pub(super) kind: Option<&'a str>,
    /// The time of the item with a tag, still encoded.
    pub(super) at: Option<&'a str>,
    /// True if Nebuly is to be asked although the cache may know the link.
    pub(super) refresh: bool,
    /// The longest wait for an item that Nebuly does not know yet.
    pub(super) wait: Duration,
    /// The name of the only project that is to be asked.
    pub(super) project: Option<Cow<'a, str>>,
    /// True if the page of the link is wanted in place of the redirect.
    pub(super) noredirect: bool,
    /// How often the page of an unknown item has loaded itself again; `None` if it was told to stop.
    pub(super) looks: Option<u8>,
}

impl<'a> Parameters<'a> {
    /// Reads a query.
    pub(super) fn parse(query: Option<&'a str>) -> Result<Self, Problem> {
        let mut parameters = Self {
            id: None,
            value: None,
            kind: None,
            at: None,
            refresh: false,
            wait: Duration::ZERO,
            project: None,
            noredirect: false,
            looks: Some(0),
        };
        let mut seen = [false; LISTED.len()];
        let Some(query) = query else { return Ok(parameters) };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, true);
            let name = name.as_deref().unwrap_or_default();
            if let Some((listed, seen)) = LISTED.iter().zip(&mut seen).find(|(listed, _)| **listed == name)
                && std::mem::replace(seen, true)
            {
                return Err(Problem::RepeatedParameter(listed));
            }
            match name {
                "id" | "external_id" if parameters.id.is_some() => {
                    return Err(Problem::InvalidRequest("The id is given twice, as id and as external_id."));
                }
                "id" | "external_id" => parameters.id = Some(value),
                "value" => parameters.value = Some(value),
                "kind" => parameters.kind = Some(value),
                "at" => parameters.at = Some(value),
                "refresh" => parameters.refresh = switch(value, NOT_A_REFRESH)?,
                "noredirect" => parameters.noredirect = switch(value, NOT_A_NOREDIRECT)?,
                "wait" => parameters.wait = duration(&decoded_parameter(value))?,
                // A name that is not even text is unknown, like any other that is not configured.
                "project" => parameters.project = Some(decoded_parameter(value)),
                LOOKS => parameters.looks = value.parse().ok(),
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// The text that the caller gave for an id, still encoded.
    pub(super) fn raw_id(&self) -> Result<&'a str, Problem> {
        self.id.ok_or(Problem::InvalidRequest(
            "There is no id: it goes into the path, or into the parameter id.",
        ))
    }
}

/// The first part of a query behind the id, or the value of a tag, that is no parameter of ours. A tool that encodes nothing
/// makes one of an id with `&`, or with `?` in a path. `names` are those of the parameter that holds it.
pub(super) fn unknown_behind<'a>(query: &'a str, names: &[&str], id: IdLocation) -> Option<&'a str> {
    let mut is_behind_id = id == IdLocation::Path;
    query.split('&').filter(|pair| !pair.is_empty()).find(|pair| {
        let name = decode(pair.split_once('=').map_or(*pair, |(name, _)| name), true).unwrap_or_default();
        let is_ours = LISTED.contains(&&*name) || name == LOOKS;
        let is_unknown = is_behind_id && !is_ours;
        is_behind_id |= names.contains(&&*name);
        is_unknown
    })
}

/// The text that stands for an id in a query.
pub(super) fn id_in_query(raw: &str) -> Result<IdText<'_>, InvalidId> {
    let with_plus = if raw.contains('+') { Some(decoded(raw, false)?) } else { None };
    Ok(IdText { decoded: decoded(raw, true)?, with_plus })
}

/// The text that stands for an id in a path.
pub(super) fn id_in_path(raw: &str) -> Result<IdText<'_>, InvalidId> {
    Ok(IdText { decoded: decoded(raw, false)?, with_plus: None })
}

/// Decodes the value of a parameter that is no id; empty if it is not UTF-8.
pub(super) fn decoded_parameter(raw: &str) -> Cow<'_, str> {
    decode(raw, true).unwrap_or_default()
}

fn decoded(raw: &str, plus_is_space: bool) -> Result<Cow<'_, str>, InvalidId> {
    decode(raw, plus_is_space).ok_or(InvalidId::NotUtf8)
}

/// Percent-decodes once, as HTTP asks for. A malformed escape stays as it is.
fn decode(raw: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(raw));
    }
    if plus_is_space && raw.contains('+') {
        let spaced = raw.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()));
    }
    percent_decode_str(raw).decode_utf8().ok()
}

/// Reads the value of a switch, still encoded.
fn switch(value: &str, otherwise: Problem) -> Result<bool, Problem> {
    match &*decoded_parameter(value) {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(otherwise),
    }
}

fn duration(value: &str) -> Result<Duration, Problem> {
    /// Longer than any sensible duration, and short enough to parse at no cost.
    const MAX_LEN: usize = 16;
    let text = Some(value).filter(|value| value.len() <= MAX_LEN);
    text.and_then(|text| humantime::parse_duration(text).ok())
        .ok_or(Problem::InvalidRequest("The parameter wait is a duration, such as 5s."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(query: &str) -> Option<(String, Option<String>)> {
        let text = id_in_query(Parameters::parse(Some(query)).ok()?.raw_id().ok()?).ok()?;
        Some((text.decoded.into_owned(), text.with_plus.map(Cow::into_owned)))
    }

    #[test]
    fn an_id_is_decoded_once_and_a_plus_is_a_space() {
        for (query, expected) in [
            ("id=a%2Fb", Some(("a/b", None))),
            ("x=1&id=a", Some(("a", None))),
            ("external_id=a", Some(("a", None))),
            ("id=a+b", Some(("a b", Some("a+b")))),
            ("id=a%2Bb", Some(("a+b", None))),
            ("id=100%", Some(("100%", None))),
            ("id=%252F", Some(("%2F", None))),
            ("i%64=a", Some(("a", None))),
            ("id=a=b", Some(("a=b", None))),
            ("id=", Some(("", None))),
            ("id", Some(("", None))),
            ("id=%ff", None),
            ("", None),
            ("ID=a", None),
        ] {
            let expected = expected
                .map(|(decoded, plus): (&str, Option<&str>)| (decoded.to_owned(), plus.map(str::to_owned)));
            assert_eq!(id(query), expected, "{query}");
        }
    }

    #[test]
    fn a_listed_parameter_stands_once_and_others_are_ignored() {
        for (query, ok) in [
            ("id=a&id=a", false),
            ("id=a&external_id=a", false),
            ("refresh&refresh", false),
            ("wait=1s&wait=1s", false),
            ("project=a&project=b", false),
            ("noredirect&noredirect=1", false),
            ("value=a&value=a", false),
            ("kind=a&kind=b", false),
            ("at=a&at=b", false),
            ("value=%ff&kind=nonsense&at=", true),
            ("refresh=maybe", false),
            ("wait=soon", false),
            ("wait=", false),
            ("wait=99999999999999999999y", false),
            ("wait=5s&project=a", true),
            ("utm=a&utm=b", true),
            ("utm=%ff", true),
            ("&&=&a", true),
        ] {
            assert_eq!(Parameters::parse(Some(query)).is_ok(), ok, "{query}");
        }
        assert!(Parameters::parse(Some("refresh=true")).unwrap().refresh);
        assert!(!Parameters::parse(Some("refresh=0")).unwrap().refresh);
        assert_eq!(Parameters::parse(Some("wait=5s")).unwrap().wait, Duration::from_secs(5));
    }

    #[test]
    fn what_stands_behind_an_id_and_is_no_parameter_of_ours_is_found() {
        for (query, in_query, in_path) in [
            ("id=a", None, None),
            ("utm=1&id=a", None, Some("utm=1")),
            ("id=a&b=1&c", Some("b=1"), Some("b=1")),
            ("external_id=a&&b", Some("b"), Some("b")),
            ("id=a&project=p&noredirect&looks=1&at=1&kind=x", None, None),
            ("id=a&%70roject=p", None, None),
            ("id=a&%ff", Some("%ff"), Some("%ff")),
        ] {
            assert_eq!(unknown_behind(query, &ID_NAMES, IdLocation::Query), in_query, "{query}");
            assert_eq!(unknown_behind(query, &ID_NAMES, IdLocation::Path), in_path, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_parsing_panic(query in any::<String>()) {
            let _read = Parameters::parse(Some(&query)).and_then(|parameters| Ok(id_in_query(parameters.raw_id()?).is_ok()));
        }
    }
}
