//! Many links: as one JSON document, or as a line for each as soon as it is known (NDJSON).

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::batch_body::{self, RequestedLink};
use crate::domain::{Caller, IdCandidates, IdText, LazyCaller, PastedId, Scope};
use crate::resolver::Mode;
use crate::web::Web;
use crate::web::answer::RouteAnswer;
use crate::web::batch::BatchLink;
use crate::web::installation::Installation;
use crate::web::link_json::{LinkJson, LinkJsonContext};
use crate::web::link_request::own_address;
use crate::web::negotiation::wants_ndjson;
use crate::web::pages::secure_response;
use crate::web::parameters::Parameters;
use crate::web::places::Place;
use crate::web::problem::Problem;
use crate::web::request_body::{how_it_is_sent, is_sent_as, read_body};
use crate::web::request_head::RequestHead;

/// A client that takes no line for so long is let go.
const LONGEST_STALL: Duration = Duration::from_secs(5);

/// The most texts that are sent as one chunk: the lines of links that are known at once, or parts of the one document.
const MAX_CHUNK: usize = 64;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

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
    head: &RequestHead,
    body: Body,
    caller: &dyn LazyCaller,
) -> Result<RouteAnswer<'static>, Problem> {
    let deadline = web.batch_deadline(Instant::now());
    let refresh = Parameters::parse(head.uri.query())?.refresh;
    let mode = if refresh { Mode::Refresh } else { Mode::Cached };
    if !is_sent_as(&head.headers, "application/json") {
        return Err(Problem::UnsupportedBody(how_it_is_sent(&head.headers)));
    }
    let body = read_body(web, head, body, caller).await?;
    let caller = caller.caller().clone();
    let place = web.batch_places.take(caller.fairness_key).ok_or(Problem::TooManyBatches)?;
    // A long body takes a while, during which a worker of a runtime could answer nobody. Its place stays taken until then,
    // even if the client leaves.
    let reading = web.options.background.run_blocking({
        let (web, head) = (Arc::clone(web), head.clone());
        move || (Batch::read(&web, &head, &body), place)
    });
    let (batch, place) = reading.await.map_err(|_| Problem::Internal)?;
    let batch = batch?;
    let number = batch.number;
    let is_cold = Arc::new(AtomicBool::new(false));
    let links = batch.resolve(web, mode, caller, deadline, &is_cold);
    let answer = if wants_ndjson(&head.headers) {
        if let Some(connection) = &head.connection {
            connection.limit_stall(LONGEST_STALL);
        }
        RouteAnswer { becomes_cold: Some(is_cold), ..lines(web, links, place).into() }
    } else {
        // The place is held here: it is free as soon as the client leaves, not when the background has heard of it.
        let document = web.options.background.run(document(links, number)).await;
        drop(place);
        let response = document.map_err(|_| Problem::Internal)?;
        RouteAnswer { is_cold: is_cold.load(Ordering::Relaxed), ..response.into() }
    };
    Ok(RouteAnswer { links: Some(number), ..answer })
}

/// All links as one JSON document. It is not copied together: the same text stands for each duplicate of a link.
async fn document(links: impl Stream<Item = (Vec<usize>, LinkJson)>, number: usize) -> Response {
    let mut links = pin!(links);
    let mut texts = vec![Bytes::new(); number];
    while let Some((positions, link)) = links.next().await {
        let text = Bytes::from(json(&link));
        for position in positions {
            if let Some(place) = texts.get_mut(position) {
                *place = text.clone();
            }
        }
    }
    let commas = std::iter::once(Bytes::new()).chain(std::iter::repeat(Bytes::from_static(b",")));
    let elements = commas.zip(texts).flat_map(|(comma, text)| [comma, text]);
    let start = std::iter::once(Bytes::from_static(b"{\"links\":["));
    let parts: Vec<_> = start.chain(elements).chain([Bytes::from_static(b"]}")]).collect();
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let chunks = stream::iter(parts).ready_chunks(MAX_CHUNK).map(|parts| Ok::<_, Infallible>(parts.concat()));
    let body = Body::from_stream(chunks);
    let mut response = secure_response(StatusCode::OK, HeaderValue::from_static("application/json"), body);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A line for each link as soon as it is known. They are resolved only while the client takes them, and its place is free
/// as soon as it has all of them or leaves.
fn lines(
    web: &Web,
    links: impl Stream<Item = (Vec<usize>, LinkJson)> + Send + 'static,
    place: Place,
) -> Response {
    let one_by_one = links.flat_map(|(positions, link)| {
        stream::iter(positions).map(move |position| {
            let index = Some(position);
            json(&LinkJson { index, ..link.clone() }) + "\n"
        })
    });
    let (sender, receiver) = mpsc::channel(1);
    let working = web.options.background.run(async move {
        let mut chunks = pin!(one_by_one.ready_chunks(MAX_CHUNK));
        while let Some(lines) = chunks.next().await
            && sender.send(lines.concat()).await.is_ok()
        {}
    });
    let chunks =
        stream::unfold((receiver, Some(working), place), |(mut receiver, working, place)| async move {
            if let Some(chunk) = receiver.recv().await {
                return Some((Ok(chunk), (receiver, working, place)));
            }
            // A panic must not look like the end of all lines.
            let panic = working?.await.err()?;
            Some((Err(panic), (receiver, None, place)))
        });
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    let mut response = secure_response(StatusCode::OK, ndjson, Body::from_stream(chunks));
    // Otherwise nginx would hold lines back until it has some KiB of them.
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Strings and numbers always make JSON.
fn json(link: &LinkJson) -> String {
    serde_json::to_string(link).unwrap_or_default()
}

impl Batch {
    /// Reads a body.
    fn read(web: &Web, head: &RequestHead, body: &[u8]) -> Result<Self, Problem> {
        let requested = batch_body::read(body, web.options.max_batch)?;
        let installation = Installation::of(web, head);
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

    /// Each link with its positions, as soon as it is known. `is_cold` turns true if one of them cost a call to Nebuly, or
    /// would have.
    fn resolve(
        self,
        web: &Arc<Web>,
        mode: Mode,
        caller: Caller,
        deadline: Instant,
        is_cold: &Arc<AtomicBool>,
    ) -> impl Stream<Item = (Vec<usize>, LinkJson)> + Send + use<> {
        let Self { invalid, links, address, .. } = self;
        let results = web.resolve_batch(links, mode, caller, deadline);
        let (web, is_cold) = (Arc::clone(web), Arc::clone(is_cold));
        let known = results.map(move |result| {
            is_cold.fetch_or(result.outcome().is_cold(), Ordering::Relaxed);
            let context = LinkJsonContext { address: address.as_deref(), projects: &web.options.projects };
            let candidates = &result.link.candidates;
            let link = LinkJson::of_resolution(&context, candidates, result.resolution.as_ref());
            (result.link.positions, link)
        });
        stream::iter(invalid).map(|(position, link)| (vec![position], link)).chain(known)
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
