//! The page of a link (`noredirect`), and its JSON.

use std::time::Duration;

use http::StatusCode;
use nebulink::demo::{CallKind, Fault, Matching, StandIn};
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::error_pages::BROWSER;
use crate::support::{KEY, Nebulink, key_of, settings_with, stand_in, stand_in_with};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

async fn known(ids: &[&str]) -> StandIn {
    let stand_in = stand_in().await;
    for id in ids {
        match Uuid::try_parse(id) {
            Ok(uuid) => stand_in.add_interaction(KEY, uuid),
            Err(_) => stand_in.add_conversation(KEY, id),
        }
    }
    stand_in
}

async fn page(nebulink: &Nebulink, target: &str) -> String {
    let answer = nebulink.request("GET", target, &[("accept", BROWSER)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
    answer.body
}

async fn json(nebulink: &Nebulink, target: &str) -> Value {
    let answer = nebulink.get(target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

/// The value of a field that is there to be copied.
#[track_caller]
fn copied(page: &str, field: &str) -> String {
    let start = format!("<input id=\"{field}\" readonly value=\"");
    let value = page.split(&start).nth(1).unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap();
    value.replace("&#38;", "&")
}

#[tokio::test]
async fn the_page_of_a_link_says_where_it_leads_and_has_both_links_to_copy() {
    let stand_in = known(&["a/b & c"]).await;
    let nebulink = Nebulink::start(&stand_in, &[("server.public_url", "https://go.example")]).await;
    for target in ["/go/conversation?id=a/b%20%26+c&noredirect", "/go?noredirect=1&id=a/b%20%26+c"] {
        let page = page(&nebulink, target).await;
        assert!(page.contains("<p class=\"kind\">Conversation</p>"), "{page}");
        assert!(page.contains("translate=\"no\">a/b &#38; c</span></h1>"), "{page}");
        let url = stand_in.url_of(KEY, "a/b & c").replace('&', "&#38;");
        assert!(page.contains(&format!("class=\"btn primary open\" href=\"{url}\"")), "{url} in {page}");
        let host = stand_in.address().to_string();
        assert!(page.contains(&format!("http://<b>{host}</b>/live-activity")), "{page}");
        assert!(page.contains("15 Jan 2027, 08:00:00 UTC</time>"), "{page}");
        assert!(page.contains("(just now)"), "{page}");
        assert_eq!(copied(&page, "long"), "https://go.example/go/conversation?id=a%2Fb%20%26%20c");
        assert_eq!(copied(&page, "short"), "https://go.example/c?id=a%2Fb%20%26%20c");
        assert!(!page.contains("The link says"), "{page}");
        assert!(page.contains("<dt>Project</dt>\n<dd>default</dd>"), "{page}");
    }
    assert_eq!(stand_in.call_count(), 1, "a page costs no more than a redirect");
}

#[tokio::test]
async fn programs_get_the_link_as_json() {
    let stand_in = known(&[UUID, "plain-id"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let url = stand_in.url_of(KEY, uuid!("0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e"));
    let answer = json(&nebulink, &format!("/go/interaction/%7B{UUID}%7D?noredirect")).await;
    let short = answer["short_url"].as_str().unwrap().to_owned();
    let expected = json!({
        "kind": "interaction", "id": UUID, "state": "resolved", "url": url, "project": "default",
        "resolved_at": "2027-01-15T08:00:00Z",
        "long_url": format!("http://go.example.com/go/interaction?id={UUID}"), "short_url": short,
    });
    assert_eq!(answer, expected);
    let code = short.strip_prefix("http://go.example.com/i/").unwrap();
    assert_eq!(code.len(), 22);
    assert_eq!(nebulink.get(&format!("/i/{code}")).await.header("location"), Some(url.as_str()));
    let answer = json(&nebulink, "/c/plain-id?noredirect").await;
    assert_eq!(answer["short_url"], "http://go.example.com/c/plain-id");
    let answer = nebulink.get("/c/plain-id?noredirect").await;
    assert_eq!(answer.header("cache-status"), Some("nebulink; hit"));
    assert_eq!(answer.header("location"), None);
}

#[tokio::test]
async fn a_link_that_leads_nowhere_has_the_status_of_its_problem_and_keeps_noredirect() {
    let stand_in = known(&[]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.get("/c/unknown?noredirect").await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (404, json!("urn:nebulink:not-found")));
    let answer = nebulink.request("GET", "/c/unknown?noredirect", &[("accept", BROWSER)]).await;
    assert!(answer.body.contains("href=\"/go/conversation?id=unknown&#38;noredirect\">Look now"));
    assert_eq!(answer.header("refresh"), Some("5; url=/go/conversation?id=unknown&noredirect&looks=1"));
    let answer = nebulink.get("/c/x?noredirect=perhaps").await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (400, json!("urn:nebulink:invalid-request")));
    assert_eq!(nebulink.get("/c/unknown?noredirect=false").await.status, 404);
}

#[tokio::test]
async fn the_page_shows_the_id_as_it_was_received_if_another_spelling_was_found() {
    let stand_in = known(&["a/b", UUID]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let page_of_spelling = page(&nebulink, "/c?id=a%252Fb&noredirect").await;
    let says =
        "The link says <code translate=\"no\">a%2Fb</code>; found as <code translate=\"no\">a/b</code>.";
    assert!(page_of_spelling.contains(says), "{page_of_spelling}");
    assert_eq!(copied(&page_of_spelling, "short"), "http://go.example.com/c?id=a%2Fb");
    let answer = json(&nebulink, "/c?id=a%252Fb&noredirect").await;
    assert_eq!(answer["id"], "a/b");
    let page_of_uuid = page(&nebulink, &format!("/i?id=id:%20%22{UUID}%22&noredirect")).await;
    let says = format!("The link says <code translate=\"no\">id: &#34;{UUID}&#34;</code>; found as");
    assert!(page_of_uuid.contains(&says), "{page_of_uuid}");
    let short = copied(&page_of_uuid, "short");
    let page_of_code = page(&nebulink, &(short.replace("http://go.example.com", "") + "?noredirect")).await;
    assert!(!page_of_code.contains("The link says"), "the code is our own: {page_of_code}");
}

#[tokio::test]
async fn a_uuid_that_is_a_conversation_has_the_page_and_the_links_of_one() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, UUID);
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = json(&nebulink, &format!("/go/{UUID}?noredirect")).await;
    assert_eq!((answer["kind"].as_str(), answer["id"].as_str()), (Some("conversation"), Some(UUID)));
    assert_eq!(answer["short_url"], format!("http://go.example.com/c/{UUID}"));
    assert!(page(&nebulink, &format!("/go/{UUID}?noredirect")).await.contains(">Conversation</p>"));
}

#[tokio::test]
async fn links_name_the_project_as_soon_as_there_are_two() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(1), "only-there");
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "everywhere");
    }
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    let answer = json(&nebulink, "/c/only-there?noredirect").await;
    assert_eq!(answer["long_url"], "http://go.example.com/go/conversation?id=only-there&project=project-1");
    assert_eq!(answer["short_url"], "http://go.example.com/c/only-there?project=project-1");
    let page_of_one = page(&nebulink, "/c/only-there?noredirect").await;
    assert!(page_of_one.contains("<dt>Project</dt>\n<dd>project-1</dd>"), "{page_of_one}");

    let answer = nebulink.get("/c/everywhere?noredirect").await;
    assert_eq!(answer.status, 409);
    let links = answer.json()["links"].clone();
    let long_urls: Vec<_> = links.as_array().unwrap().iter().map(|link| link["long_url"].clone()).collect();
    let expected =
        |project| format!("http://go.example.com/go/conversation?id=everywhere&project=project-{project}");
    assert_eq!(long_urls.len(), 2);
    assert!((0..2).all(|project| long_urls.contains(&json!(expected(project)))), "{long_urls:?}");
    let choice = nebulink.request("GET", "/c/everywhere?noredirect", &[("accept", BROWSER)]).await;
    assert!(choice.body.contains("<h1>Which project?</h1>"), "{}", choice.body);
    for project in 0..2 {
        let href =
            format!("href=\"/go/conversation?id=everywhere&#38;project=project-{project}&#38;noredirect\"");
        assert!(choice.body.contains(&href), "{}", choice.body);
    }
}

