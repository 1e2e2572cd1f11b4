//! The parameters that requests have.

use std::sync::Arc;

use serde_json::{Value, json};
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr, Required};

use super::component::component;
use super::examples::{CONVERSATION, INTERACTION, interaction};
use crate::domain::{Item, Kind, ProjectName};
use crate::web::route::IdLocation;

/// Those of every request.
pub(super) const EVERYWHERE: &[&str] = &["x-request-id"];

/// Those of every link.
pub(super) const LINK: &[&str] = &["refresh", "cache-control", "wait", "project"];

/// Those of a redirect.
pub(super) const REDIRECT: &[&str] = &["noredirect"];

/// Those of a look-up by tag.
pub(super) const TAG: &[&str] = &["item-kind", "at"];

/// Those of a form.
pub(super) const FORM: &[&str] = &["sec-fetch-site"];

/// Those of the page `/kit`.
pub(super) const KIT: &[&str] = &["kind", "project"];

/// The most characters of an id: those of its bytes.
const MAX_ID: usize = 512;

/// The form of a duration, in the usual units.
const DURATION: &str = "^(0|([0-9]{1,6}(ms|s|m|h|d))+)$";

/// The form of an id: no control character, and no part that is `.` or `..`.
const ID: &str = "^(?!(.*[/\\\\])?\\.\\.?([/\\\\;?#]|$))[^\\u0000-\\u001F\\u007F-\\u009F]+$";

/// The form of a short code.
const SHORT_CODE: &str = "^[1-9A-HJ-NP-Za-km-z]{22}$";

/// Adds parameters by their names.
pub(super) fn add(operation: OperationBuilder, names: &[&str]) -> OperationBuilder {
    names.iter().fold(operation, |operation, name| operation.parameter_ref(component("parameters", name)))
}

