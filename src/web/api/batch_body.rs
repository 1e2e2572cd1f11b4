//! The body of a request for many links.
//!
//! It is read without a tree: the texts of its members stay where they are in the body, and all others are skipped. So a
//! hostile body, however deep or wide, costs a few looks at each of its bytes. Of members with the same name the last one
//! counts, as in most parsers, and a member that is `null` counts as left out.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::Kind;
use crate::web::problem::{BodyMember, Problem};

/// A link as a batch names it.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(in crate::web) struct RequestedLink {
    /// Without it, the kind is found out.
    #[schema(value_type = Option<String>, pattern = "^(interaction|conversation)$")]
    pub(super) kind: Option<Kind>,
    pub(super) id: String,
    /// The name of the only project that is to be asked.
    pub(super) project: Option<String>,
}

/// Reads the body of a request for at most so many links.
pub(super) fn read(body: &[u8], most: usize) -> Result<Vec<RequestedLink>, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::InvalidRequest("The body is not JSON: it is not in UTF-8."))?;
    // Looks at the whole body: nothing below is broken.
    let body = serde_json::from_str::<&RawValue>(text)
        .map_err(|error| Problem::NotJson { line: error.line(), column: error.column() })?;
    let [links] = members(body, ["links"]).ok_or_else(|| invalid(BodyMember::Body, Some(body)))?;
    let elements = links.and_then(|links| elements(links, most));
    let (elements, sent) = elements.ok_or_else(|| invalid(BodyMember::Links, links))?;
    if sent > most {
        return Err(Problem::TooManyLinks { sent, most });
    }
    elements.into_iter().enumerate().map(|(position, link)| read_link(position, link)).collect()
}

fn read_link(position: usize, link: &RawValue) -> Result<RequestedLink, Problem> {
    let members = members(link, ["kind", "id", "project"]);
    let [kind, id, project] = members.ok_or_else(|| invalid(BodyMember::Link(position), Some(link)))?;
    let read_kind = |kind| match string(kind).as_deref() {
        Some("interaction") => Ok(Kind::Interaction),
        Some("conversation") => Ok(Kind::Conversation),
        _ => Err(invalid(BodyMember::Kind(position), Some(kind))),
    };
    let read_project =
        |project| string(project).ok_or_else(|| invalid(BodyMember::Project(position), Some(project)));
    Ok(RequestedLink {
        kind: kind.map(read_kind).transpose()?,
        id: id.and_then(string).ok_or_else(|| invalid(BodyMember::Id(position), id))?,
        project: project.map(read_project).transpose()?,
    })
}

/// The problem of a member that is missing, or not of its type.
fn invalid(member: BodyMember, value: Option<&RawValue>) -> Problem {
    let found = match value.and_then(|value| value.get().bytes().next()) {
        None => "missing",
        // One that is a string as it should be has a wrong text.
        Some(b'"') if matches!(member, BodyMember::Id(_) | BodyMember::Project(_)) => "not Unicode text",
        Some(b'"') if matches!(member, BodyMember::Kind(_)) => "another string",
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        Some(_) => "a number",
    };
    Problem::InvalidMember { member, found }
}

/// The text of a string; `None` for any other value, and for a string that is no Unicode text.
fn string(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

/// The text of a member's name; empty if it is no Unicode text.
fn name_of(json: &RawValue) -> Cow<'_, str> {
    let quoted = json.get();
    match quoted.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(name) if !name.contains('\\') => Cow::Borrowed(name),
        _ => Cow::Owned(serde_json::from_str(quoted).unwrap_or_default()),
    }
}

/// The members of an object that have these names; `None` if the value is no object.
fn members<'a, const N: usize>(
    json: &'a RawValue,
    names: [&'static str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    let mut json = serde_json::Deserializer::from_str(json.get());
    let members = json.deserialize_map(Members(names)).ok()?;
    Some(members.map(|member| member.filter(|value| value.get() != "null")))
}

/// The first elements of a list, at most so many, and the number of all; `None` if the value is no list.
fn elements(json: &RawValue, most: usize) -> Option<(Vec<&RawValue>, usize)> {
    serde_json::Deserializer::from_str(json.get()).deserialize_seq(Elements(most)).ok()
}

