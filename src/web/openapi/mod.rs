//! `/openapi.json`: the description of every path for programs, in the words of `OpenAPI` 3.1. It is made of the code that
//! serves: the table of routes, the table of problems, and the types that are written as JSON.
//!
//! | file | job |
//! |---|---|
//! | `operations` | every route: its methods, and the answers that are no problem |
//! | `problem_answers` | the problems that each route can end in |
//! | `parameters` | the parameters that requests have |
//! | `headers` | the headers that answers have |
//! | `component` | how they refer to what many of them have |
//! | `examples` | links and problems as JSON, written by the code that serves |

mod component;
mod examples;
mod headers;
mod operations;
mod parameters;
mod problem_answers;

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag as Section, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};

use self::operations::{SECTIONS, TOKEN, operations};
use super::api::RequestedLink;
use super::link_json::{LinkJson, LinkState, ProblemJson};
use super::link_page::LinkWithDetails;
use super::pages::{AN_HOUR, secure_response};
use super::problem::Problem;
use super::{Web, WebOptions};

const DESCRIPTION: &str = "\
nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.

- `HEAD` is answered as `GET` is, without the body. Any other method that is not listed gets a 405 with `Allow`.
- A trailing slash changes nothing.
- Parameters that are not listed are ignored. A listed one that is given twice gets a 400.
- An id in a path is percent-encoded, its slashes as `%2F`. If a proxy on the way decodes them, they still belong to the id, \
as a path that ends with an id takes all that follows.
- Errors are `application/problem+json` (RFC 9457), or a page for whoever accepts `text/html`; below `/api` they are always \
JSON.
- Where people have to sign in (`access.identity_header`), a proxy adds the header that names them. Without it, every path but \
`/favicon.svg` and `/robots.txt` answers with 403; below `/api` an API token will do.
- A head that cannot be read gets a bare 400.
- A robot that makes previews of links gets a small page in place of a redirect.";

/// Answers with the description. It is made for the first who asks: that takes some milliseconds and megabytes, which most
/// processes never need.
pub(super) async fn answer(web: &Arc<Web>) -> Result<Response, Problem> {
    let description = if let Some(description) = web.description.get() {
        description.clone()
    } else {
        let maker = Arc::clone(web);
        let making = web.options.background.run_blocking(move || bytes_of(&maker).clone());
        making.await.map_err(|_| Problem::Internal)?
    };
    let json = HeaderValue::from_static("application/json");
    let mut response = secure_response(StatusCode::OK, json, description);
    response.headers_mut().insert(CACHE_CONTROL, AN_HOUR);
    Ok(response)
}

/// The description as JSON.
fn bytes_of(web: &Web) -> &Bytes {
    // Its maps have texts for keys, so it is always JSON.
    web.description.get_or_init(|| serde_json::to_vec(&description(&web.options)).unwrap_or_default().into())
}

fn description(options: &WebOptions) -> OpenApi {
    let info = InfoBuilder::new()
        .title("nebulink")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    // Never a host: the same description is read through any of them.
    let server = if options.base_path.is_empty() { "/" } else { &options.base_path };
    let (paths, responses) = operations(options);
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API token of `access.api_tokens_file`. Where there is no such file, none is needed.",
    ));
    let mut components = ComponentsBuilder::new()
        .schema_from::<LinkJson>()
        .schema_from::<ProblemJson>()
        .schema_from::<LinkWithDetails<'_>>()
        .schema_from::<LinkState>()
        .schema_from::<RequestedLink>()
        .schema("Links", operations::links())
        .schema("LinksRequest", operations::links_request(options.max_batch))
        .schema("Kind", parameters::kind())
        .schema("Switch", parameters::switch())
        .responses_from_iter(responses)
        .security_scheme(TOKEN, SecurityScheme::Http(token.build()));
    for (name, header) in headers::all() {
        components = components.header(name, header);
    }
    for (name, parameter) in parameters::all() {
        components = components.parameter(name, parameter);
    }
    for (name, example) in examples::problems() {
        components = components.example(name, example);
    }
    let section = |(name, description): (&str, &str)| -> Section {
        TagBuilder::new().name(name).description(Some(description)).build()
    };
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(server).build()]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(SECTIONS.map(section)))
        .build()
}
