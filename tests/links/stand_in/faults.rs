//! Each fault as a caller sees it, and which calls meet it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use nebulink::demo::{CallKind, Fault, Matching, StandIn};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::caller::{
    BOUND, KEY, KNOWN, answer, client, connect_and_ask, get, get_known, read_to_end, stand_in, status, until,
};

async fn with(fault: Fault) -> StandIn {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(fault));
    stand_in
}

#[tokio::test]
async fn a_status_comes_with_its_headers_and_body() {
    let stand_in = with(Fault::Status {
        code: StatusCode::BAD_GATEWAY,
        headers: HeaderMap::from_iter([("x-from".parse().unwrap(), HeaderValue::from_static("proxy"))]),
        body: "<h1>Bad gateway</h1>".to_owned(),
    })
    .await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-from"]),
        (502, &HeaderValue::from_static("proxy"))
    );
    assert_eq!(response.text().await.unwrap(), "<h1>Bad gateway</h1>");
}

#[tokio::test]
async fn a_throttled_call_is_told_when_to_come_back() {
    let stand_in = with(Fault::throttled(HeaderValue::from_static("7"))).await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &HeaderValue::from_static("7"))
    );
}

#[tokio::test]
async fn a_dropped_connection_ends_without_a_byte() {
    let stand_in = with(Fault::Drop).await;
    let (bytes, end) = read_to_end(&mut connect_and_ask(&stand_in).await).await;
    assert_eq!((bytes.as_str(), end.is_ok()), ("", true));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let stand_in = with(Fault::Reset).await;
    let (bytes, end) = read_to_end(&mut connect_and_ask(&stand_in).await).await;
    assert_eq!((bytes.as_str(), end.unwrap_err().kind()), ("", ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_hanging_call_is_in_flight_until_its_caller_goes() {
    let stand_in = with(Fault::Hang).await;
    let mut socket = connect_and_ask(&stand_in).await;
    stand_in.wait_for_calls(1).await;
    let silence = tokio::time::timeout(Duration::from_millis(100), socket.read_u8()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(stand_in.in_flight(), 1);
    drop(socket);
    until(|| stand_in.in_flight() == 0).await;
}

#[tokio::test]
async fn a_drip_goes_on_byte_by_byte() {
    let stand_in = with(Fault::Drip { pause: Duration::from_millis(5) }).await;
    let mut response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = Vec::new();
    while body.len() < 40 {
        body.extend(response.chunk().await.unwrap().expect("a drip does not end"));
    }
    assert!(body.starts_with(br#"{"url": "http"#) && body.ends_with(b"aaaa"), "{body:?}");
    assert_eq!(stand_in.in_flight(), 1);
}

#[tokio::test]
async fn a_half_answer_is_shorter_than_it_promised() {
    let stand_in = with(Fault::Half).await;
    let (answer, end) = read_to_end(&mut connect_and_ask(&stand_in).await).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        end.is_ok() && head.starts_with("HTTP/1.1 200") && head.contains("content-length: 500"),
        "{head}"
    );
    assert!(body.starts_with(r#"{"url""#) && body.len() < 500, "{body}");
    assert!(get_known(&stand_in).send().await.unwrap().bytes().await.is_err());
}

#[tokio::test]
async fn a_huge_answer_has_its_size_and_does_not_announce_it() {
    let stand_in = with(Fault::Huge { bytes: 3_000_001 }).await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, None));
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len(), 3_000_001);
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["url"].is_string());
}

#[tokio::test]
async fn garbage_is_a_page_of_html() {
    let stand_in = with(Fault::Garbage).await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_body_and_a_url_are_sent_as_they_were_given() {
    let stand_in = with(Fault::Body(r#"{"url": 7}"#.to_owned())).await;
    assert_eq!(answer(get_known(&stand_in)).await, (200, json!({"url": 7})));
    let url = "https://x.example/\r\nset-cookie: a=\"b\"";
    stand_in.set_fault(Some(Fault::Url(url.to_owned())));
    assert_eq!(answer(get_known(&stand_in)).await, (200, json!({ "url": url })));
}

#[tokio::test]
async fn a_compressed_answer_is_gzip_whoever_asks() {
    let stand_in = with(Fault::Compressed).await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-encoding"]),
        (200, &HeaderValue::from_static("gzip"))
    );
    assert!(response.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn a_redirect_leads_where_it_was_told() {
    let stand_in = with(Fault::RedirectTo("http://127.0.0.1:9/x".to_owned())).await;
    let response = get_known(&stand_in).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (302, &HeaderValue::from_static("http://127.0.0.1:9/x"))
    );
}

#[tokio::test]
async fn a_delayed_answer_is_the_usual_one_only_later() {
    let stand_in = with(Fault::Delay(Duration::from_millis(60))).await;
    let start = Instant::now();
    assert_eq!(answer(get_known(&stand_in)).await.0, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn another_fault_can_come_late() {
    let late = Duration::from_millis(60);
    let fault = Box::new(Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let stand_in = with(Fault::Late { by: late, fault }).await;
    let start = Instant::now();
    assert_eq!(status(get_known(&stand_in)).await, 500);
    assert!(start.elapsed() >= late);
}

#[tokio::test]
async fn held_calls_all_go_on_when_they_are_released() {
    let stand_in = with(Fault::Hold).await;
    let client = client();
    let url = format!("{}/deeplinks/interaction/{KNOWN}", stand_in.api_base_url());
    let calls: Vec<_> = (0..200).map(|_| tokio::spawn(status(client.get(&url).bearer_auth(KEY)))).collect();
    tokio::time::timeout(BOUND, stand_in.wait_for_calls(200)).await.unwrap();
    assert_eq!((stand_in.in_flight(), stand_in.most_in_flight()), (200, 200));
    assert!(calls.iter().all(|call| !call.is_finished()));
    stand_in.release_held();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(status(get_known(&stand_in)).await, 200, "nothing is held after the release");
    stand_in.set_fault(Some(Fault::Hold));
    let held = tokio::spawn(status(get_known(&stand_in)));
    stand_in.wait_for_calls(202).await;
    assert!(!held.is_finished(), "setting it closes it again");
    stand_in.clear_faults();
    assert_eq!(held.await.unwrap(), 200);
}

#[tokio::test]
async fn a_fault_for_a_key_an_id_a_prefix_or_a_kind_leaves_the_others_alone() {
    let known = format!("/deeplinks/interaction/{KNOWN}");
    for (matching, hits) in [
        (Matching::any(), [true, true]),
        (Matching::key(KEY), [true, true]),
        (Matching::key("another"), [false, false]),
        (Matching::id(KNOWN.to_string()), [true, false]),
        (Matching::id("a/b"), [false, true]),
        (Matching::id_prefix("a/"), [false, true]),
        (Matching::kind(CallKind::Interaction), [true, false]),
        (Matching::key(KEY).and_kind(CallKind::Interaction).and_id("a/b"), [false, false]),
    ] {
        let stand_in = stand_in().await;
        stand_in.set_fault_for(matching.clone(), Fault::status(StatusCode::IM_A_TEAPOT));
        for (path, hit) in [&*known, "/deeplinks/conversation/a%2Fb"].into_iter().zip(hits) {
            assert_eq!(status(get(&stand_in, path)).await == 418, hit, "{matching:?} {path}");
        }
    }
}

#[tokio::test]
async fn counted_faults_come_first_and_in_order_then_lasting_ones_then_the_general_one() {
    let stand_in = stand_in().await;
    let fault = |code: u16| Fault::status(StatusCode::from_u16(code).unwrap());
    let id = || Matching::id(KNOWN.to_string());
    stand_in.set_fault(Some(fault(500)));
    stand_in.set_fault_for(id(), fault(501));
    stand_in.set_fault_for(id(), fault(502));
    stand_in.set_fault_for(id().times(1), fault(503));
    stand_in.set_fault_for(id().times(2), fault(504));
    for expected in [503, 504, 504, 502, 502] {
        assert_eq!(status(get_known(&stand_in)).await, expected);
    }
    assert_eq!(status(get(&stand_in, "/deeplinks/conversation/x")).await, 500);
    stand_in.clear_faults();
    assert_eq!(status(get_known(&stand_in)).await, 200);
}
