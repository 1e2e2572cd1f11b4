//! Bodies that are no batch, and who is told what about them.

use std::time::Instant;

use axum::body::Body;
use http::{Request, StatusCode};
use nebulink::app::App;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::{LINKS, assert_problem, batch, conversations, known, post, with_body};
use crate::error_pages::BROWSER;
use crate::support::{Nebulink, PATIENCE, eventually, exchange, settings, stand_in};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_wrong_or_missing_member_is_named_by_its_pointer() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for (body, pointer) in [
        (json!([]), ""),
        (json!("links"), ""),
        (json!({}), "/links"),
        (json!({"Links": []}), "/links"),
        (json!({"links": "abc"}), "/links"),
        (json!({"links": {"0": {"id": "abc"}}}), "/links"),
        (json!({"links": ["abc"]}), "/links/0"),
        (json!({"links": [{"id": "abc"}, null]}), "/links/1"),
        (json!({"links": [{"id": "abc"}, {}]}), "/links/1/id"),
        (json!({"links": [{"id": null}]}), "/links/0/id"),
        (json!({"links": [{"id": 7}]}), "/links/0/id"),
        (json!({"links": [{"id": ["abc"]}]}), "/links/0/id"),
        (json!({"links": [{"id": "abc", "kind": "tag"}]}), "/links/0/kind"),
        (json!({"links": [{"id": "abc", "kind": true}]}), "/links/0/kind"),
        (json!({"links": [{"id": "abc", "project": 1}]}), "/links/0/project"),
        (
            json!({"links": [{"id": "a"}, {"id": "a"}, {"id": "a"}, {"id": "a", "kind": "Interaction"}]}),
            "/links/3/kind",
        ),
    ] {
        let answer = post(&nebulink, LINKS, &body.to_string(), &[("accept", BROWSER)]).await;
        assert_problem(&answer, 422, "invalid-request");
        assert_eq!(answer.json()["pointer"], pointer, "{body}");
    }
    for body in ["", "links", "{\"links\":[}", "{\"links\":[]}]", "\u{feff}{\"links\":[]}"] {
        let answer = post(&nebulink, LINKS, body, &[]).await;
        assert_problem(&answer, 400, "invalid-request");
        assert_eq!(answer.json().get("pointer"), None);
    }
    // Null is as good as nothing where nothing may stand, other members do not matter, and the last of a name counts.
    let body = r#"{"links": 1, "x": {"links": 2}, "links": [{"id": 1, "kind": null, "project": null, "y": [], "id": "abc"}]}"#;
    assert_eq!(post(&nebulink, LINKS, body, &[]).await.json()["links"][0]["state"], "resolved");
}

