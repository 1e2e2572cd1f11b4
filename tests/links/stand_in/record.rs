//! The calls that are counted and kept, and the life of the stand-in.

use nebulink::demo::{CallKind, Fault, StandIn};
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::caller::{
    KEY, KNOWN, answer, ask, client, connect_and_ask, get, get_known, post, read_answer, stand_in, status,
};

#[tokio::test]
async fn a_call_is_recorded_as_it_came() {
    let stand_in = stand_in().await;
    get(&stand_in, "/deeplinks/conversation/a%2Fb%2525?x=1").header("x-test", "yes").send().await.unwrap();
    post(&stand_in, "/get-conversation-detail", &json!({"conversation_id": "c"})).send().await.unwrap();
    let [link, detail] = stand_in.calls().try_into().unwrap();
    assert_eq!((link.kind, link.id.as_deref()), (CallKind::Conversation, Some("a/b%25")));
    assert_eq!(link.target, "/api/external/deeplinks/conversation/a%2Fb%2525?x=1");
    assert_eq!((link.method.as_str(), link.key.as_deref()), ("GET", Some(KEY)));
    assert_eq!(link.headers["x-test"], "yes");
    assert_eq!((detail.kind, detail.id.as_deref()), (CallKind::ConversationDetail, Some("c")));
    assert_eq!(detail.body, r#"{"conversation_id":"c"}"#);
    assert!(detail.at >= link.at);
}

#[tokio::test]
async fn no_debug_output_shows_a_key() {
    let stand_in = stand_in().await;
    status(get_known(&stand_in)).await;
    let project = nebulink::demo::StandInProject::new(KEY, "p", "o");
    let matching = nebulink::demo::Matching::key(KEY);
    let shown = format!("{:?} {stand_in:?} {project:?} {matching:?}", stand_in.calls());
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn calls_are_counted_in_all_and_by_id_until_they_are_forgotten() {
    let stand_in = stand_in().await;
    for path in ["/deeplinks/conversation/x", "/deeplinks/conversation/x", "/deeplinks/conversation/y"] {
        status(get(&stand_in, path)).await;
    }
    assert_eq!((stand_in.call_count(), stand_in.calls_for("x"), stand_in.calls_for("z")), (3, 2, 0));
    assert_eq!(stand_in.most_in_flight(), 1, "one after the other");
    stand_in.forget_calls();
    assert_eq!((stand_in.call_count(), stand_in.calls().len(), stand_in.most_in_flight()), (0, 0, 0));
    status(get(&stand_in, "/deeplinks/conversation/x")).await;
    stand_in.wait_for_calls(1).await;
}

#[tokio::test]
async fn a_page_is_no_call() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Hang));
    assert_eq!(status(client().get(stand_in.url_of(KEY, KNOWN))).await, 200);
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn waiting_for_calls_ends_with_the_call_that_makes_them_enough() {
    let stand_in = stand_in().await;
    let waiting = stand_in.clone();
    let waiter = tokio::spawn(async move { waiting.wait_for_calls(2).await });
    status(get_known(&stand_in)).await;
    assert!(!waiter.is_finished());
    status(get_known(&stand_in)).await;
    waiter.await.unwrap();
}

#[tokio::test]
async fn one_connection_takes_many_calls() {
    let stand_in = stand_in().await;
    let mut socket = connect_and_ask(&stand_in).await;
    for _ in 0..3 {
        assert!(read_answer(&mut socket).await.starts_with("HTTP/1.1 200"));
        ask(&mut socket, &format!("/api/external/deeplinks/interaction/{KNOWN}")).await;
    }
    stand_in.wait_for_calls(4).await;
    assert_eq!((stand_in.call_count(), stand_in.connection_count()), (4, 1));
}

#[tokio::test]
async fn a_stopped_stand_in_frees_its_port_and_can_come_back_there() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Hang));
    let mut open = connect_and_ask(&stand_in).await;
    stand_in.wait_for_calls(1).await;
    stand_in.stop().await;
    assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0, "open connections are closed");
    assert!(get_known(&stand_in).send().await.unwrap_err().is_connect());
    let back = StandIn::start_on(stand_in.address()).await.unwrap();
    assert_eq!(answer(get_known(&back)).await.0, 401, "it begins anew, without projects");
}

#[tokio::test]
async fn dropping_the_last_handle_ends_it() {
    let stand_in = stand_in().await;
    let other = stand_in.clone();
    let mut open = connect_and_ask(&stand_in).await;
    drop(stand_in);
    assert!(read_answer(&mut open).await.starts_with("HTTP/1.1 200"), "the other handle keeps it alive");
    drop(other);
    assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0);
}