#[tokio::test]
async fn the_page_says_if_a_link_is_stale_or_constructed() {
    let stand_in = known(&["a"]).await;
    let nebulink = Nebulink::start(&stand_in, &[("nebuly.retries", "0")]).await;
    page(&nebulink, "/c/a?noredirect").await;
    nebulink.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let stale = page(&nebulink, "/c/a?noredirect").await;
    assert!(stale.contains("(3 days ago)") && stale.contains("still opens"), "{stale}");
    stand_in.set_fault(Some(Fault::Drop));
    let constructed = page(&nebulink, "/c/b?noredirect").await;
    assert!(constructed.contains("Built from known ids. Nebuly has not confirmed it."), "{constructed}");
    let answer = json(&nebulink, "/c/b?noredirect").await;
    assert_eq!((answer["constructed"].clone(), answer["resolved_at"].clone()), (json!(true), Value::Null));
}

#[tokio::test]
async fn with_details_the_page_shows_the_fields_that_are_allowed_in_the_words_of_people() {
    let stand_in = known(&[UUID]).await;
    let nebulink = Nebulink::start(
        &stand_in,
        &[("preview.details", "true"), ("preview.fields", "topic, sentiment, timestamp")],
    )
    .await;
    let target = format!("/i/{UUID}?noredirect");
    for _ in 0..2 {
        let page = page(&nebulink, &target).await;
        assert!(page.contains("<h2>What Nebuly says</h2>"), "{page}");
        let rows: Vec<_> = page.split("<dt>").skip(3).map(|row| row.split("</dt>").next().unwrap()).collect();
        assert_eq!(rows, ["Topic", "Sentiment", "Started"]);
        assert!(page.contains("<span class=\"written\" dir=\"auto\">Neutral</span>"), "{page}");
        assert!(page.contains("Read from Nebuly just now."), "{page}");
    }
    let answer = json(&nebulink, &target).await;
    assert_eq!(answer["details"]["sentiment"], "neutral", "{answer}");
    assert_eq!(answer["details"].as_object().unwrap().len(), 3, "{answer}");
    assert_eq!(stand_in.calls_for(UUID), 2, "one for the link, and one for its details");
}

