//! Every route: its methods, and the answers that are no problem.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Required};

use super::parameters::{
    self, any_in_path, id_in_path, id_of_kind_in_path, ids_in_query, kind_in_path, tag_name_in_path,
    tag_value,
};
use super::problem_answers::{bare_answers, problem_answers};
use super::{examples, headers};
use crate::domain::Kind;
use crate::web::WebOptions;
use crate::web::caller::AccessRule;
use crate::web::link_json::LinkJson;
use crate::web::route::{ApiRoute, FixedRoute, IdLocation, LinkRoute, Route, TagRoute};

/// The name of the scheme in which a request has an API token.
pub(super) const TOKEN: &str = "token";

const JSON: &str = "application/json";

const LINKS: &str = "links";
const API: &str = "api";
const PAGES: &str = "pages";
const FILES: &str = "files";

/// The sections of the document, with a sentence on each.
pub(super) const SECTIONS: [(&str, &str); 4] = [
    (LINKS, "Redirects to the page of an item."),
    (API, "Links as JSON, for programs."),
    (PAGES, "Pages for people."),
    (FILES, "Files at fixed paths."),
];

/// An operation, without the problems that it can end in.
struct Described {
    method: Method,
    operation: OperationBuilder,
    answers: Vec<(StatusCode, Response)>,
}

/// Every path with its operations, and the answers that several of them have, by name.
pub(super) fn operations(options: &WebOptions) -> (Paths, BTreeMap<String, Response>) {
    let has_tokens = options.access.api_tokens.is_some();
    let mut shared = BTreeMap::new();
    let mut paths = Paths::new();
    for route in Route::all() {
        for Described { method, operation, answers } in described(route, &options.lookup_tags) {
            let mut responses = ResponsesBuilder::new();
            for (status, answer) in answers {
                responses = responses.response(status.as_str(), answer);
            }
            for (status, name, answer) in problem_answers(route, &method) {
                responses = responses.response(status.as_str(), Ref::from_response_name(name.as_str()));
                shared.insert(name, answer);
            }
            for (status, name, answer) in bare_answers() {
                responses = responses.response(status.as_str(), Ref::from_response_name(name));
                shared.insert(name.to_owned(), answer);
            }
            let operation = parameters::add(operation, parameters::EVERYWHERE);
            let operation =
                operation.responses(responses).securities(Some(security(route, &method, has_tokens)));
            let method = match method {
                Method::POST => HttpMethod::Post,
                Method::OPTIONS => HttpMethod::Options,
                _ => HttpMethod::Get,
            };
            paths.add_path_operation(route.pattern(), vec![method], operation);
        }
    }
    (paths, shared)
}

fn described(route: Route, tags: &[Arc<str>]) -> Vec<Described> {
    match route {
        Route::Redirect(link) => vec![redirect(link)],
        Route::Tag(TagRoute { value, .. }) => vec![tag(value, tags)],
        Route::Fixed(FixedRoute::Paste) => {
            vec![page("start_page", "The page where a person pastes ids"), paste()]
        }
        Route::Fixed(FixedRoute::Kit) => {
            let Described { method, operation, answers } =
                page("kit_page", "Templates for tools that embed links");
            let operation = parameters::add(operation, parameters::KIT);
            vec![Described { method, operation, answers }, kit()]
        }
        Route::Fixed(FixedRoute::OpenApi) => {
            vec![file("openapi", "This description", JSON, Type::Object)]
        }
        Route::Fixed(FixedRoute::OpenSearch) => {
            vec![file(
                "opensearch",
                "The description for a browser's bar",
                "application/opensearchdescription+xml",
                Type::String,
            )]
        }
        Route::Fixed(FixedRoute::Favicon) => vec![file("favicon", "The mark", "image/svg+xml", Type::String)],
        Route::Fixed(FixedRoute::Robots) => {
            vec![file("robots", "Tells robots to stay out", "text/plain; charset=utf-8", Type::String)]
        }
        Route::Api(ApiRoute::Link(_)) => {
            vec![api_link(), preflight("preflight_link", &["kind", "id"].map(any_in_path))]
        }
        Route::Api(ApiRoute::Links) => vec![api_links(), preflight("preflight_links", &[])],
        Route::Api(ApiRoute::Unmatched) | Route::Unmatched | Route::WrongMethod { .. } => Vec::new(),
    }
}

