//! Keys, deep links and details.

use std::time::Duration;

use nebulink::demo::{Interaction, StandIn, StandInProject};
use serde_json::json;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::caller::{
    BOUND, KEY, KNOWN, answer, ask, client, get, get_known, post, read_answer, stand_in, status,
};

#[tokio::test]
async fn a_known_interaction_is_answered_with_the_documented_url() {
    let stand_in = stand_in().await;
    let expected = format!(
        "{}/live-activity?projectId=project-1&organizationId=organization-1&interactionId={KNOWN}&liveActivityPageTab=interactions",
        stand_in.platform_url()
    );
    assert_eq!(answer(get_known(&stand_in)).await, (200, json!({ "url": expected })));
    assert_eq!(stand_in.url_of(KEY, KNOWN), expected);
}

#[tokio::test]
async fn a_conversation_s_id_is_decoded_once_and_encoded_again_in_the_url() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "orders/2026 100%#4711&x=ä");
    let (status, body) =
        answer(get(&stand_in, "/deeplinks/conversation/orders%2F2026%20100%25%234711%26x=%C3%A4")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["url"], stand_in.url_of(KEY, "orders/2026 100%#4711&x=ä"));
    assert_eq!(
        body["url"],
        format!(
            "{}/live-activity?projectId=project-1&organizationId=organization-1&conversationId=orders%2F2026%20100%25%234711%26x%3D%C3%A4&liveActivityPageTab=conversations",
            stand_in.platform_url()
        )
    );
}

#[tokio::test]
async fn the_platform_s_address_can_be_another() {
    let stand_in = stand_in().await;
    stand_in.set_platform_url("https://v2.platform.eu.nebuly.com");
    let (_, body) = answer(get_known(&stand_in)).await;
    assert!(
        body["url"].as_str().unwrap().starts_with("https://v2.platform.eu.nebuly.com/live-activity?"),
        "{body}"
    );
}

#[tokio::test]
async fn an_unknown_item_is_404_and_an_interaction_that_is_no_uuid_is_422() {
    let stand_in = stand_in().await;
    for (path, expected) in [
        ("/deeplinks/interaction/99999999-2222-4333-8444-555555555555", 404),
        ("/deeplinks/conversation/99999999-2222-4333-8444-555555555555", 404),
        ("/deeplinks/conversation/nobody", 404),
        ("/deeplinks/conversation/%FF", 404),
        ("/deeplinks/interaction/nobody", 422),
        ("/deeplinks/interaction/11111111222243338444555555555555", 422),
        ("/export/interactions/detail-v2/nobody", 422),
        ("/export/interactions/detail-v2/99999999-2222-4333-8444-555555555555", 404),
    ] {
        let (status, body) = answer(get(&stand_in, path)).await;
        assert_eq!(status, expected, "{path}");
        assert!(body["detail"].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_path_with_a_segment_too_many_is_404_so_that_a_traversal_shows() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a/b");
    for target in [
        "/api/external/deeplinks/conversation/a/b",
        "/api/external/deeplinks/conversation/x/../a%2Fb",
        &format!("/api/external/deeplinks/interaction/../interaction/{KNOWN}"),
        "/api/external/deeplinks/conversation",
        "/api/external",
    ] {
        let mut socket = TcpStream::connect(stand_in.address()).await.unwrap();
        ask(&mut socket, target).await;
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn every_call_without_a_valid_key_is_401() {
    let stand_in = stand_in().await;
    let base = stand_in.api_base_url();
    for path in [
        format!("/deeplinks/interaction/{KNOWN}"),
        "/deeplinks/conversation/x".to_owned(),
        "/get-interactions".to_owned(),
        "/get-interaction-aggregates".to_owned(),
        format!("/export/interactions/detail-v2/{KNOWN}"),
        "/get-conversation-detail".to_owned(),
        "/nothing".to_owned(),
    ] {
        let url = format!("{base}{path}");
        assert_eq!(answer(client().get(&url)).await.0, 401, "{path}");
        assert_eq!(answer(client().get(&url).bearer_auth("another")).await.0, 401, "{path}");
        assert_eq!(status(client().get(&url).header("authorization", KEY)).await, 401, "{path}");
    }
}

#[tokio::test]
async fn another_method_is_405_with_the_one_that_is_allowed() {
    let stand_in = stand_in().await;
    let response =
        post(&stand_in, &format!("/deeplinks/interaction/{KNOWN}"), &json!({})).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"GET".parse().unwrap()));
    let response = get(&stand_in, "/get-interactions").send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
}

#[tokio::test]
async fn a_key_sees_its_own_project_alone() {
    let stand_in = stand_in().await;
    stand_in.add_project(StandInProject::new("second", "project-2", "organization-1"));
    stand_in.add_conversation("second", "theirs");
    let theirs = format!("{}/deeplinks/conversation/theirs", stand_in.api_base_url());
    assert_eq!(status(client().get(&theirs).bearer_auth(KEY)).await, 404);
    let (found, body) = answer(client().get(&theirs).bearer_auth("second")).await;
    assert_eq!((found, body["url"].as_str().unwrap().contains("projectId=project-2&")), (200, true));
}

#[tokio::test]
async fn a_replaced_key_is_rejected_and_the_new_one_sees_the_same_items() {
    let stand_in = stand_in().await;
    let url = stand_in.url_of(KEY, KNOWN);
    stand_in.replace_key(KEY, "new-key");
    assert_eq!(status(get_known(&stand_in)).await, 401);
    assert_eq!(answer(get_known_with(&stand_in, "new-key")).await, (200, json!({ "url": url })));
    assert_eq!(stand_in.url_of("new-key", KNOWN), url);
}

fn get_known_with(stand_in: &StandIn, key: &str) -> reqwest::RequestBuilder {
    client().get(format!("{}/deeplinks/interaction/{KNOWN}", stand_in.api_base_url())).bearer_auth(key)
}

#[tokio::test]
async fn a_removed_item_is_404_from_then_on() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "short-lived");
    assert_eq!(status(get(&stand_in, "/deeplinks/conversation/short-lived")).await, 200);
    stand_in.remove(KEY, "short-lived");
    stand_in.remove(KEY, KNOWN);
    assert_eq!(status(get(&stand_in, "/deeplinks/conversation/short-lived")).await, 404);
    assert_eq!(status(get_known(&stand_in)).await, 404);
    stand_in.add_interaction(KEY, KNOWN);
    assert_eq!(status(get_known(&stand_in)).await, 200);
}