#[tokio::test]
async fn the_detail_of_a_problem_says_what_is_wrong_with_this_request() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[("limits.batch", "3")]).await;
    let four = json!({ "links": conversations(["abc"; 4]) }).to_string();
    for (query, body, detail) in [
        ("", "{\"links\": [\n{\"id\": abc}]}", "The body is not JSON: see line 2, column 8."),
        ("", &*four, "This request has 4 links, and limits.batch allows 3."),
        ("", "[]", "The body is an object with the member links. This one is a list."),
        ("", "{\"links\": [{}]}", "The id of a link is a string. /links/0/id is missing."),
        ("?refresh&refresh", "{}", "The parameter refresh is given twice."),
        ("?refresh=maybe", "{}", "The parameter refresh is a switch: it takes no value, or true or false."),
    ] {
        let answer = post(&nebulink, &format!("{LINKS}{query}"), body, &[]).await;
        assert_eq!(answer.json()["detail"], detail, "{body}");
    }
    let json = ("content-type", "application/json");
    for (headers, what) in [
        (&[("content-type", "text/plain")][..], "another Content-Type"),
        (&[json, ("content-encoding", "gzip")], "This one has a Content-Encoding."),
    ] {
        let answer = post(&nebulink, LINKS, &four, headers).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains(what), "{answer:?}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn a_body_of_another_type_or_too_long_is_refused_before_it_is_read() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let body = json!({ "links": conversations(["abc"]) }).to_string();
    for (content_type, status) in [
        ("application/json", 200),
        ("APPLICATION/JSON", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=\"UTF-8\"", 200),
        ("application/json; charset=utf-16", 415),
        ("application/x-ndjson", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        let answer = post(&nebulink, LINKS, &body, &[("content-type", content_type)]).await;
        assert_eq!(answer.status, status, "{content_type:?}");
    }
    let json = ("content-type", "application/json");
    for headers in
        [&[json, json][..], &[json, ("content-encoding", "gzip")], &[json, ("content-encoding", "identity")]]
    {
        assert_problem(&post(&nebulink, LINKS, &body, headers).await, 415, "invalid-request");
    }
    let without_type = with_body(LINKS, &body, &[]).replace("content-type: application/json\r\n", "");
    assert_problem(&exchange(nebulink.address, without_type.as_bytes()).await, 415, "invalid-request");
    // Only their heads are sent.
    for (content_type, length, status) in [("text/plain", 10, 415), ("application/json", MIB + 1, 413)] {
        let head = format!(
            "POST {LINKS} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\n\r\n"
        );
        assert_problem(&exchange(nebulink.address, head.as_bytes()).await, status, "invalid-request");
    }
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_body_has_at_most_a_mebibyte_and_as_many_links_as_the_setting_says() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[("limits.batch", "3")]).await;
    let body = json!({ "links": conversations(["abc"]) }).to_string();
    let padded = |length: usize| body.clone() + &" ".repeat(length - body.len());
    assert_eq!(post(&nebulink, LINKS, &padded(MIB), &[]).await.status, 200);
    assert_problem(&post(&nebulink, LINKS, &padded(MIB + 1), &[]).await, 413, "invalid-request");
    // Without a length it is counted as it comes.
    let chunk = " ".repeat(MIB / 4);
    let chunked = |chunks: usize| {
        let head =
            with_body(LINKS, "", &[("transfer-encoding", "chunked")]).replace("content-length: 0\r\n", "");
        let chunks = format!("{:x}\r\n{chunk}\r\n", chunk.len()).repeat(chunks);
        format!("{head}{:x}\r\n{body}\r\n{chunks}0\r\n\r\n", body.len())
    };
    assert_eq!(exchange(nebulink.address, chunked(3).as_bytes()).await.status, 200);
    assert_problem(&exchange(nebulink.address, chunked(4).as_bytes()).await, 413, "invalid-request");
    assert_eq!(batch(&nebulink, &conversations(["abc"; 3])).await.len(), 3);
    let four = json!({ "links": conversations(["abc"; 4]) }).to_string();
    assert_problem(&post(&nebulink, LINKS, &four, &[]).await, 413, "invalid-request");
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_batch_takes_its_place_once_its_body_is_there() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let request = with_body(LINKS, &json!({ "links": conversations(["abc"]) }).to_string(), &[]);
    // The places of this caller for bodies that are on the way.
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(nebulink.address).await.unwrap();
        stream.write_all(&request.as_bytes()[..request.len() - 1]).await.unwrap();
        slow.push(stream);
    }
    eventually(async || exchange(nebulink.address, request.as_bytes()).await.status == 503).await;
    drop(slow.pop());
    eventually(async || exchange(nebulink.address, request.as_bytes()).await.status == 200).await;
    for mut stream in slow {
        stream.write_all(b"}").await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_hostile_body_costs_little() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let nested = |open: &str, close: &str| {
        let depth = (MIB - 100) / (open.len() + close.len());
        open.repeat(depth) + "1" + &close.repeat(depth)
    };
    let members = format!("{{{}\"links\":[]}}", "\"a\":0,".repeat((MIB - 100) / 6));
    let elements = format!("{{\"links\":[{}0]}}", "0,".repeat((MIB - 100) / 2));
    let escapes = format!("{{\"links\":[{{\"id\":\"{}\"}}]}}", "\\u0041".repeat((MIB - 100) / 6));
    for (name, body, status) in [
        ("deep lists", nested("[", "]"), 422),
        ("deep objects", nested("{\"links\":", "}"), 422),
        ("a deep id", format!("{{\"links\":[{{\"id\":{}}}]}}", nested("[", "]")), 422),
        ("lists without an end", format!("{{\"links\":{}", "[".repeat(MIB - 100)), 400),
        ("many members", members, 200),
        ("many elements", elements, 413),
        ("escapes", escapes, 200),
        ("a long number", "9".repeat(MIB - 100), 422),
        ("a string without an end", format!("\"{}", "\\\"".repeat(MIB / 2 - 100)), 400),
    ] {
        let began = Instant::now();
        let answer = post(&nebulink, LINKS, &body, &[]).await;
        println!("{name}: {} after {:?}", answer.status, began.elapsed());
        assert_eq!(answer.status, status, "{name}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

/// Any JSON, with members of these names more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let word = || {
        prop_oneof![
            Just("links".to_owned()),
            Just("id".to_owned()),
            Just("kind".to_owned()),
            Just("project".to_owned()),
            Just("interaction".to_owned()),
            Just("default".to_owned()),
            any::<String>(),
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn any_json_is_a_batch_or_is_told_where_it_is_none() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let stand_in = runtime.block_on(stand_in());
    let limits = [("limits.batch", "3"), ("limits.cold_per_second", "1"), ("limits.cold_burst", "1")];
    let router = App::build(&settings(&stand_in, &limits)).unwrap().public();
    let ask = |body: String| {
        let request = Request::post(LINKS).header("content-type", "application/json").body(Body::from(body));
        runtime.block_on(async {
            let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
            let status = answer.status();
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, serde_json::from_slice::<Value>(&body).unwrap())
        })
    };
    proptest!(ProptestConfig::with_cases(300), |(links in any_json(), body in any_json())| {
        for body in [json!({ "links": [links.clone()] }), json!({ "links": links }), body.clone()] {
            let (status, answer) = ask(body.to_string());
            match status {
                StatusCode::OK => {
                    let (sent, links) = (body["links"].as_array().unwrap(), answer["links"].as_array().unwrap());
                    prop_assert_eq!(sent.len(), links.len());
                    for (sent, link) in sent.iter().zip(links).filter(|(_, link)| link["state"] == "invalid") {
                        prop_assert_eq!(&sent["id"], &link["id"], "it is there as it was sent");
                    }
                }
                StatusCode::PAYLOAD_TOO_LARGE => prop_assert!(body["links"].as_array().unwrap().len() > 3),
                StatusCode::UNPROCESSABLE_ENTITY => {
                    let pointer = answer["pointer"].as_str().unwrap();
                    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                    prop_assert!(body.pointer(pointer).or(body.pointer(parent)).is_some(), "{} {}", pointer, body);
                }
                other => prop_assert!(false, "{} {}", other, body),
            }
        }
        let mut cut = body.to_string();
        cut.truncate(cut.floor_char_boundary(cut.len() / 2));
        let (status, _) = ask(cut.clone());
        prop_assert!([200, 400, 413, 422].contains(&status.as_u16()), "{} {}", status, cut);
    });
    // The bodies that are refused leave no place taken.
    let (status, _) = ask("{\"links\":[]}".to_owned());
    assert_eq!(status, StatusCode::OK);
}