fn redirect(link: LinkRoute) -> Described {
    let (of, name) = match link.kind {
        Some(Kind::Interaction) => ("an interaction", "interaction"),
        Some(Kind::Conversation) => ("a conversation", "conversation"),
        None => ("the item of an id, whose kind is found out", "item"),
    };
    let short = if link.prefix.starts_with("/go") { "" } else { "_short" };
    let (place, form) = match link.id {
        IdLocation::Path => ("path", "with the id in the path"),
        IdLocation::Query => ("query", "with the id in the query, which survives tools that change paths"),
    };
    let operation =
        operation(LINKS, &format!("open_{name}{short}_by_{place}"), &format!("Redirects to {of}, {form}"));
    let operation = parameters::add(operation, parameters::LINK);
    let operation = parameters::add(operation, parameters::REDIRECT);
    let operation = match link.id {
        IdLocation::Path => operation.parameter(id_in_path(link.kind, link.takes_short_code())),
        IdLocation::Query => operation.parameters(Some(ids_in_query(link.kind, link.takes_short_code()))),
    };
    get(operation, redirect_answers())
}

fn tag(value: IdLocation, tags: &[Arc<str>]) -> Described {
    let (id, form) = match value {
        IdLocation::Path => ("open_tag_by_path", "with its value in the path"),
        IdLocation::Query => ("open_tag_by_query", "with its value in the query"),
    };
    let operation = operation(LINKS, id, &format!("Redirects to the newest item with a tag, {form}"))
        .parameter(tag_name_in_path(tags))
        .parameter(tag_value(value));
    let operation = parameters::add(operation, parameters::LINK);
    let operation = parameters::add(operation, parameters::REDIRECT);
    get(parameters::add(operation, parameters::TAG), redirect_answers())
}

/// The redirect, and what `noredirect` makes of it.
fn redirect_answers() -> Vec<(StatusCode, Response)> {
    let redirect = ResponseBuilder::new().description("The redirect. It has no body.");
    let redirect = headers::add(redirect, &[headers::EVERYWHERE, headers::OF_LINK, headers::REDIRECT]);
    let page = with_body("With `noredirect`: the link. For a robot that makes previews: a small page.")
        .content(JSON, content(Ref::from_schema_name("LinkWithDetails"), examples::link_with_details()))
        .content("text/html", content(text(), None));
    let page = headers::add(page, &[headers::OF_LINK, headers::PAGE]);
    vec![(StatusCode::OK, page.build()), (StatusCode::FOUND, redirect.build())]
}

fn api_link() -> Described {
    let operation =
        operation(API, "get_link", "One link").parameter(kind_in_path()).parameter(id_of_kind_in_path());
    let operation = parameters::add(operation, parameters::LINK);
    let link = with_body("The link.")
        .content(JSON, content(Ref::from_schema_name("Link"), examples::value(&examples::link())));
    let link = headers::add(link, &[headers::OF_LINK, headers::CROSS_ORIGIN]);
    get(operation, vec![(StatusCode::OK, link.build())])
}

fn api_links() -> Described {
    let wanted = json!([
        {"kind": "interaction", "id": examples::INTERACTION},
        {"id": examples::CONVERSATION, "project": "default"},
        {"id": examples::CONVERSATION},
    ]);
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .description(Some("At most 1 MiB."))
        .content(JSON, content(Ref::from_schema_name("LinksRequest"), Some(json!({"links": wanted}))));
    let operation = operation(API, "get_links", "Many links")
        .description(Some("Each has a state of its own, so the answer is a 200 whatever becomes of them."))
        .request_body(Some(body.build()));
    let operation = parameters::add(operation, &["refresh"]);
    let links = examples::links().unwrap_or_default();
    let line = links.first().map(|link| LinkJson { index: Some(0), ..link.clone() });
    let links = with_body(
        "The links, in the order of the request; for whoever accepts `application/x-ndjson`, each as a line with its `index`, \
         as soon as it is known.",
    )
    .content(JSON, content(Ref::from_schema_name("Links"), Some(json!({"links": links}))))
    .content("application/x-ndjson", content(Ref::from_schema_name("Link"), examples::value(&line)));
    let links = headers::add(links, &[headers::OF_LINKS, headers::CROSS_ORIGIN]);
    Described { method: Method::POST, operation, answers: vec![(StatusCode::OK, links.build())] }
}