/// Every one that more than one path has, by name.
pub(super) fn all() -> [(&'static str, Parameter); 10] {
    [
        (
            "refresh",
            query(
                "refresh",
                "Nebuly is called even if a cached result is fresh. If that fails, the cache answers.",
                Ref::from_schema_name("Switch"),
            ),
        ),
        (
            "noredirect",
            query(
                "noredirect",
                "The page of the link in place of the redirect; JSON, unless `Accept` names `text/html`.",
                Ref::from_schema_name("Switch"),
            ),
        ),
        (
            "wait",
            query(
                "wait",
                "If Nebuly does not know the item yet, it is asked again until the item is there or this time is up. The most is \
             `redirect.max_wait`.",
                text().pattern(Some(DURATION)).max_length(Some(16)).examples([json!("5s"), json!("1m30s")]),
            ),
        ),
        (
            "project",
            query(
                "project",
                "The only project that is asked. Without it, all are.",
                text().max_length(Some(ProjectName::MAX_LEN)).examples([json!("default")]),
            ),
        ),
        (
            "kind",
            query("kind", "The kind of the ids that the templates are for.", Ref::from_schema_name("Kind")),
        ),
        (
            "item-kind",
            query("kind", "The kind of the item. Without it, an interaction.", Ref::from_schema_name("Kind")),
        ),
        (
            "at",
            query(
                "at",
                "The item is of a day before or after this time, rather than of the last `lookup.window`. RFC 3339 with an offset, \
             or a number of seconds or (from 10¹¹ on) milliseconds.",
                AnyOfBuilder::new()
                    .item(
                        text()
                            .format(Some(SchemaFormat::Custom("date-time".to_owned())))
                            .examples([json!("2026-11-20T10:00:00Z")]),
                    )
                    .item(text().pattern(Some("^[0-9]+$")).examples([json!("1795168800")])),
            ),
        ),
        (
            "cache-control",
            header(
                "Cache-Control",
                "`no-cache` does the same as `refresh`.",
                text().examples([json!("no-cache")]),
            ),
        ),
        (
            "x-request-id",
            header(
                "X-Request-Id",
                "Becomes the id of the request, if it is 1 to 64 of `A-Z a-z 0-9 . _ -`. Otherwise the request gets a new one.",
                text().examples([json!("7d2f0c1b9a3e4d58")]),
            ),
        ),
        (
            "sec-fetch-site",
            header(
                "Sec-Fetch-Site",
                "Browsers say so from where a form comes. Another site's is refused; without this header, `Origin` counts.",
                text().enum_values(Some(["same-origin", "none"])),
            ),
        ),
    ]
}

/// The id of an item of a kind, or of any kind, in a path.
pub(super) fn id_in_path(kind: Option<Kind>, takes_short_code: bool) -> Parameter {
    let description = match kind {
        Some(Kind::Interaction) if takes_short_code => "A UUID, or its base58 code of 22 characters.",
        Some(Kind::Interaction) => "A UUID.",
        Some(Kind::Conversation) => "1 to 512 bytes, percent-encoded, a slash as `%2F`.",
        None => {
            "A UUID is tried as an interaction, then as a conversation. Other text is a conversation. It is percent-encoded, a \
             slash as `%2F`."
        }
    };
    in_path("id", description, id(kind, takes_short_code))
}

/// The id of an item whose kind is another part of the path.
pub(super) fn id_of_kind_in_path() -> Parameter {
    let description = "The UUID of an interaction; or the id of a conversation: 1 to 512 bytes, percent-encoded, a slash as `%2F`.";
    in_path("id", description, id(None, false))
}

/// The same in a query, under either of its names.
pub(super) fn ids_in_query(kind: Option<Kind>, takes_short_code: bool) -> [Parameter; 2] {
    let description = match kind {
        Some(Kind::Interaction) if takes_short_code => {
            "A UUID, or its base58 code of 22 characters. Either this or `external_id` is needed."
        }
        Some(Kind::Interaction) => "A UUID. Either this or `external_id` is needed.",
        Some(Kind::Conversation) => "1 to 512 bytes. Either this or `external_id` is needed.",
        None => {
            "A UUID is tried as an interaction, then as a conversation. From the URL of a page of Nebuly's, and from a link of \
             this installation, nebulink takes kind and id. Other text is a conversation. Either this or `external_id` is \
             needed."
        }
    };
    [
        query("id", description, id(kind, takes_short_code)),
        query(
            "external_id",
            "The same as `id`, under the name that Zendesk gives it.",
            id(kind, takes_short_code),
        ),
    ]
}

/// The name of a tag in a path.
pub(super) fn tag_name_in_path(tags: &[Arc<str>]) -> Parameter {
    let name = text();
    // A list of no names would be no schema.
    let (description, name) = if tags.is_empty() {
        ("The name of a tag. `lookup.tags` of this installation lists none, so each gets a 404.", name)
    } else {
        let names = tags.iter().map(|tag| &**tag);
        (
            "The name of a tag, as your application sends it to Nebuly: one of `lookup.tags`.",
            name.enum_values(Some(names)),
        )
    };
    in_path("name", description, name)
}

/// The value of a tag.
pub(super) fn tag_value(location: IdLocation) -> Parameter {
    let value =
        text().pattern(Some(ID)).min_length(Some(1)).max_length(Some(MAX_ID)).examples([json!("4711")]);
    match location {
        IdLocation::Path => in_path("value", "1 to 512 bytes, percent-encoded, a slash as `%2F`.", value),
        IdLocation::Query => {
            ParameterBuilder::from(query("value", "1 to 512 bytes.", value)).required(Required::True).build()
        }
    }
}

/// A part of the path that is not looked at.
pub(super) fn any_in_path(name: &str) -> Parameter {
    in_path(name, "As in the request that is asked about.", text())
}

/// The kind in a path.
pub(super) fn kind_in_path() -> Parameter {
    in_path("kind", "The kind of the item.", Ref::from_schema_name("Kind"))
}

fn in_path(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    let parameter = ParameterBuilder::from(query(name, description, schema));
    parameter.parameter_in(ParameterIn::Path).required(Required::True).build()
}

fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn header(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    let parameter = ParameterBuilder::from(query(name, description, schema));
    parameter.parameter_in(ParameterIn::Header).build()
}

fn id(kind: Option<Kind>, takes_short_code: bool) -> Schema {
    let uuid = || text().format(Some(SchemaFormat::Custom("uuid".to_owned()))).examples([json!(INTERACTION)]);
    let any = text().pattern(Some(ID)).min_length(Some(1)).max_length(Some(MAX_ID));
    match kind {
        Some(Kind::Interaction) if takes_short_code => {
            let code = interaction().as_ref().and_then(Item::short_code);
            let code = text().pattern(Some(SHORT_CODE)).examples(code.map(Value::from));
            AnyOfBuilder::new().item(uuid()).item(code).into()
        }
        Some(Kind::Interaction) => uuid().into(),
        Some(Kind::Conversation) => any.examples([json!(CONVERSATION)]).into(),
        None => any.examples([json!(INTERACTION), json!(CONVERSATION)]).into(),
    }
}

/// A kind.
pub(super) fn kind() -> Schema {
    text().enum_values(Some([Kind::Interaction, Kind::Conversation].map(Kind::as_str))).into()
}

/// The value of a parameter that is on if it has none.
pub(super) fn switch() -> Schema {
    let boolean = ObjectBuilder::new().schema_type(Type::Boolean);
    AnyOfBuilder::new().item(boolean).item(text().enum_values(Some(["", "1", "0"]))).into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
