//! The problems that a route can end in, from the table of problems.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};

use super::component::component;
use super::headers;
use crate::domain::{InvalidId, Kind};
use crate::web::caller::AccessRule;
use crate::web::problem::{BodyMember, Problem};
use crate::web::request_body::OTHER_TYPE;
use crate::web::route::{ALLOW_GET, ApiRoute, FixedRoute, Route};

/// Every problem once.
pub(super) const PROBLEMS: &[Problem] = &[
    Problem::InvalidRequest("The parameter wait is a duration, such as 5s."),
    Problem::RepeatedParameter("project"),
    Problem::NotJson { line: 1, column: 12 },
    Problem::InvalidId { why: InvalidId::NotAUuid, kind: Some(Kind::Interaction) },
    Problem::InvalidValue,
    Problem::TokenRequired,
    Problem::IdentityRequired,
    Problem::CrossSite,
    Problem::UnknownPath { is_api: true },
    Problem::UnknownTag,
    Problem::UnknownProject,
    Problem::NotFound,
    Problem::TagNotFound { kind: Kind::Interaction, searched: None, may_come: true },
    Problem::MethodNotAllowed { allow: ALLOW_GET },
    Problem::Ambiguous,
    Problem::AmbiguousTag,
    Problem::TooLarge,
    Problem::TooManyLinks { sent: 1200, most: 1000 },
    Problem::UnsupportedForm,
    Problem::UnsupportedBody(OTHER_TYPE),
    Problem::InvalidMember { member: BodyMember::Kind(3), found: "a number" },
    Problem::RateLimited { retry_after: 5 },
    Problem::Internal,
    Problem::KeyRejected,
    Problem::BadAnswer,
    Problem::Unavailable,
    Problem::Overloaded { retry_after: None },
    Problem::TooManyBatches,
    Problem::Timeout,
];

