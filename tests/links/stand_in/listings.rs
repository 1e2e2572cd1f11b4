//! The calls that list.

use jiff::{SignedDuration, Timestamp};
use nebulink::demo::{Fault, Interaction, ListingOrder, Matching, StandIn};
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::{KEY, answer, post, stand_in, status};

/// The moment that the tests take for now. It is past, so that interactions added as of now lie outside.
const NOON: Timestamp = Timestamp::constant(1_719_835_200, 0);

/// The interaction with the n-th id, n minutes ago, in the conversation, tagged with the ticket.
fn interaction(n: u32, conversation: &str, ticket: &str) -> Interaction {
    Interaction {
        conversation_id: conversation.to_owned(),
        timestamp: minutes_ago(n),
        tags: [("ticket_id".to_owned(), ticket.to_owned())].into(),
        ..Interaction::new(Uuid::from_u128(n.into()))
    }
}

fn minutes_ago(n: u32) -> Timestamp {
    NOON.checked_sub(SignedDuration::from_mins(n.into())).unwrap()
}

/// Interactions 10 and 20 are the conversation `a`, 15 and 30 are `b`.
async fn filled() -> StandIn {
    let stand_in = stand_in().await;
    for (n, conversation, ticket) in [(10, "a", "1"), (20, "a", "2"), (15, "b", "2"), (30, "b", "3")] {
        stand_in.add(KEY, interaction(n, conversation, ticket));
    }
    stand_in
}

/// A question about the time from 40 minutes to 5 minutes ago.
fn question(filters: &Value) -> Value {
    let (start, end) = (minutes_ago(40).to_string(), minutes_ago(5).to_string());
    json!({"time_range": {"start": start, "end": end}, "filters": filters, "limit": 10, "offset": 0,
           "group_by": {"kind": "conversation_id"}})
}

fn of(ids: &[u128]) -> Value {
    ids.iter().map(|id| Uuid::from_u128(*id).to_string()).collect()
}

