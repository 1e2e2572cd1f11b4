//! The stand-in's pages, to which its URLs lead.

use std::fmt::Display;
use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, StatusCode, request::Parts};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::form_urlencoded;
use uuid::Uuid;

use super::answers::{self, StandInAnswer};
use super::projects::{Interaction, ItemKind, StandInItem};
use super::state::StandInState;

/// The style of every page: that of nebulink's own pages, and of a table. It is part of the page, so that nothing else is
/// loaded.
const STYLE: &str =
    concat!(include_str!("../../templates/style.css"), include_str!("../../templates/demo_table.css"));

/// The most interactions of a conversation that are shown; the others are only counted.
const SHOWN_INTERACTIONS: usize = 10;

/// Allows the one style, by its hash, and nothing else: no script, no picture, no form, no frame.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));

/// The same for a page whose forms go to nebulink, which may have any address.
static POLICY_WITH_FORMS: LazyLock<HeaderValue> = LazyLock::new(|| policy("http:"));

/// A way to see one of nebulink's error pages.
pub(super) struct WayToFail {
    pub(super) title: &'static str,
    pub(super) explanation: &'static str,
    /// The answer that nebulink is expected to give.
    pub(super) expected: &'static str,
    pub(super) link: String,
    /// True if a form is sent there.
    pub(super) is_form: bool,
    /// A link to the same item that names its kind, if a URL may be constructed for it.
    pub(super) constructed_link: Option<String>,
}

#[derive(Template)]
#[template(path = "demo_live_activity.html")]
struct LiveActivity<'a> {
    style: &'static str,
    kind: ItemKind,
    id: &'a str,
    project_id: &'a str,
    turns: &'a [&'a Interaction],
    left_out: usize,
}

#[derive(Template)]
#[template(path = "demo_nothing_here.html")]
struct NothingHere {
    style: &'static str,
}

#[derive(Template)]
#[template(path = "demo_errors.html")]
struct Errors<'a> {
    style: &'static str,
    nebulink: &'a str,
    ways: &'a [WayToFail],
}

impl LiveActivity<'_> {
    /// The emotions of an interaction, the strongest first.
    fn emotions(turn: &Interaction) -> String {
        let mut emotions: Vec<_> = turn.emotions.iter().collect();
        emotions.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let emotions: Vec<_> = emotions.into_iter().map(|(name, _)| name.as_str()).collect();
        emotions.join(", ")
    }

    /// A time for people.
    fn time(timestamp: &Timestamp) -> impl Display {
        timestamp.strftime("%-d %b %Y, %H:%M:%S UTC")
    }
}

/// The answer to a request that is not the API's.
pub(super) fn answer(state: &StandInState, request: &Parts) -> StandInAnswer {
    if request.method != Method::GET && request.method != Method::HEAD {
        let mut answer = html(StatusCode::METHOD_NOT_ALLOWED, nothing_here(), &POLICY);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let (found, policy) = match request.uri.path() {
        "/live-activity" => (live_activity(state, request.uri.query().unwrap_or_default()), &POLICY),
        path => (state.pages.lock().get(path).cloned(), &POLICY_WITH_FORMS),
    };
    match found {
        Some(page) => html(StatusCode::OK, page, policy),
        None => html(StatusCode::NOT_FOUND, nothing_here(), &POLICY),
    }
}

/// The page that lists the ways to see the error pages of nebulink at this address.
pub(super) fn errors(nebulink: &str, ways: &[WayToFail]) -> String {
    rendered(&Errors { style: STYLE, nebulink, ways })
}

/// The page of the item that this query names, if the item is there.
fn live_activity(state: &StandInState, query: &str) -> Option<String> {
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let item = match value("interactionId") {
        Some(id) => StandInItem::Interaction(Uuid::try_parse(&id).ok()?),
        None => StandInItem::Conversation(value("conversationId")?),
    };
    let (project_id, organization_id) = (value("projectId")?, value("organizationId")?);
    let mut projects = state.projects.lock();
    let project = projects.of_ids(&project_id, &organization_id)?;
    if !project.shows(&item, Instant::now()) {
        return None;
    }
    let turns = match &item {
        StandInItem::Interaction(id) => project.interaction(*id).into_iter().collect(),
        StandInItem::Conversation(id) => project.interactions_of(id),
    };
    let shown = turns.get(..SHOWN_INTERACTIONS).unwrap_or(&turns);
    Some(rendered(&LiveActivity {
        style: STYLE,
        kind: item.kind(),
        id: &item.id(),
        project_id: &project_id,
        turns: shown,
        left_out: turns.len() - shown.len(),
    }))
}

fn nothing_here() -> String {
    rendered(&NothingHere { style: STYLE })
}

fn rendered(template: &impl Template) -> String {
    // Writing to memory does not fail.
    template.render().unwrap_or_default()
}

fn policy(forms: &str) -> HeaderValue {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn html(status: StatusCode, page: String, policy: &HeaderValue) -> StandInAnswer {
    let mut answer = answers::html(status, page);
    answer.headers_mut().extend([
        (CONTENT_SECURITY_POLICY, policy.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    answer
}
