//! The API: one link, or many, as JSON.

mod batch;
mod bodies;
mod link;
mod ndjson;

use nebulink::demo::StandIn;
use serde_json::{Value, json};

use crate::support::{Answer, KEY, Nebulink, exchange, stand_in};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
/// The same in base 58.
const SHORT_CODE: &str = "1CErPtAw6EcadyYG9EXG7w";
const UNKNOWN: &str = "0191b7c4-0000-7b60-9d6a-000000000000";
const HOST: &str = "http://go.example.com";
const LINKS: &str = "/api/v1/links";

/// A stand-in that knows an interaction and these conversations.
async fn known(ids: &[&str]) -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, UUID.parse().unwrap());
    for id in ids {
        stand_in.add_conversation(KEY, id);
    }
    stand_in
}

/// A request with a body, byte for byte. It is JSON, unless a header names another type.
fn with_body(target: &str, body: &str, headers: &[(&str, &str)]) -> String {
    let names_type = headers.iter().any(|(name, _)| *name == "content-type");
    let content_type = if names_type { "" } else { "content-type: application/json\r\n" };
    let lines: String = headers.iter().flat_map(|&(name, value)| [name, ": ", value, "\r\n"]).collect();
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\n{content_type}content-length: \
         {length}\r\n{lines}\r\n{body}"
    )
}

async fn post(nebulink: &Nebulink, target: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(nebulink.address, with_body(target, body, headers).as_bytes()).await
}

/// The links of a batch.
async fn batch(nebulink: &Nebulink, links: &Value) -> Vec<Value> {
    let answer = post(nebulink, LINKS, &json!({ "links": links }).to_string(), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let Value::Object(members) = answer.json() else { panic!("{answer:?}") };
    assert_eq!(members.keys().collect::<Vec<_>>(), ["links"]);
    members["links"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:nebulink:{kind}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], answer.header("x-request-id").unwrap());
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
}

/// The links of these conversations as a batch names them.
fn conversations(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    ids.into_iter().map(|id| json!({ "kind": "conversation", "id": id.as_ref() })).collect()
}

/// One member of each link.
fn each<'a>(links: &'a [Value], member: &str) -> Vec<&'a str> {
    links.iter().map(|link| link[member].as_str().unwrap_or_default()).collect()
}
