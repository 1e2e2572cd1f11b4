//! The page of a link.

use std::time::Duration;

use http::StatusCode;
use nebulink::demo::{CallKind, Fault, Interaction, Matching};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use uuid::Uuid;

use crate::browser::Browser;
use crate::check::check_page;
use crate::site::Site;
use crate::support::{KEY, key_of};
use crate::view::LAPTOP;

const FOUND: Uuid = Uuid::from_u128(0x3f0e_1c52_9b1d_4a83_8a3b_0d6c_1f4e_7a21);

/// An id with everything that may break a page: 512 bytes, from right to left, markup, characters without a width.
fn nasty_id() -> String {
    let begin = "شكرا\u{202e}<b>bold</b>\u{200b}\u{200d}\"&amp;' ";
    format!("{begin}{}", "x".repeat(512 - begin.len()))
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn the_page_of_a_link_shows_where_it_leads_and_opens_it() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_interaction(KEY, FOUND);
    let target = site.stand_in.url_of(KEY, FOUND);
    check_page(&browser, "link", &site.page(&format!("/go/interaction?id={FOUND}&noredirect"))).await;
    assert_eq!(browser.text_of("h1").await, FOUND.to_string());
    assert_eq!(browser.title().await, format!("{FOUND} · nebulink"));
    assert_eq!(browser.text_of(".dest").await, target);
    browser.follow("main", "Open in Nebuly").await;
    assert_eq!(browser.url().await, target);
}

#[tokio::test]
async fn the_page_of_a_link_shows_what_nebuly_says_or_that_it_says_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("preview.details", "true"), ("nebuly.retries", "0")]).await;
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let timestamp = now.checked_sub(jiff::SignedDuration::from_mins(48)).unwrap();
    site.stand_in.add(KEY, Interaction { timestamp, ..Interaction::new(FOUND) });
    check_page(&browser, "link-details", &site.page(&format!("/go/interaction?id={FOUND}&noredirect"))).await;
    let text = browser.text_of("main").await;
    for expected in ["What Nebuly says", "Delivery", "Track an order", "48 minutes ago"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // What people wrote is not shown unless its field is named.
    assert!(!text.contains("Where is my order?"), "{text}");

    site.stand_in.add_conversation(KEY, "abc");
    let fault = Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    site.stand_in.set_fault_for(Matching::kind(CallKind::ConversationDetail), fault);
    check_page(&browser, "link-details-missing", &site.page("/go/conversation?id=abc&noredirect")).await;
    let text = browser.text_of("main").await;
    assert!(text.contains("Nebuly's details are missing"), "{text}");
    site.stand_in.clear_faults();
    browser.follow("main", "Reload").await;
    let text = browser.text_of("main").await;
    assert!(text.contains("1 interaction"), "{text}");
}

#[tokio::test]
async fn the_nastiest_id_breaks_no_page_and_is_copied_byte_for_byte() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    let id = nasty_id();
    site.stand_in.add_conversation(KEY, &id);
    let url = site.page(&format!("/go/conversation?id={}&noredirect", encoded(&id)));
    check_page(&browser, "link-nasty", &url).await;
    assert!(!browser.shows("h1 b").await);
    let heading = browser.evaluate("return document.querySelector('h1').textContent.trim()", &[]).await;
    // What cannot be seen, or turns the rest around, is written as its code point.
    let visible =
        id.replace('\u{202e}', "U+202E").replace('\u{200b}', "U+200B").replace('\u{200d}', "U+200D");
    assert_eq!(heading, visible);
    assert_eq!(browser.title().await, format!("{visible} · nebulink"));

    browser.look_through(LAPTOP).await;
    browser.open(&url).await;
    let copies = "return [...document.querySelectorAll('main .copyfield .copy')].length";
    assert_eq!(browser.evaluate(copies, &[]).await, 2);
    for field in 1..=2 {
        browser.open(&url).await;
        let scope = format!(".copyfield:nth-of-type({field})");
        browser.click_on(&scope, "Copy").await;
        let link = browser.clipboard().await;
        browser.open(&link).await;
        assert_eq!(browser.url().await, site.stand_in.url_of(KEY, id.as_str()));
    }
}

#[tokio::test]
async fn the_page_of_a_link_names_its_project_if_there_are_several() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::with_two_projects("42").await;
    site.stand_in.add_conversation(&key_of(1), "only-there");
    check_page(&browser, "link-project", &site.page("/go/conversation?id=only-there&noredirect")).await;
    assert!(browser.text_of("main").await.contains("project-1"));
}

#[tokio::test]
async fn the_page_of_a_link_says_how_its_id_was_found() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "orders/4711");
    check_page(&browser, "link-spelling", &site.page("/go/conversation?id=orders%252F4711&noredirect")).await;
    let text = browser.text_of("main").await;
    assert!(text.contains("The link says orders%2F4711; found as orders/4711."), "{text}");
}

#[tokio::test]
async fn the_page_of_a_link_says_if_nebuly_could_not_be_asked() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("nebuly.retries", "0")]).await;
    site.stand_in.add_conversation(KEY, "known");
    // From this one, nebulink learns the ids that it builds the other one's address from.
    site.nebulink.get("/c/known").await;
    site.stand_in.set_fault(Some(Fault::status(StatusCode::BAD_GATEWAY)));
    check_page(&browser, "link-constructed", &site.page("/go/conversation?id=another&noredirect")).await;
    let text = browser.text_of("main").await;
    assert!(text.contains("Built from known ids"), "{text}");
    browser.follow("main", "Open in Nebuly").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, "another"));
}

#[tokio::test]
async fn the_page_of_a_stale_link_says_how_old_it_is() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("nebuly.retries", "0")]).await;
    site.stand_in.add_conversation(KEY, "known");
    site.nebulink.get("/c/known").await;
    site.nebulink.clock.advance(Duration::from_hours(72));
    site.stand_in.set_fault(Some(Fault::status(StatusCode::BAD_GATEWAY)));
    check_page(&browser, "link-stale", &site.page("/go/conversation?id=known&noredirect")).await;
    let text = browser.text_of("main").await;
    assert!(text.contains("(3 days ago). It has not been confirmed since, and still opens."), "{text}");
    browser.follow("main", "Open in Nebuly").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, "known"));
}

#[tokio::test]
async fn what_people_wrote_is_shown_as_they_wrote_it_and_breaks_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("preview.details", "true"), ("preview.fields", "input,output")]).await;
    let input = format!("<script>alert(1)</script> {}\n\nشكرا", "x".repeat(400));
    site.stand_in.add(KEY, Interaction { input, ..Interaction::new(FOUND) });
    check_page(&browser, "link-texts", &site.page(&format!("/go/interaction?id={FOUND}&noredirect"))).await;
    let text = browser.text_of("main").await;
    assert!(text.contains("<script>alert(1)</script> xxx"), "{text}");
}

#[tokio::test]
async fn a_printed_page_of_a_link_has_its_address_and_nothing_to_press() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_interaction(KEY, FOUND);
    browser.look_through(LAPTOP).await;
    browser.open(&site.page(&format!("/go/interaction?id={FOUND}&noredirect"))).await;
    browser.command("Emulation.setEmulatedMedia", json!({"media": "print"})).await;
    assert!(!browser.shows("nav, .copy, .skip").await);
    let printed = "return getComputedStyle(document.querySelector('.open'), '::after').content";
    let expected = format!("{:?}", site.stand_in.url_of(KEY, FOUND));
    assert_eq!(browser.evaluate(printed, &[]).await, expected);
}
