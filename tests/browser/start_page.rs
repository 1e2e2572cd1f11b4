//! The page to paste ids into, and its results.

use std::cell::Cell;

use http::StatusCode;
use nebulink::demo::{Fault, Matching};
use uuid::Uuid;

use crate::browser::{Browser, ENTER, TAB};
use crate::check::{check_page, check_state, check_view};
use crate::site::Site;
use crate::support::{KEY, key_of};
use crate::view::{LAPTOP, PHONE, View};

const FOUND: Uuid = Uuid::from_u128(0x3f0e_1c52_9b1d_4a83_8a3b_0d6c_1f4e_7a21);
const ABSENT: Uuid = Uuid::from_u128(0x0c5b_7c1e_77aa_4f0e_9a61_51f4_c0ff_ee00);

/// A site with what [`PASTED`] needs for a row of every state.
async fn site_with_every_state() -> Site {
    let site = Site::start(&[("nebuly.retries", "0")]).await;
    site.stand_in.add_interaction(KEY, FOUND);
    site.stand_in.add_conversation(KEY, "orders/2026-11-20#4711");
    site.stand_in.set_fault_for(Matching::id("failing"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    site
}

fn pasted() -> String {
    format!(
        "09:12:03 INFO answered {FOUND}\nERROR lost {ABSENT}\norders/2026-11-20#4711\nfailing\norders/../4711\n"
    )
}

async fn paste(browser: &Browser, site: &Site, text: &str) {
    browser.open(&site.page("/")).await;
    browser.fill_in("textarea", text).await;
    browser.follow("form", "Get links").await;
}

#[tokio::test]
async fn the_start_page_can_be_used_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    check_page(&browser, "start", &site.page("/")).await;
    assert_eq!(browser.title().await, "Links to Nebuly · nebulink");
}

#[tokio::test]
async fn the_results_of_a_paste_can_be_used_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    check_state(&browser, "results", async || paste(&browser, &site, &pasted()).await).await;
    assert_eq!(browser.text_of("h1").await, "2 of 5 found");
    let found = site.stand_in.url_of(KEY, FOUND);
    browser.click_on(".rows li:first-child", "Open").await;
    assert_eq!(browser.url_of_new_tab().await, found);
    // The results are still there, and going back asks nothing.
    assert_eq!(browser.text_of("h1").await, "2 of 5 found");
    browser.back().await;
    assert!(browser.shows("textarea").await);
}

#[tokio::test]
async fn results_that_found_no_token_say_so_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("limits.cold_per_second", "1"), ("limits.cold_burst", "1")]).await;
    let pasted = Cell::new(0);
    check_state(&browser, "results-not-asked", async || {
        pasted.set(pasted.get() + 1);
        let ids: Vec<_> = (0..3).map(|id| format!("chat-{}-{id}", pasted.get())).collect();
        paste(&browser, &site, &ids.join("\n")).await;
    })
    .await;
    let text = browser.text_of("main").await;
    assert!(text.contains("Not asked. Your limit for new links is used up; free in"), "{text}");
}

#[tokio::test]
async fn what_is_pasted_is_in_no_address() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    paste(&browser, &site, &pasted()).await;
    assert_eq!(browser.url().await, site.page("/"));
    assert!(browser.requests().await.iter().all(|request| !request.url.contains("4711")));
}

#[tokio::test]
async fn input_without_an_id_gets_a_clear_word() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    for (name, text, heading) in [
        ("start-nothing-pasted", "", "Nothing pasted"),
        ("start-no-id", "nothing to see here\nnor here", "No id in this text"),
    ] {
        check_state(&browser, name, async || paste(&browser, &site, text).await).await;
        assert_eq!(browser.text_of("h1").await, heading);
        assert_eq!(
            browser.element("textarea").await.attr("aria-invalid").await.unwrap().as_deref(),
            Some("true")
        );
        assert_eq!(browser.value_of("textarea").await, text);
    }
}

#[tokio::test]
async fn a_book_gets_a_page_of_ours_and_no_broken_connection() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    browser.look_through(PHONE).await;
    browser.open(&site.page("/")).await;
    let fill = "document.querySelector('textarea').value = 'a line of a book\\n'.repeat(2 ** 17)";
    browser.evaluate(fill, &[]).await;
    browser.follow("form", "Get links").await;
    check_view(&browser, "start-too-much", PHONE).await;
    assert_eq!(browser.text_of("h1").await, "Too much text");
}

#[tokio::test]
async fn links_are_pasted_and_copied_with_the_keys_and_the_mouse() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    browser.look_through(LAPTOP).await;
    browser.open(&site.page("/kit")).await;
    // From another page's text to the field, by way of the clipboard.
    browser.clipboard().await;
    browser.evaluate("return navigator.clipboard.writeText(arguments[0])", &[pasted().into()]).await;
    browser.open(&site.page("/")).await;
    browser.press_with_control("v").await;
    assert_eq!(browser.value_of("textarea").await, pasted());
    browser.press_with_control(ENTER).await;
    browser.eventually("return document.querySelector('.rows') != null").await;

    browser.click_on(".rows li:first-child", "Copy").await;
    let long = browser.clipboard().await;
    assert_eq!(long, site.page(&format!("/go/interaction?id={FOUND}")));
    browser.eventually("return document.querySelector('[role=status]').textContent === 'Link copied'").await;
    browser.click_on(".rows li:first-child", "Copy short").await;
    let short = browser.clipboard().await;
    assert!(short.starts_with(&site.page("/i/")) && short.len() < long.len(), "{short}");
    for link in [long, short] {
        browser.open(&link).await;
        assert_eq!(browser.url().await, site.stand_in.url_of(KEY, FOUND));
    }
}