/// The name of a problem among the examples: that of its variant.
pub(super) fn name_of(problem: Problem) -> String {
    format!("{problem:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Returns true if a request with this method can end in a problem.
fn can_end_in(problem: Problem, route: Route, method: &Method) -> bool {
    let is_link = asks_for_a_link(route);
    let is_tag = matches!(route, Route::Tag(_));
    let is_api = route.access_rule() == AccessRule::Api;
    let is_kit = route == Route::Fixed(FixedRoute::Kit);
    let has_body = method == Method::POST;
    let is_form = has_body && !is_api;
    match problem {
        Problem::InvalidRequest(_) | Problem::RepeatedParameter(_) => is_link || is_kit || has_body,
        // In a batch it is a problem of its link.
        Problem::UnknownProject => is_link || is_kit || is_form,
        Problem::InvalidId { .. } | Problem::NotFound => is_link && !is_tag,
        Problem::InvalidValue | Problem::UnknownTag | Problem::TagNotFound { .. } | Problem::AmbiguousTag => {
            is_tag
        }
        Problem::RateLimited { .. }
        | Problem::KeyRejected
        | Problem::BadAnswer
        | Problem::Unavailable
        | Problem::Overloaded { .. }
        | Problem::Timeout => is_link,
        // The id of an interaction is the same in all projects.
        Problem::Ambiguous => match route {
            Route::Redirect(link) => link.kind != Some(Kind::Interaction),
            _ => is_link && !is_tag,
        },
        Problem::TooLarge | Problem::TooManyBatches => has_body,
        Problem::UnsupportedForm | Problem::CrossSite => is_form,
        Problem::NotJson { .. }
        | Problem::TooManyLinks { .. }
        | Problem::UnsupportedBody(_)
        | Problem::InvalidMember { .. } => has_body && is_api,
        Problem::TokenRequired => is_api,
        Problem::IdentityRequired => route.access_rule() != AccessRule::Open,
        Problem::UnknownPath { .. } => matches!(route, Route::Api(ApiRoute::Link(_))),
        Problem::MethodNotAllowed { .. } | Problem::Internal => true,
    }
}

/// The answers of the HTTP layer, without a body, to a head that is too long.
pub(super) fn bare_answers() -> [(StatusCode, &'static str, Response); 2] {
    [
        (
            StatusCode::URI_TOO_LONG,
            "AddressTooLong",
            "The address is longer than 16 KiB. Nothing else is said.",
        ),
        (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HeadTooLong",
            "The head is longer than 16 KiB. Nothing else is said.",
        ),
    ]
    .map(|(status, name, description)| {
        (status, name, ResponseBuilder::new().description(description).build())
    })
}

/// The answers with a problem, by status, each with a name that stands for its content: many routes have the same.
pub(super) fn problem_answers(
    route: Route,
    method: &Method,
) -> impl Iterator<Item = (StatusCode, String, Response)> {
    let mut by_status = BTreeMap::<StatusCode, Vec<Problem>>::new();
    for problem in PROBLEMS.iter().filter(|problem| can_end_in(**problem, route, method)) {
        by_status.entry(problem.row().status).or_default().push(*problem);
    }
    by_status.into_iter().map(move |(status, problems)| {
        let place = match route {
            Route::Api(_) => "Api",
            _ if asks_for_a_link(route) => "Link",
            _ => "Page",
        };
        let names: String = problems.iter().copied().map(name_of).collect();
        (status, format!("{place}{names}"), answer(route, status, &problems))
    })
}

fn answer(route: Route, status: StatusCode, problems: &[Problem]) -> Response {
    let line = |problem: &Problem| format!("- `{}`: {}", problem.row().kind, problem.row().detail);
    let lines: Vec<_> = problems.iter().map(line).collect();
    let example = |problem: &Problem| {
        let name = name_of(*problem);
        let example = RefOr::Ref(component("examples", &name));
        (name, example)
    };
    let json = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(problems.iter().map(example));
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n"))
        .content("application/problem+json", json.build());
    if route.has_pages() {
        let page = ObjectBuilder::new().schema_type(Type::String);
        response = response.content("text/html", ContentBuilder::new().schema(Some(page)).build());
    }
    let is_of_link = asks_for_a_link(route) && problems.iter().any(|problem| is_of_nebuly(*problem));
    let of_link = if is_of_link { headers::OF_LINK } else { &[] };
    let of_route = if route.has_pages() { headers::PAGE } else { headers::CROSS_ORIGIN };
    let names = [headers::EVERYWHERE, headers::WITH_BODY, of_route, of_link, headers::of_problem(status)];
    headers::add(response, &names).build()
}

/// Returns true if the answer is about one link.
fn asks_for_a_link(route: Route) -> bool {
    matches!(route, Route::Redirect(_) | Route::Tag(_) | Route::Api(ApiRoute::Link(_)))
}

/// Returns true if a problem can come from a call to Nebuly.
const fn is_of_nebuly(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::NotFound
            | Problem::TagNotFound { .. }
            | Problem::Ambiguous
            | Problem::AmbiguousTag
            | Problem::KeyRejected
            | Problem::BadAnswer
            | Problem::Unavailable
            | Problem::Overloaded { .. }
            | Problem::Timeout
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_is_there_once() {
        let source = include_str!("../problem.rs");
        let (_, variants) = source.split_once("enum Problem {").unwrap();
        let (variants, _) = variants.split_once("\n}").unwrap();
        let name_on = |line: &str| {
            let name = line.strip_prefix("    ")?.split(|char: char| !char.is_ascii_alphanumeric()).next()?;
            Some(name.to_owned()).filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
        };
        let variants: BTreeSet<_> = variants.lines().filter_map(name_on).collect();
        let described: BTreeSet<_> = PROBLEMS.iter().copied().map(name_of).collect();
        assert_eq!(described, variants);
        assert_eq!(PROBLEMS.len(), variants.len());
    }

    #[test]
    fn every_problem_is_an_answer_of_some_route() {
        for problem in PROBLEMS.iter().copied() {
            let methods = [Method::GET, Method::POST];
            let is_answer = |route| methods.iter().any(|method| can_end_in(problem, route, method));
            assert!(Route::all().into_iter().any(is_answer), "{problem:?}");
        }
    }
}
