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
    const NOT_JSON: Problem = Problem::InvalidRequest("The body is not JSON.");
    let text = std::str::from_utf8(body).map_err(|_| NOT_JSON)?;
    // Looks at the whole body: nothing below is broken.
    let body = serde_json::from_str::<&RawValue>(text).map_err(|_| NOT_JSON)?;
    let [links] = members(body, ["links"]).ok_or(Problem::InvalidMember(BodyMember::Body))?;
    let links = links.and_then(|links| elements(links, most));
    let links = links.ok_or(Problem::InvalidMember(BodyMember::Links))?;
    if links.len() > most {
        return Err(Problem::TooManyLinks);
    }
    let read =
        |(position, link): (usize, &RawValue)| read_link(position, link).map_err(Problem::InvalidMember);
    links.into_iter().enumerate().map(read).collect()
}

fn read_link(position: usize, link: &RawValue) -> Result<RequestedLink, BodyMember> {
    let members = members(link, ["kind", "id", "project"]);
    let [kind, id, project] = members.ok_or(BodyMember::Link(position))?;
    let kind = match kind.map(string) {
        None => None,
        Some(Some(kind)) if kind == "interaction" => Some(Kind::Interaction),
        Some(Some(kind)) if kind == "conversation" => Some(Kind::Conversation),
        Some(_) => return Err(BodyMember::Kind(position)),
    };
    let id = id.and_then(string).ok_or(BodyMember::Id(position))?;
    let project = project.map(|project| string(project).ok_or(BodyMember::Project(position)));
    Ok(RequestedLink { kind, id, project: project.transpose()? })
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

/// The first elements of a list, one more than so many; `None` if the value is no list.
fn elements(json: &RawValue, most: usize) -> Option<Vec<&RawValue>> {
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
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= self.0
            && let Some(element) = list.next_element()?
        {
            elements.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
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
            assert!(matches!(problem, Problem::InvalidRequest(_)), "{body}: {problem:?}");
        }
        assert!(matches!(read(b"{\"x\":\"\xff\"}", MOST), Err(Problem::InvalidRequest(_))));
        for (body, member) in [
            ("[]", BodyMember::Body),
            ("\"links\"", BodyMember::Body),
            ("1e999", BodyMember::Body),
            ("{}", BodyMember::Links),
            ("{\"links\":null}", BodyMember::Links),
            ("{\"links\":{}}", BodyMember::Links),
            ("{\"links\":[[]]}", BodyMember::Link(0)),
            ("{\"links\":[{\"id\":\"a\"},null]}", BodyMember::Link(1)),
            ("{\"links\":[{}]}", BodyMember::Id(0)),
            ("{\"links\":[{\"id\":null}]}", BodyMember::Id(0)),
            ("{\"links\":[{\"id\":1e999}]}", BodyMember::Id(0)),
            ("{\"links\":[{\"id\":\"\\ud800\"}]}", BodyMember::Id(0)),
            ("{\"links\":[{\"id\":\"a\",\"kind\":\"Interaction\"}]}", BodyMember::Kind(0)),
            ("{\"links\":[{\"id\":\"a\",\"kind\":[\"interaction\"]}]}", BodyMember::Kind(0)),
            ("{\"links\":[{\"id\":\"a\",\"project\":[]}]}", BodyMember::Project(0)),
        ] {
            assert_eq!(read(body.as_bytes(), MOST), Err(Problem::InvalidMember(member)), "{body}");
        }
    }

    #[test]
    fn more_links_than_there_may_be_are_refused_whatever_they_are() {
        let body = |links: usize| json!({ "links": vec![7; links] }).to_string();
        assert_eq!(read(body(MOST).as_bytes(), MOST), Err(Problem::InvalidMember(BodyMember::Link(0))));
        for links in [MOST + 1, 100_000] {
            assert_eq!(read(body(links).as_bytes(), MOST), Err(Problem::TooManyLinks));
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
                    Err(Problem::InvalidMember(member)) => {
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
