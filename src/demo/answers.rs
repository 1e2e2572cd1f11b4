//! The answers of the API: the documented ones, and faulty ones that look like them.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::body::{AnswerBody, PROMISED_BY_HALF};
use super::calls::{Call, CallKind};
use super::listing::{GroupedQuery, ListingQuery};
use super::projects::{Interaction, ProjectItems, StandInItem};
use super::state::StandInState;

/// The length of a UUID as Nebuly writes it. Nebuly does not take the other spellings.
const UUID_LEN: usize = 36;

/// `{"url": "http://127.0.0.1/compressed"}` as gzip.
const COMPRESSED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 45, 202, 81, 178, 82, 80, 202, 40, 41, 41, 176, 210, 215,
    55, 52, 50, 215, 51, 0, 66, 67, 253, 228, 252, 220, 130, 162, 212, 226, 226, 212, 20, 165, 90, 0, 195,
    238, 94, 189, 38, 0, 0, 0,
];

/// An answer of the stand-in.
pub(super) type StandInAnswer = Response<AnswerBody>;

/// Answers as a healthy Nebuly.
///
/// The body of an error is not documented; here it is an object with `detail`.
pub(super) fn usual(state: &StandInState, call: &Call) -> StandInAnswer {
    let mut projects = state.projects.lock();
    let Some(project) = call.key.as_deref().and_then(|key| projects.of_key(key)) else {
        return refusal(StatusCode::UNAUTHORIZED, "no such API key");
    };
    if let Some(method) = call.kind.method()
        && call.method != method
    {
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
        return answer;
    }
    // Not when the call came in: a fault may have delayed it.
    let now = Instant::now();
    let order = *state.listing_order.lock();
    let id = call.id.as_deref().unwrap_or_default();
    match call.kind {
        CallKind::Interaction => {
            with_uuid(id, |id| deep_link(state, project, &StandInItem::Interaction(id), now))
        }
        CallKind::Conversation => deep_link(state, project, &StandInItem::from(id), now),
        CallKind::InteractionDetail => with_uuid(id, |id| interaction_detail(project, id, now)),
        CallKind::ConversationDetail if call.id.is_none() => malformed(),
        CallKind::ConversationDetail => conversation_detail(project, id, now),
        CallKind::GetInteractions => {
            listing(call, |query: &ListingQuery| query.interactions(project, order, now))
        }
        CallKind::GetInteractionAggregates => {
            listing(call, |query: &GroupedQuery| query.conversations(project, order, now))
        }
        CallKind::Other => refusal(StatusCode::NOT_FOUND, "no such path"),
    }
}

/// A 200 with the URL of a link.
pub(super) fn link(url: &str) -> StandInAnswer {
    json_answer(StatusCode::OK, &json!({ "url": url }))
}

/// An answer with this status, and this body as JSON.
pub(super) fn json_text(status: StatusCode, body: AnswerBody) -> StandInAnswer {
    typed(status, "application/json", body)
}

/// An answer with this status, and this page of HTML.
pub(super) fn html(status: StatusCode, page: impl Into<Bytes>) -> StandInAnswer {
    typed(status, "text/html; charset=utf-8", AnswerBody::whole(page))
}

fn typed(status: StatusCode, content_type: &'static str, body: AnswerBody) -> StandInAnswer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A 200 with a page of HTML.
pub(super) fn garbage() -> StandInAnswer {
    html(StatusCode::OK, "<!doctype html><title>Welcome</title><p>It works!</p>")
}

/// A 200 that breaks off in the middle.
pub(super) fn half() -> StandInAnswer {
    let mut answer = json_text(StatusCode::OK, AnswerBody::half());
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(PROMISED_BY_HALF));
    answer
}

