//! The answers of the API: the documented ones, and those that only look like answers.

use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::body::AnswerBody;
use super::calls::{Call, CallKind};
use super::listing::{GroupedQuery, Query};
use super::projects::{Interaction, Item, Project};
use super::state::State;

/// The length of a UUID as Nebuly writes it. The other spellings are for people, and nebulink's to understand.
const UUID_LEN: usize = 36;

/// `{"url": "http://127.0.0.1/compressed"}` as gzip.
const COMPRESSED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 45, 202, 81, 178, 82, 80, 202, 40, 41, 41, 176, 210, 215,
    55, 52, 50, 215, 51, 0, 66, 67, 253, 228, 252, 220, 130, 162, 212, 226, 226, 212, 20, 165, 90, 0, 195,
    238, 94, 189, 38, 0, 0, 0,
];

/// An answer on its way out.
pub(super) type Answer = Response<AnswerBody>;

/// The answer of a Nebuly that is well.
///
/// What an error's body says is not documented; here it is an object with `detail`.
pub(super) fn usual(state: &State, call: &Call) -> Answer {
    let mut projects = state.projects();
    let Some(project) = call.key.as_deref().and_then(|key| projects.of_key(key)) else {
        return refusal(StatusCode::UNAUTHORIZED, "no such API key");
    };
    if let Some(method) = call.kind.method()
        && method != call.method
    {
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        answer
            .headers_mut()
            .extend(HeaderValue::from_str(method.as_str()).ok().map(|allowed| (ALLOW, allowed)));
        return answer;
    }
    // Not when the call came in: a fault may have held it.
    let now = Instant::now();
    let id = call.id.as_deref().unwrap_or_default();
    match call.kind {
        CallKind::Interaction => match interaction_id(id) {
            Some(id) => deep_link(state, project, &Item::Interaction(id), now),
            None => no_uuid(),
        },
        CallKind::Conversation => deep_link(state, project, &Item::from(id), now),
        CallKind::InteractionDetail => match interaction_id(id) {
            Some(id) => interaction_detail(project, id, now),
            None => no_uuid(),
        },
        CallKind::ConversationDetail if call.id.is_none() => malformed(),
        CallKind::ConversationDetail => conversation_detail(project, id, now),
        CallKind::GetInteractions => listing(call, |query: &Query| query.interactions(project, now)),
        CallKind::GetInteractionAggregates => {
            listing(call, |query: &GroupedQuery| query.conversations(project, now))
        }
        CallKind::Other => refusal(StatusCode::NOT_FOUND, "no such path"),
    }
}

/// A 200 with the URL of a link.
pub(super) fn link(url: &str) -> Answer {
    json_answer(StatusCode::OK, &json!({ "url": url }))
}

/// An answer with this status, and this body as JSON.
pub(super) fn json_text(status: StatusCode, body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A 200 with a page of HTML.
pub(super) fn garbage() -> Answer {
    let mut answer =
        Response::new(AnswerBody::whole("<!doctype html><title>Welcome</title><p>It works!</p>"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// A 200 as gzip.
pub(super) fn compressed() -> Answer {
    let mut answer = json_text(StatusCode::OK, AnswerBody::whole(COMPRESSED));
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// A 302 to this address; without `Location` if it cannot stand in a header.
pub(super) fn redirect(address: &str) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(""));
    *answer.status_mut() = StatusCode::FOUND;
    answer.headers_mut().extend(HeaderValue::from_str(address).ok().map(|address| (LOCATION, address)));
    answer
}

/// An error as JSON.
pub(super) fn refusal(status: StatusCode, detail: &str) -> Answer {
    json_answer(status, &json!({ "detail": detail }))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    json_text(status, AnswerBody::whole(body.to_string()))
}

fn no_uuid() -> Answer {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "an interaction's id is a UUID")
}

fn malformed() -> Answer {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "the body is not of its form")
}

fn not_found() -> Answer {
    refusal(StatusCode::NOT_FOUND, "no such item")
}

fn interaction_id(text: &str) -> Option<Uuid> {
    (text.len() == UUID_LEN).then(|| Uuid::try_parse(text).ok()).flatten()
}

fn deep_link(state: &State, project: &mut Project, item: &Item, now: Instant) -> Answer {
    if project.ask_for(item, now) { link(&project.url_of(&state.platform_url(), item)) } else { not_found() }
}

fn listing<Q: DeserializeOwned>(call: &Call, list: impl FnOnce(&Q) -> Value) -> Answer {
    match serde_json::from_slice(&call.body) {
        Ok(query) => json_answer(StatusCode::OK, &list(&query)),
        Err(_) => malformed(),
    }
}

fn interaction_detail(project: &mut Project, id: Uuid, now: Instant) -> Answer {
    if !project.ask_for(&Item::Interaction(id), now) {
        return not_found();
    }
    let Some(interaction) = project.interaction(id) else { return not_found() };
    let conversation = project.interactions_of(&interaction.conversation_id);
    let turns: Vec<_> = conversation
        .iter()
        .map(|turn| {
            json!({
                "input": turn.input,
                "output": turn.output,
                "timestamp": turn.timestamp.to_string(),
                "is_chosen": turn.id == id,
            })
        })
        .collect();
    json_answer(
        StatusCode::OK,
        &json!({
            "id": id.to_string(),
            "project_id": project.project_id(),
            "sentiment": "neutral",
            "emotions": {"calm": 0.8},
            "cost": 120.0,
            "topic": interaction.topic,
            "intent": interaction.intent,
            "input": interaction.input,
            "output": interaction.output,
            "latency": 0.9,
            "pii_removed": false,
            "text_language": "en",
            "timestamp": interaction.timestamp.to_string(),
            "end_timestamp": interaction.timestamp.to_string(),
            "user": interaction.end_user,
            "verbosity": "medium",
            "actions": [],
            "action_details": null,
            "feedback_actions": [],
            "feedback_action_text": null,
            "feedback_action_rating": null,
            "user_query": interaction.input,
            "tags": interaction.tags,
            "feedback_type": null,
            "risky_behavior": null,
            "rags": [],
            "rags_details": {},
            "warning_message": null,
            "conversation": turns,
        }),
    )
}

fn conversation_detail(project: &mut Project, id: &str, now: Instant) -> Answer {
    if !project.ask_for(&Item::from(id), now) {
        return not_found();
    }
    let conversation = project.interactions_of(id);
    let (Some(first), Some(last)) = (conversation.first(), conversation.last()) else { return not_found() };
    let tags: Map<String, Value> = conversation
        .iter()
        .flat_map(|turn| &turn.tags)
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    json_answer(
        StatusCode::OK,
        &json!({
            "id": id,
            "session_length": conversation.len(),
            "session_time": last.timestamp.duration_since(first.timestamp).as_secs(),
            "start_session": first.timestamp.to_string(),
            "end_session": last.timestamp.to_string(),
            "cost": 120 * conversation.len(),
            "tags": tags,
            "emotions": ["calm"],
            "custom_aggregates": {},
            "conversation": conversation.iter().map(|turn| turn_of_conversation(turn)).collect::<Vec<_>>(),
        }),
    )
}

fn turn_of_conversation(turn: &Interaction) -> Value {
    json!({
        "id": turn.id.to_string(),
        "input": turn.input,
        "output": turn.output,
        "timestamp": turn.timestamp.to_string(),
        "end_timestamp": turn.timestamp.to_string(),
        "user_query": turn.input,
        "topic": turn.topic,
        "sentiment": "neutral",
        "type_of_risk": null,
        "moderation_issue": null,
        "business_issue": null,
    })
}
