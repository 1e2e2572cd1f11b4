//! The bodies of Nebuly's detail calls: takes the fields that the operator allows, and skips all others as it reads.
//!
//! Nothing is ever made of the others, since they carry what people wrote.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::{DetailFields, DetailValue, PlainValue};

/// The longest body that is read, in bytes. It has all texts of a conversation, most of which are skipped.
pub(in crate::nebuly) const MAX_DETAILS_BODY: usize = 1024 * 1024;

/// The longest text, in characters; the rest is cut.
const MAX_TEXT: usize = 1000;

/// The most members of a list or an object; further ones are left out. A body could have half a million.
const MAX_MEMBERS: usize = 1000;

/// Takes the allowed fields out of a body, in their own order. The error says nothing of its content.
pub(in crate::nebuly) fn read_details(
    body: &[u8],
    allowed: &[Arc<str>],
) -> Result<DetailFields, &'static str> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let fields = AllowedFields(allowed).deserialize(&mut json);
    let fields = fields.and_then(|fields| json.end().map(|()| fields));
    fields.map_err(|_| "the body is not an object in JSON")
}

/// The object of an answer, as its allowed fields.
struct AllowedFields<'a>(&'a [Arc<str>]);

/// The name of a field, as its position among the allowed ones.
struct FieldPosition<'a>(&'a [Arc<str>]);

/// A value, of a field or of a member of one. It is nothing if it is deeper than one level.
#[derive(Clone, Copy)]
struct ValueReader {
    /// True for a member, which may have no members of its own.
    is_member: bool,
}

impl<'de> DeserializeSeed<'de> for AllowedFields<'_> {
    type Value = DetailFields;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllowedFields<'_> {
    type Value = DetailFields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(position) = object.next_key_seed(FieldPosition(self.0))? {
            match position.and_then(|position| values.get_mut(position)) {
                Some(value) => *value = object.next_value_seed(ValueReader { is_member: false })?,
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        let fields = self.0.iter().zip(values);
        Ok(fields.filter_map(|(name, value)| Some((Arc::clone(name), value?))).collect())
    }
}