struct Members<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [None; N];
        // A name that is no Unicode text is none of these, and no error.
        while let Some(name) = map.next_key::<&RawValue>()? {
            let name = name_of(name);
            let own = self.0.iter().position(|own| *own == name).and_then(|at| members.get_mut(at));
            match own {
                Some(member) => *member = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = (Vec<&'de RawValue>, usize);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.0
            && let Some(element) = list.next_element()?
        {
            elements.push(element);
        }
        let mut number = elements.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            number += 1;
        }
        Ok((elements, number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// More links than these bodies have, unless a test says otherwise.
    const MOST: usize = 10;

    fn link(kind: Option<Kind>, id: &str, project: Option<&str>) -> RequestedLink {
        RequestedLink { kind, id: id.to_owned(), project: project.map(str::to_owned) }
    }

    #[test]
    fn a_body_is_read_whatever_else_it_has() {
        let body = r#" {"x": [1e999, {"links": 7}], "\ud800": 0, "links": [],
            "link\u0073": [{"id": "a", "\udfff": 1, "other": {"id": 1}}, {"kind": "interaction", "id": "\u0062"},
            {"id": 7, "project": null, "kind": null, "id": "c"}, {"project": "p", "kind": "conversation", "id": ""}]} "#;
        let expected = [
            link(None, "a", None),
            link(Some(Kind::Interaction), "b", None),
            link(None, "c", None),
            link(Some(Kind::Conversation), "", Some("p")),
        ];
        assert_eq!(read(body.as_bytes(), MOST).unwrap(), expected);
        assert_eq!(read(br#"{"links": []}"#, MOST).unwrap(), []);
    }

    #[test]
    fn what_is_not_json_is_told_from_what_has_the_wrong_form() {
        for body in [
            "",
            " ",
            "{",
            "{\"links\":[]",
            "{\"links\":[]}}",
            "{\"links\":[{\"id\":\"a\",}]}",
            "{'links':[]}",
            "{\"links\":[1]x}",
            "\u{feff}{}",
            "{\"links\":7,\"x\":\"\u{1}\"}",
            "{\"links\":[01]}",
            "NaN",
        ] {
            let problem = read(body.as_bytes(), MOST).unwrap_err();
            assert!(matches!(problem, Problem::NotJson { .. }), "{body}: {problem:?}");
        }
        assert!(matches!(read(b"{\"x\":\"\xff\"}", MOST), Err(Problem::InvalidRequest(_))));
        for (body, member, found) in [
            ("[]", BodyMember::Body, "a list"),
            ("\"links\"", BodyMember::Body, "a string"),
            ("1e999", BodyMember::Body, "a number"),
            ("{}", BodyMember::Links, "missing"),
            ("{\"links\":null}", BodyMember::Links, "missing"),
            ("{\"links\":{}}", BodyMember::Links, "an object"),
            ("{\"links\":[[]]}", BodyMember::Link(0), "a list"),
            ("{\"links\":[{\"id\":\"a\"},null]}", BodyMember::Link(1), "null"),
            ("{\"links\":[{}]}", BodyMember::Id(0), "missing"),
            ("{\"links\":[{\"id\":null}]}", BodyMember::Id(0), "missing"),
            ("{\"links\":[{\"id\":1e999}]}", BodyMember::Id(0), "a number"),
            ("{\"links\":[{\"id\":\"\\ud800\"}]}", BodyMember::Id(0), "not Unicode text"),
            ("{\"links\":[{\"id\":\"a\",\"kind\":\"Interaction\"}]}", BodyMember::Kind(0), "another string"),
            ("{\"links\":[{\"id\":\"a\",\"kind\":[\"interaction\"]}]}", BodyMember::Kind(0), "a list"),
            ("{\"links\":[{\"id\":\"a\",\"project\":true}]}", BodyMember::Project(0), "true or false"),
        ] {
            assert_eq!(read(body.as_bytes(), MOST), Err(Problem::InvalidMember { member, found }), "{body}");
        }
    }

    #[test]
    fn more_links_than_there_may_be_are_refused_whatever_they_are() {
        let seven = serde_json::from_str("7").unwrap();
        let body = |links: usize| json!({ "links": vec![7; links] }).to_string();
        assert_eq!(read(body(MOST).as_bytes(), MOST), Err(invalid(BodyMember::Link(0), Some(seven))));
        for sent in [MOST + 1, 100_000] {
            let problem = Problem::TooManyLinks { sent, most: MOST };
            assert_eq!(read(body(sent).as_bytes(), MOST), Err(problem));
        }
    }

    /// Any JSON, with members of these names more often than not.
    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("links".to_owned()),
            Just("id".to_owned()),
            Just("kind".to_owned()),
            Just("project".to_owned()),
            Just("interaction".to_owned()),
            Just("conversation".to_owned()),
            any::<String>(),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((word.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_pointer_leads_to_the_wrong_member_or_to_where_it_is_missing(links in any_json(), body in any_json()) {
            for body in [json!({ "links": links.clone() }), json!({ "links": [links] }), body] {
                match read(body.to_string().as_bytes(), MOST) {
                    Ok(read) => prop_assert_eq!(read.len(), body["links"].as_array().unwrap().len()),
                    Err(Problem::InvalidMember { member, .. }) => {
                        let pointer = member.pointer();
                        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                        prop_assert!(body.pointer(&pointer).or(body.pointer(parent)).is_some(), "{}: {}", pointer, body);
                    }
                    Err(problem) => prop_assert!(false, "{:?}: {}", problem, body),
                }
            }
        }

        #[test]
        fn no_body_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&body, MOST));
        }
    }
}
