//! Many links: as one JSON document, or as a line for each as soon as it is known (NDJSON).

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use http::header::HeaderValue;
use http::request::Parts;
use indexmap::IndexMap;

use super::batch_body::{self, RequestedLink};
use crate::domain::{Caller, IdCandidates, IdText, LazyCaller, PastedId, Scope};
use crate::resolver::Mode;
use crate::web::Web;
use crate::web::answer::RouteAnswer;
use crate::web::batch::BatchLink;
use crate::web::installation::Installation;
use crate::web::link_json::{LinkJson, LinkJsonContext};
use crate::web::link_request::own_address;
use crate::web::pages::secure_response;
use crate::web::parameters::Parameters;
use crate::web::problem::Problem;
use crate::web::request_body::{is_sent_as, read_body};

/// The links of a request.
struct Batch {
    /// How many there are.
    number: usize,
    /// Those that cannot be resolved, with their positions.
    invalid: Vec<(usize, LinkJson)>,
    /// All others, each once.
    links: Vec<BatchLink>,
    /// The complete address of this installation, if it is known.
    address: Option<String>,
}

/// Answers a request for many links.
pub(super) async fn answer(
    web: &Arc<Web>,
    parts: &Parts,
    body: Body,
    caller: &dyn LazyCaller,
) -> Result<RouteAnswer<'static>, Problem> {
    let deadline = web.batch_deadline(Instant::now());
    let refresh = Parameters::parse(parts.uri.query())?.refresh;
    let mode = if refresh { Mode::Refresh } else { Mode::Cached };
    if !is_sent_as(&parts.headers, "application/json") {
        return Err(Problem::UnsupportedBody);
    }
    let body = read_body(web, parts, body, caller).await?;
    let caller = caller.caller().clone();
    let place = web.batch_places.take(caller.fairness_key).ok_or(Problem::TooManyBatches)?;
    // A long body takes a while, during which a worker of the runtime could answer nobody. Its place stays taken until then,
    // even if the client leaves.
    let reading = tokio::task::spawn_blocking({
        let (web, parts) = (Arc::clone(web), parts.clone());
        move || (Batch::read(&web, &parts, &body), place)
    });
    let (batch, _place) = reading.await.map_err(|_| Problem::Internal)?;
    let batch = batch?;
    let number = batch.number;
    let is_cold = Arc::new(AtomicBool::new(false));
    let mut links = pin!(batch.resolve(web, mode, caller, deadline, &is_cold, false));
    let mut texts = vec![String::new(); number];
    while let Some((position, link)) = links.next().await {
        if let Some(text) = texts.get_mut(position) {
            *text = link;
        }
    }
    let body = format!("{{\"links\":[{}]}}", texts.join(","));
    let response = secure_response(StatusCode::OK, HeaderValue::from_static("application/json"), body);
    let is_cold = is_cold.load(Ordering::Relaxed);
    Ok(RouteAnswer { links: Some(number), is_cold, ..response.into() })
}

impl Batch {
    /// Reads a body.
    fn read(web: &Web, parts: &Parts, body: &[u8]) -> Result<Self, Problem> {
        let requested = batch_body::read(body, web.options.max_batch)?;
        let installation = Installation::of(web, parts);
        let number = requested.len();
        let mut links = IndexMap::<_, Vec<usize>>::new();
        let mut invalid = Vec::new();
        for (position, link) in requested.into_iter().enumerate() {
            match meaning(web, &installation, &link) {
                Ok(meaning) => links.entry(meaning).or_default().push(position),
                Err(problem) => invalid.push((position, LinkJson::invalid(link.kind, link.id, problem))),
            }
        }
        let link = |((candidates, scope), positions)| BatchLink { candidates, scope, positions };
        let links = links.into_iter().map(link).collect();
        Ok(Self { number, invalid, links, address: installation.url().map(str::to_owned) })
    }

    /// Each link as JSON, with its position, as soon as it is known. `is_cold` turns true if one of them cost a call to
    /// Nebuly, or would have.
    fn resolve(
        self,
        web: &Arc<Web>,
        mode: Mode,
        caller: Caller,
        deadline: Instant,
        is_cold: &Arc<AtomicBool>,
        with_index: bool,
    ) -> impl Stream<Item = (usize, String)> + Send + use<> {
        let Self { invalid, links, address, .. } = self;
        let results = web.resolve_batch(links, mode, caller, deadline);
        let (web, is_cold) = (Arc::clone(web), Arc::clone(is_cold));
        let known = results.flat_map(move |result| {
            is_cold.fetch_or(result.outcome().is_cold(), Ordering::Relaxed);
            let context = LinkJsonContext { address: address.as_deref(), projects: &web.options.projects };
            let candidates = &result.link.candidates;
            let link = LinkJson::of_resolution(&context, candidates, result.resolution.as_ref());
            // The same for each of its positions.
            stream::iter(result.link.positions).map(move |position| (position, link.clone()))
        });
        stream::iter(invalid).chain(known).map(move |(position, link)| {
            let link = LinkJson { index: with_index.then_some(position), ..link };
            // Strings and numbers always make JSON.
            (position, serde_json::to_string(&link).unwrap_or_default())
        })
    }
}

/// The items that a link may mean, and the projects in which they are looked for.
fn meaning(
    web: &Web,
    installation: &Installation<'_>,
    link: &RequestedLink,
) -> Result<(IdCandidates<'static>, Scope), Problem> {
    let text = IdText::from(link.id.as_str());
    // As on `/go`.
    let own_link = match link.kind {
        None if link.id.trim_start().starts_with("http") => own_address(web, installation, &link.id),
        _ => None,
    };
    let (candidates, own_project) = match (own_link, link.kind) {
        (Some(PastedId { candidates, project, .. }), _) => (candidates, project),
        (None, Some(kind)) => (IdCandidates::of_kind(kind, text), None),
        (None, None) => (IdCandidates::of_any_kind(text, &web.options.allowed_hosts), None),
    };
    let candidates = candidates.map_err(|why| Problem::InvalidId { why, kind: link.kind })?;
    let project = link.project.as_deref().map(Cow::Borrowed).or(own_project.map(Cow::Owned));
    let scope = match project {
        None => Scope::All,
        Some(name) => Scope::Only(web.project(&name).ok_or(Problem::UnknownProject)?),
    };
    Ok((candidates.into_owned(), scope))
}