#[tokio::test]
async fn all_links_are_copied_at_once_one_a_line() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    paste(&browser, &site, &pasted()).await;
    browser.click_on("main", "Copy 2 links").await;
    let copied = browser.clipboard().await;
    let lines: Vec<_> = copied.lines().collect();
    assert_eq!(lines.len(), 2, "{copied}");
    for (line, id) in lines.iter().zip([FOUND.to_string().as_str(), "orders/2026-11-20#4711"]) {
        let (copied_id, url) = line.split_once('\t').unwrap();
        assert_eq!(copied_id, id);
        browser.open(url).await;
        assert!(browser.url().await.starts_with(&site.stand_in.platform_url()));
    }
}

#[tokio::test]
async fn copying_works_or_says_so_where_browsers_have_no_clipboard() {
    let Some(browser) = Browser::start_with(&["host-resolver-rules=MAP go.test 127.0.0.1"]).await else {
        return;
    };
    let site = site_with_every_state().await;
    browser.look_through(LAPTOP).await;
    browser.open(&format!("http://go.test:{}/", site.address().port())).await;
    assert_eq!(browser.evaluate("return isSecureContext", &[]).await, false);
    browser.fill_in("textarea", &FOUND.to_string()).await;
    browser.follow("form", "Get links").await;
    browser.click_on(".rows", "Copy").await;
    browser.eventually("return document.querySelector('[role=status]').textContent === 'Link copied'").await;
    browser.fill_in("textarea", "").await;
    browser.press_with_control("a").await;
    browser.press_with_control("v").await;
    let expected = format!("http://go.test:{}/go/interaction?id={FOUND}", site.address().port());
    assert_eq!(browser.value_of("textarea").await, expected);
}

#[tokio::test]
async fn without_scripts_links_are_had_and_nothing_is_dead() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    browser.look_through(View { runs_scripts: false, ..PHONE }).await;
    browser.open(&site.page("/")).await;
    // The field has the focus, and so has the heading of the results.
    browser.command("Input.insertText", serde_json::json!({"text": pasted()})).await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.eventually("return document.querySelector('.rows') != null").await;
    assert_eq!(browser.text_of(":focus").await, "2 of 5 found");
    assert!(!browser.shows(".copy").await);
    for (row, item) in [(1, FOUND.into()), (3, nebulink::demo::StandInItem::from("orders/2026-11-20#4711"))] {
        browser.click_on(&format!(".rows li:nth-child({row})"), "Open").await;
        assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(KEY, item));
    }
}

#[tokio::test]
async fn with_several_projects_the_project_is_chosen_before_or_after() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::with_two_projects("42").await;
    check_page(&browser, "start-projects", &site.page("/")).await;
    check_state(&browser, "results-ambiguous", async || paste(&browser, &site, "42").await).await;
    browser.click_on(".rows", "project-1").await;
    assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(&key_of(1), "42"));

    browser.open(&site.page("/")).await;
    browser.fill_in("textarea", "42").await;
    browser.element("select").await.send_keys("project-0").await.unwrap();
    browser.follow("form", "Get links").await;
    browser.click_on(".rows", "Open").await;
    assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(&key_of(0), "42"));
}

#[tokio::test]
async fn of_a_long_list_the_first_hundred_ids_become_links() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    let ids: Vec<_> = (0..240).map(|number| format!("chat-{number}")).collect();
    for id in &ids[..50] {
        site.stand_in.add_conversation(KEY, id);
    }
    browser.look_through(PHONE).await;
    paste(&browser, &site, &ids.join("\n")).await;
    assert_eq!(browser.text_of("h1").await, "50 of 100 found");
    let notice = browser.text_of("main .notice").await;
    assert_eq!(notice, "This text has 240 ids; the first 100 were looked up.");
    check_view(&browser, "results-hundred", PHONE).await;
    browser.click_on(".rows li:nth-child(50)", "Open").await;
    assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(KEY, "chat-49"));
    browser.click_on(".rows li:nth-child(100)", "Copy").await;
    assert_eq!(browser.clipboard().await, site.page("/go?id=chat-99"));
}

#[tokio::test]
async fn what_failed_is_tried_again_with_one_click() {
    let Some(browser) = Browser::start().await else { return };
    let site = site_with_every_state().await;
    site.stand_in.add_conversation(KEY, "failing");
    paste(&browser, &site, &pasted()).await;
    site.stand_in.clear_faults();
    browser.follow("main", "Try the failed one again").await;
    assert!(!browser.text_of("main").await.contains("could not be asked"));
    assert!(browser.shows(".rows li:nth-child(3)").await, "the others are still there");
    browser.click_on(".rows li:has(a.id[href*='id=failing'])", "Open").await;
    assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(KEY, "failing"));
}