#[tokio::test]
async fn an_item_that_is_ingested_later_is_there_some_time_after_the_first_call() {
    let stand_in = stand_in().await;
    stand_in.ingest_later(KEY, "late", Duration::from_millis(300));
    let late = || get(&stand_in, "/deeplinks/conversation/late");
    assert_eq!(status(late()).await, 404);
    let wait = async { while status(late()).await == 404 {} };
    tokio::time::timeout(BOUND, wait).await.unwrap();
    let (found, body) = answer(late()).await;
    assert_eq!((found, body["url"].as_str().unwrap()), (200, stand_in.url_of(KEY, "late").as_str()));
    let calls = stand_in.calls();
    assert!(calls.last().unwrap().at - calls.first().unwrap().at >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_item_that_was_there_can_be_made_to_come_late() {
    let stand_in = stand_in().await;
    stand_in.ingest_later(KEY, KNOWN, Duration::from_hours(1));
    assert_eq!(status(get_known(&stand_in)).await, 404);
    assert_eq!(status(get(&stand_in, &format!("/export/interactions/detail-v2/{KNOWN}"))).await, 404);
}

#[tokio::test]
async fn an_interaction_s_detail_has_every_documented_field() {
    let stand_in = stand_in().await;
    let interaction = Interaction {
        input: "why?".to_owned(),
        topic: "reasons".to_owned(),
        tags: [("ticket_id".to_owned(), "4711".to_owned())].into(),
        ..Interaction::new(KNOWN)
    };
    stand_in.add(KEY, interaction);
    let (status, body) = answer(get(&stand_in, &format!("/export/interactions/detail-v2/{KNOWN}"))).await;
    assert_eq!(status, 200);
    assert_fields(
        &body,
        "id project_id sentiment emotions cost topic intent input output latency pii_removed text_language timestamp \
         end_timestamp user verbosity actions action_details feedback_actions feedback_action_text \
         feedback_action_rating user_query tags feedback_type risky_behavior rags rags_details warning_message \
         conversation",
    );
    assert_fields(&body["conversation"][0], "input output timestamp is_chosen");
    assert_eq!((&body["id"], &body["input"]), (&json!(KNOWN.to_string()), &json!("why?")));
    assert_eq!((&body["project_id"], &body["tags"]), (&json!("project-1"), &json!({"ticket_id": "4711"})));
    assert_eq!(body["conversation"][0]["is_chosen"], true);
}

#[tokio::test]
async fn a_conversation_s_detail_has_every_documented_field() {
    let stand_in = stand_in().await;
    let first = Interaction { conversation_id: "chat".to_owned(), ..Interaction::new(Uuid::from_u128(1)) };
    let later = first.timestamp.checked_add(jiff::SignedDuration::from_secs(90)).unwrap();
    stand_in.add(KEY, Interaction { id: Uuid::from_u128(2), timestamp: later, ..first.clone() });
    stand_in.add(KEY, first);
    let (status, body) =
        answer(post(&stand_in, "/get-conversation-detail", &json!({"conversation_id": "chat"}))).await;
    assert_eq!(status, 200);
    assert_fields(
        &body,
        "id session_length session_time start_session end_session cost tags emotions custom_aggregates conversation",
    );
    let turn = &body["conversation"][0];
    assert_fields(
        turn,
        "id input output timestamp end_timestamp user_query topic sentiment type_of_risk moderation_issue business_issue",
    );
    assert_eq!(
        (&body["id"], &body["session_length"], &body["session_time"]),
        (&json!("chat"), &json!(2), &json!(90))
    );
    assert_eq!(turn["id"], Uuid::from_u128(1).to_string());
}

#[tokio::test]
async fn a_conversation_s_detail_needs_an_id_that_is_known() {
    let stand_in = stand_in().await;
    let detail = |body| post(&stand_in, "/get-conversation-detail", &body);
    assert_eq!(status(detail(json!({"conversation_id": "nobody"}))).await, 404);
    assert_eq!(status(detail(json!({}))).await, 422);
    assert_eq!(status(detail(json!({"conversation_id": 7}))).await, 422);
}

#[track_caller]
fn assert_fields(object: &serde_json::Value, expected: &str) {
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let mut fields: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, expected);
}