fn column(body: &Value, name: &str) -> Value {
    body["data"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn interactions_of_the_time_are_listed_newest_first() {
    let stand_in = filled().await;
    let (status, body) = answer(post(&stand_in, "/get-interactions", &question(&json!([])))).await;
    assert_eq!(status, 200);
    assert_eq!((&body["total"], &body["offset"], &body["limit"]), (&json!(4), &json!(0), &json!(10)));
    assert_eq!(column(&body, "id"), of(&[10, 15, 20, 30]));
    let mut fields: Vec<_> = body["data"][0].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["end_user", "id", "input_text", "output_text", "timestamp", "user_query"]);
}

#[tokio::test]
async fn a_page_is_cut_by_limit_and_offset() {
    let stand_in = filled().await;
    let mut page = question(&json!([]));
    page["limit"] = json!(2);
    page["offset"] = json!(1);
    let (_, body) = answer(post(&stand_in, "/get-interactions", &page)).await;
    assert_eq!((&body["total"], column(&body, "id")), (&json!(4), of(&[15, 20])));
}

#[tokio::test]
async fn the_rows_come_in_the_order_that_is_set_and_pages_fit_together() {
    let stand_in = filled().await;
    let listed = async |path: &str, name: &str, limit: usize| {
        let mut rows = Vec::new();
        for offset in (0..4).step_by(limit) {
            let mut page = question(&json!([]));
            page["limit"] = json!(limit);
            page["offset"] = json!(offset);
            let (_, body) = answer(post(&stand_in, path, &page)).await;
            rows.extend(column(&body, name).as_array().unwrap().clone());
        }
        Value::from(rows)
    };
    stand_in.set_listing_order(ListingOrder::OldestFirst);
    assert_eq!(listed("/get-interactions", "id", 2).await, of(&[30, 20, 15, 10]));
    assert_eq!(listed("/get-interaction-aggregates", "group_name", 2).await, json!(["b", "a"]));
    let mut orders = std::collections::HashSet::new();
    for seed in 0..20 {
        stand_in.set_listing_order(ListingOrder::Shuffled(seed));
        let rows = listed("/get-interactions", "id", 1).await;
        assert_eq!(rows, listed("/get-interactions", "id", 4).await, "of one seed");
        orders.insert(rows.to_string());
    }
    assert!(orders.len() > 5, "{orders:?}");
}

#[tokio::test]
async fn a_fault_can_be_for_a_single_page_of_any_listing() {
    let stand_in = filled().await;
    stand_in.set_fault_for(Matching::page_at(2), Fault::status(http::StatusCode::BAD_GATEWAY));
    for path in ["/get-interactions", "/get-interaction-aggregates"] {
        for (offset, expected) in [(0, 200), (2, 502), (20, 200)] {
            let mut page = question(&json!([]));
            page["offset"] = json!(offset);
            assert_eq!(status(post(&stand_in, path, &page)).await, expected, "{path} at {offset}");
        }
    }
    let offsets: Vec<_> = stand_in.calls().iter().map(|call| call.offset).collect();
    assert_eq!(offsets, [Some(0), Some(2), Some(20), Some(0), Some(2), Some(20)]);
}

#[tokio::test]
async fn a_tag_s_values_are_alternatives_and_filters_add_up() {
    let stand_in = filled().await;
    for (filters, expected) in [
        (json!([{"kind": "tag", "tag": "ticket_id", "values": ["2"]}]), of(&[15, 20])),
        (json!([{"kind": "tag", "tag": "ticket_id", "values": ["1", "3"]}]), of(&[10, 30])),
        (json!([{"kind": "tag", "tag": "trace_id", "values": ["1"]}]), of(&[])),
        (json!([{"kind": "tag", "tag": "ticket_id", "values": []}]), of(&[])),
        (
            json!([{"kind": "tag", "tag": "ticket_id", "values": ["1", "2"]},
                   {"kind": "tag", "tag": "ticket_id", "values": ["1"]}]),
            of(&[10]),
        ),
        (json!([{"kind": "topic", "values": ["delivery"]}]), of(&[10, 15, 20, 30])),
        (json!([{"kind": "user", "values": ["nobody"]}]), of(&[])),
    ] {
        let (_, body) = answer(post(&stand_in, "/get-interactions", &question(&filters))).await;
        assert_eq!(column(&body, "id"), expected, "{filters}");
    }
}

#[tokio::test]
async fn conversations_are_listed_with_their_sessions_newest_first() {
    let stand_in = filled().await;
    let (status, body) = answer(post(&stand_in, "/get-interaction-aggregates", &question(&json!([])))).await;
    assert_eq!((status, &body["total"]), (200, &json!(2)));
    assert_eq!(column(&body, "group_name"), json!(["a", "b"]));
    assert_eq!(column(&body, "n_interactions"), json!([2, 2]));
    let row = &body["data"][0];
    let time = |name: &str| row[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(time("end_session").duration_since(time("start_session")).as_mins(), 10);
}

#[tokio::test]
async fn conversations_are_found_by_a_tag_and_by_its_absence() {
    let stand_in = filled().await;
    for (is_exclude, ticket, expected) in [(false, "3", json!(["b"])), (true, "2", json!(["a", "b"]))] {
        let filters =
            json!([{"kind": "tag", "tag": "ticket_id", "values": [ticket], "is_exclude": is_exclude}]);
        let (_, body) = answer(post(&stand_in, "/get-interaction-aggregates", &question(&filters))).await;
        assert_eq!(
            (column(&body, "group_name"), column(&body, "n_interactions")[0].clone()),
            (expected, json!(1))
        );
    }
}

#[tokio::test]
async fn a_listing_lacks_what_is_not_ingested_or_removed() {
    let stand_in = filled().await;
    stand_in.ingest_later(KEY, Uuid::from_u128(10), std::time::Duration::from_hours(1));
    stand_in.remove(KEY, "b");
    let (_, body) = answer(post(&stand_in, "/get-interactions", &question(&json!([])))).await;
    assert_eq!(column(&body, "id"), of(&[20]));
}

#[tokio::test]
async fn a_listing_without_one_of_the_required_members_is_422() {
    let stand_in = filled().await;
    for path in ["/get-interactions", "/get-interaction-aggregates"] {
        for member in ["time_range", "filters", "limit", "offset"] {
            let mut incomplete = question(&json!([]));
            incomplete.as_object_mut().unwrap().remove(member);
            assert_eq!(status(post(&stand_in, path, &incomplete)).await, 422, "{path} without {member}");
        }
        for filters in [
            json!({}),
            json!([{"kind": "colour", "values": []}]),
            json!([{"kind": "tag", "values": ["1"]}]),
            json!([{"kind": "topic"}]),
        ] {
            assert_eq!(
                status(post(&stand_in, path, &question(&filters))).await,
                422,
                "{path} with {filters}"
            );
        }
        let mut never = question(&json!([]));
        never["time_range"]["end"] = json!("tomorrow");
        assert_eq!(status(post(&stand_in, path, &never)).await, 422, "{path}");
    }
    let mut ungrouped = question(&json!([]));
    ungrouped["group_by"]["kind"] = json!("moon");
    assert_eq!(status(post(&stand_in, "/get-interaction-aggregates", &ungrouped)).await, 422);
}