/// A 200 as gzip.
pub(super) fn compressed() -> StandInAnswer {
    let mut answer = json_text(StatusCode::OK, AnswerBody::whole(COMPRESSED));
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// A 302 to this address; without `Location` if it cannot stand in a header.
pub(super) fn redirect(address: &str) -> StandInAnswer {
    let mut answer = Response::new(AnswerBody::whole(""));
    *answer.status_mut() = StatusCode::FOUND;
    answer.headers_mut().extend(HeaderValue::from_str(address).ok().map(|address| (LOCATION, address)));
    answer
}

/// An error as JSON.
pub(super) fn refusal(status: StatusCode, detail: &str) -> StandInAnswer {
    json_answer(status, &json!({ "detail": detail }))
}

fn json_answer(status: StatusCode, body: &Value) -> StandInAnswer {
    json_text(status, AnswerBody::whole(body.to_string()))
}

fn malformed() -> StandInAnswer {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "the body is not of its form")
}

fn not_found() -> StandInAnswer {
    refusal(StatusCode::NOT_FOUND, "no such item")
}

/// Answers for the id of an interaction, if it is one.
fn with_uuid(id: &str, answer: impl FnOnce(Uuid) -> StandInAnswer) -> StandInAnswer {
    match Uuid::try_parse(id) {
        Ok(uuid) if id.len() == UUID_LEN => answer(uuid),
        _ => refusal(StatusCode::UNPROCESSABLE_ENTITY, "an interaction's id is a UUID"),
    }
}

fn deep_link(
    state: &StandInState,
    project: &mut ProjectItems,
    item: &StandInItem,
    now: Instant,
) -> StandInAnswer {
    if project.ask_for(item, now) {
        link(&project.url_of(&state.platform_url.lock(), item))
    } else {
        not_found()
    }
}

fn listing<Q: DeserializeOwned>(call: &Call, list: impl FnOnce(&Q) -> Value) -> StandInAnswer {
    match serde_json::from_slice(&call.body) {
        Ok(query) => json_answer(StatusCode::OK, &list(&query)),
        Err(_) => malformed(),
    }
}

fn interaction_detail(project: &mut ProjectItems, id: Uuid, now: Instant) -> StandInAnswer {
    if !project.ask_for(&StandInItem::Interaction(id), now) {
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
            "project_id": project.project_id,
            "sentiment": interaction.sentiment,
            "emotions": interaction.emotions,
            "cost": interaction.cost,
            "topic": interaction.topic,
            "intent": interaction.intent,
            "input": interaction.input,
            "output": interaction.output,
            "latency": interaction.latency,
            "pii_removed": false,
            "text_language": interaction.text_language,
            "timestamp": interaction.timestamp.to_string(),
            "end_timestamp": interaction.end_timestamp().to_string(),
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

fn conversation_detail(project: &mut ProjectItems, id: &str, now: Instant) -> StandInAnswer {
    if !project.ask_for(&StandInItem::from(id), now) {
        return not_found();
    }
    let conversation = project.interactions_of(id);
    let (Some(first), Some(last)) = (conversation.first(), conversation.last()) else { return not_found() };
    let tags: Map<String, Value> = conversation
        .iter()
        .flat_map(|turn| &turn.tags)
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    let emotions: BTreeSet<_> = conversation.iter().filter_map(|turn| turn.strongest_emotion()).collect();
    let end = last.end_timestamp();
    json_answer(
        StatusCode::OK,
        &json!({
            "id": id,
            "session_length": conversation.len(),
            "session_time": end.duration_since(first.timestamp).as_secs(),
            "start_session": first.timestamp.to_string(),
            "end_session": end.to_string(),
            "cost": conversation.iter().map(|turn| turn.cost).sum::<f64>(),
            "tags": tags,
            "emotions": emotions,
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
        "end_timestamp": turn.end_timestamp().to_string(),
        "user_query": turn.input,
        "topic": turn.topic,
        "sentiment": turn.sentiment,
        "type_of_risk": null,
        "moderation_issue": null,
        "business_issue": null,
    })
}