/// The answer to a request for many links.
pub(super) fn links() -> Schema {
    let links = ArrayBuilder::new().items(Ref::from_schema_name("Link"));
    ObjectBuilder::new().property("links", links).required("links").into()
}

/// A request for so many links at most.
pub(super) fn links_request(most: usize) -> Schema {
    let links = ArrayBuilder::new().items(Ref::from_schema_name("RequestedLink")).max_items(Some(most));
    ObjectBuilder::new().property("links", links).required("links").into()
}

/// The question of a browser before a page of another origin may ask.
fn preflight(id: &str, parameters: &[Parameter]) -> Described {
    let operation = operation(API, id, "A browser asks if a page of another origin may ask (CORS)")
        .parameters(Some(parameters.iter().cloned()));
    let answer = ResponseBuilder::new()
        .description("For an origin of `access.cors_origins`, with the headers that say so.");
    let answer = headers::add(answer, &[headers::EVERYWHERE, headers::PREFLIGHT]);
    Described { method: Method::OPTIONS, operation, answers: vec![(StatusCode::NO_CONTENT, answer.build())] }
}

fn page(id: &str, summary: &str) -> Described {
    get(operation(PAGES, id, summary), vec![(StatusCode::OK, html("The page."))])
}

fn paste() -> Described {
    let ids = text().min_length(Some(1)).description(Some("Ids, addresses, or a whole log."));
    let ids = ids.examples([json!(format!("{}\n{}", examples::INTERACTION, examples::CONVERSATION))]);
    let project = text().description(Some("The only project that is asked; none or empty for all."));
    let fields = ObjectBuilder::new().property("ids", ids).required("ids").property("project", project);
    form("paste_ids", "Looks up pasted ids", fields, &[])
}

fn kit() -> Described {
    let address =
        text().description(Some("An address that a tool made.")).examples([json!("/go/interaction?id=a")]);
    let fields = ObjectBuilder::new().property("address", address);
    form("test_address", "Shows what happens to an address that a tool made", fields, parameters::KIT)
}

/// A form, which is sent to the path of its page.
fn form(id: &str, summary: &str, fields: ObjectBuilder, of_page: &[&str]) -> Described {
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .description(Some("At most 1 MiB."))
        .content("application/x-www-form-urlencoded", content(fields, None));
    let operation = operation(PAGES, id, summary).request_body(Some(body.build()));
    let operation = parameters::add(parameters::add(operation, parameters::FORM), of_page);
    Described {
        method: Method::POST,
        operation,
        answers: vec![(StatusCode::OK, html("The page with the result."))],
    }
}

fn file(id: &str, summary: &str, media_type: &str, schema: Type) -> Described {
    let file =
        with_body("The file.").content(media_type, content(ObjectBuilder::new().schema_type(schema), None));
    get(operation(FILES, id, summary), vec![(StatusCode::OK, file.build())])
}

fn get(operation: OperationBuilder, answers: Vec<(StatusCode, Response)>) -> Described {
    Described { method: Method::GET, operation, answers }
}

fn operation(section: &str, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(section).operation_id(Some(id)).summary(Some(summary))
}

fn with_body(description: &str) -> ResponseBuilder {
    headers::add(ResponseBuilder::new().description(description), &[headers::EVERYWHERE, headers::WITH_BODY])
}

fn html(description: &str) -> Response {
    headers::add(with_body(description).content("text/html", content(text(), None)), &[headers::PAGE]).build()
}

fn content(schema: impl Into<RefOr<Schema>>, example: Option<Value>) -> Content {
    ContentBuilder::new().schema(Some(schema)).example(example).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A token, where the installation asks for one. Elsewhere it does no harm.
fn security(route: Route, method: &Method, has_tokens: bool) -> Vec<SecurityRequirement> {
    if route.access_rule() != AccessRule::Api || method == Method::OPTIONS {
        return Vec::new();
    }
    let token = SecurityRequirement::new(TOKEN, Vec::<String>::new());
    if has_tokens { vec![token] } else { vec![SecurityRequirement::default(), token] }
}