#[tokio::test]
async fn details_that_fail_leave_the_page_without_them_and_it_says_so() {
    let stand_in = known(&[UUID, "a"]).await;
    let nebulink =
        Nebulink::start(&stand_in, &[("preview.details", "true"), ("preview.fields", "topic")]).await;
    let target = format!("/i/{UUID}?noredirect");
    for (status, why, reload) in [(500, "Nebuly cannot answer now", true), (404, "Nebuly has none", false)] {
        let fault = Fault::status(StatusCode::from_u16(status).unwrap());
        stand_in.set_fault_for(Matching::kind(CallKind::InteractionDetail), fault);
        let page = page(&nebulink, &target).await;
        assert!(
            page.contains(&format!("<b>Nebuly's details are missing</b> ({why}). The link works.")),
            "{page}"
        );
        let link = format!("<a href=\"/go/interaction?id={UUID}&#38;noredirect\">Reload</a>");
        assert_eq!(page.contains(&link), reload, "{page}");
        assert!(!page.contains("What Nebuly says"), "{page}");
    }
    let answer = json(&nebulink, &target).await;
    assert_eq!(answer["details_error"]["type"], "urn:nebulink:not-found", "{answer}");
    assert_eq!((answer["state"].as_str(), answer["details"].clone()), (Some("resolved"), Value::Null));

    let poor = [("limits.cold_burst", "1"), ("limits.cold_per_second", "1"), ("preview.details", "true")];
    let nebulink = Nebulink::start(&stand_in, &poor).await;
    let answer = json(&nebulink, "/c/a?noredirect").await;
    assert_eq!(answer["details_error"]["type"], "urn:nebulink:rate-limited", "{answer}");
    assert_eq!(answer["details_error"]["retry_after"], 1, "{answer}");
}

#[tokio::test]
async fn without_preview_details_nebuly_is_asked_for_none() {
    let stand_in = known(&[UUID]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = json(&nebulink, &format!("/i/{UUID}?noredirect")).await;
    assert!(answer.get("details").is_none() && answer.get("details_error").is_none(), "{answer}");
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn a_link_preview_robot_gets_its_card_in_place_of_the_page_without_a_call() {
    let stand_in = known(&["a"]).await;
    let nebulink = Nebulink::start(&stand_in, &[("preview.details", "true")]).await;
    let robot = [("user-agent", "Slackbot-LinkExpanding 1.0")];
    let card = nebulink.request("GET", "/c/a?noredirect", &robot).await;
    assert!(card.status == 200 && card.body.contains("og:title"), "{card:?}");
    assert_eq!(stand_in.call_count(), 0);
}