impl<'de> DeserializeSeed<'de> for FieldPosition<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldPosition<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|allowed| **allowed == *name))
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader {
    type Value = Option<DetailValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader {
    type Value = Option<DetailValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(plain(PlainValue::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(plain(PlainValue::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(plain(PlainValue::Integer(value)))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON in other languages has no more precision either")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        let integer = i64::try_from(value).map(PlainValue::Integer);
        Ok(plain(integer.unwrap_or(PlainValue::Decimal(value as f64))))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(plain(PlainValue::Decimal(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(plain(PlainValue::Text(cut(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        if self.is_member {
            return IgnoredAny.visit_seq(list).map(|_| None);
        }
        let (mut values, mut has_any) = (Vec::new(), false);
        while let Some(member) = list.next_element_seed(Self { is_member: true })? {
            has_any = true;
            if let Some(DetailValue::Plain(value)) = member
                && values.len() < MAX_MEMBERS
            {
                values.push(value);
            }
        }
        // If all of them are deeper, so is the list: an empty one would say that it has no members.
        Ok((!values.is_empty() || !has_any).then_some(DetailValue::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        if self.is_member {
            return IgnoredAny.visit_map(object).map(|_| None);
        }
        let (mut members, mut has_any) = (Vec::new(), false);
        while let Some(name) = object.next_key::<String>()? {
            has_any = true;
            if let Some(DetailValue::Plain(value)) = object.next_value_seed(Self { is_member: true })?
                && members.len() < MAX_MEMBERS
            {
                members.push((cut(&name), value));
            }
        }
        Ok((!members.is_empty() || !has_any).then_some(DetailValue::Object(members)))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the visitor's value is optional")]
const fn plain(value: PlainValue) -> Option<DetailValue> {
    Some(DetailValue::Plain(value))
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value, allowed: &[&str]) -> DetailFields {
        let allowed: Vec<Arc<str>> = allowed.iter().map(|name| (*name).into()).collect();
        read_details(body.to_string().as_bytes(), &allowed).unwrap()
    }

    fn text(text: &str) -> PlainValue {
        PlainValue::Text(text.to_owned())
    }

    #[test]
    fn only_the_allowed_fields_are_read_in_the_order_of_the_operator() {
        let body = json!({
            "input": "canary", "topic": "refunds", "cost": 120.5, "latency": 3, "pii_removed": true, "intent": null,
            "emotions": {"calm": 0.8, "n": -1}, "actions": ["a", 2, false, null], "conversation": [{"input": "canary"}],
        });
        let allowed = ["actions", "intent", "latency", "cost", "unknown", "topic", "emotions", "pii_removed"];
        let fields = read(&body, &allowed);
        let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["actions", "intent", "latency", "cost", "topic", "emotions", "pii_removed"]);
        let values: Vec<_> = fields.into_iter().map(|(_, value)| value).collect();
        let plain = DetailValue::Plain;
        let list = vec![text("a"), PlainValue::Integer(2), PlainValue::Bool(false), PlainValue::Null];
        let object =
            vec![("calm".to_owned(), PlainValue::Decimal(0.8)), ("n".to_owned(), PlainValue::Integer(-1))];
        assert_eq!(
            values,
            [
                DetailValue::List(list),
                plain(PlainValue::Null),
                plain(PlainValue::Integer(3)),
                plain(PlainValue::Decimal(120.5)),
                plain(text("refunds")),
                DetailValue::Object(object),
                plain(PlainValue::Bool(true)),
            ]
        );
    }

    #[test]
    fn values_deeper_than_one_level_are_left_out() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let body = format!(
            r#"{{"tags": {{"a": {{"b": "canary"}}, "c": 1, "d": [1]}}, "list": [[1], "x", {{}}], "other": {deep}, "one": [{deep}]}}"#
        );
        let allowed = ["tags", "list", "one"].map(Arc::from);
        let fields = read_details(body.as_bytes(), &allowed).unwrap();
        let tags = DetailValue::Object(vec![("c".to_owned(), PlainValue::Integer(1))]);
        // Of one nothing is left.
        assert_eq!(fields, [("tags".into(), tags), ("list".into(), DetailValue::List(vec![text("x")]))]);
    }

    #[test]
    fn an_empty_list_or_object_is_a_value() {
        let fields = read(
            &json!({"actions": [], "tags": {}, "conversation": [{}]}),
            &["tags", "actions", "conversation"],
        );
        let (object, list) = (DetailValue::Object(Vec::new()), DetailValue::List(Vec::new()));
        assert_eq!(fields, [("tags".into(), object), ("actions".into(), list)]);
    }

    #[test]
    fn texts_are_cut_at_a_thousand_characters_and_lists_at_a_thousand_members() {
        let long = "ü".repeat(1001);
        let body = json!({
            "topic": &long, "emotions": [&long], "tags": {&long: &long},
            "actions": vec![1; 1001], "rags": (0..1001).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
        });
        let fields = read(&body, &["topic", "emotions", "tags", "actions", "rags"]);
        let cut = "ü".repeat(1000);
        assert_eq!(fields[0].1, DetailValue::Plain(text(&cut)));
        assert_eq!(fields[1].1, DetailValue::List(vec![text(&cut)]));
        assert_eq!(fields[2].1, DetailValue::Object(vec![(cut.clone(), text(&cut))]));
        assert_eq!(fields[3].1, DetailValue::List(vec![PlainValue::Integer(1); 1000]));
        assert!(matches!(&fields[4].1, DetailValue::Object(members) if members.len() == 1000));
    }

    #[test]
    fn a_number_too_large_for_64_bits_is_a_decimal() {
        let body = json!({"a": i64::MAX, "b": u64::MAX, "c": i64::MIN});
        let numbers: Vec<_> = read(&body, &["a", "b", "c"]).into_iter().map(|(_, value)| value).collect();
        let [a, c] = [i64::MAX, i64::MIN].map(|number| DetailValue::Plain(PlainValue::Integer(number)));
        let b = DetailValue::Plain(PlainValue::Decimal(18_446_744_073_709_551_615.0));
        assert_eq!(numbers, [a, b, c]);
    }

    #[test]
    fn of_a_field_that_is_there_twice_the_last_counts() {
        let fields = read_details(br#"{"cost": 1, "cost": 2}"#, &["cost".into()]).unwrap();
        assert_eq!(fields, [("cost".into(), DetailValue::Plain(PlainValue::Integer(2)))]);
    }

    #[test]
    fn anything_but_one_object_is_refused_without_a_word_of_it() {
        for body in [
            "",
            "null",
            "[]",
            "canary",
            r#""canary""#,
            r#"{"topic": canary}"#,
            r#"{"topic": 1} canary"#,
            r#"{"topic": "ca"#,
        ] {
            let refused = read_details(body.as_bytes(), &["topic".into()]).unwrap_err();
            assert_eq!(refused, "the body is not an object in JSON", "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics_and_no_field_is_read_that_is_not_allowed(body in "([{}\\[\\],:\"\\\\]|topic|input|1|null|\\PC){0,40}") {
            if let Ok(fields) = read_details(body.as_bytes(), &["topic".into()]) {
                prop_assert!(fields.iter().all(|(name, _)| **name == *"topic"));
            }
        }
    }
}
