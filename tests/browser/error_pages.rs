//! Pages of errors, each from its real cause.

use std::cell::Cell;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use nebulink::demo::{Fault, Interaction};
use uuid::Uuid;

use crate::browser::Browser;
use crate::check::{check_page, check_state, check_view};
use crate::site::Site;
use crate::support::{KEY, Nebulink, eventually, key_of, settings_with, stand_in_with};
use crate::view::{PHONE, View};

/// More than the time for which an absent item is known to be absent.
const NEGATIVE_TTL: Duration = Duration::from_secs(16);

/// One call for each page, which ends soon.
const SHORT: [(&str, &str); 3] =
    [("nebuly.retries", "0"), ("nebuly.attempt_timeout", "200ms"), ("nebuly.deadline", "200ms")];

#[tokio::test]
async fn pages_of_wrong_links_can_be_read_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site =
        Site::start(&[("server.contact", "mailto:nebuly-help@example.com"), ("lookup.tags", "ticket")]).await;
    let link_for_an_id = format!("/go?id={}", site.page("/go/tag/ticket?value=4711"));
    for (name, path, heading) in [
        ("error-no-such-page", "/nowhere", "There is no such page"),
        ("error-invalid-id", "/go/interaction?id=4711%00%3Cb%3E", "This is not an interaction's id"),
        (
            "error-placeholder",
            "/go/conversation?id=%7B%7Bticket.ticket_field_505156%7D%7D",
            "The tool did not fill in the id",
        ),
        ("error-no-id", "/go/conversation", "This address is not valid"),
        ("error-empty-id", "/go/conversation?id=", "This link has no id"),
        ("error-link-for-an-id", &link_for_an_id, "This is a link, not an id"),
        ("error-no-such-project", "/go/conversation?id=abc&project=nobody", "There is no such project"),
        ("error-not-in-nebuly", "/go/conversation?id=unknown", "Not in Nebuly yet"),
        ("error-no-such-tag", "/go/tag/colour?value=red", "There is no such tag"),
        ("error-invalid-value", "/go/tag/ticket?value=47%0011", "This is not the value of a tag"),
        ("error-tag-not-in-nebuly", "/go/tag/ticket?value=4711", "Not in Nebuly yet"),
        ("error-tag-of-the-past", "/go/tag/ticket?value=4711&at=2026-11-20T10:00:00Z", "Not in Nebuly"),
    ] {
        check_page(&browser, name, &site.page(path)).await;
        assert_eq!(browser.text_of("h1").await, heading, "{name}");
    }
}

#[tokio::test]
async fn pages_of_failures_can_be_read_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let status = |code: StatusCode| Fault::status(code);
    for (name, fault, heading, can_be_tried_again) in [
        ("error-unavailable", status(StatusCode::INTERNAL_SERVER_ERROR), "Nebuly cannot answer now", true),
        ("error-bad-answer", Fault::Garbage, "Nebuly's answer cannot be used", false),
        ("error-timeout", Fault::Hang, "Nebuly takes too long", true),
        ("error-busy", Fault::throttled(HeaderValue::from_static("17")), "Nebuly is busy", true),
        ("error-key-rejected", status(StatusCode::UNAUTHORIZED), "Nebuly refuses our key", false),
    ] {
        let site = Site::start(&SHORT).await;
        site.stand_in.set_fault(Some(fault));
        check_page(&browser, name, &site.page("/go/conversation?id=abc")).await;
        assert_eq!(browser.text_of("h1").await, heading, "{name}");
        assert_eq!(browser.shows("main a.btn.primary").await, can_be_tried_again, "{name}");
    }
}

#[tokio::test]
async fn the_page_of_a_defect_can_be_read_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.nebulink.clock.set_broken(true);
    check_page(&browser, "error-defect", &site.page("/go/conversation?id=abc")).await;
    assert_eq!(browser.text_of("h1").await, "A defect of ours");
    site.nebulink.clock.set_broken(false);
    site.stand_in.add_conversation(KEY, "abc");
    browser.follow("main", "Try again").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, "abc"));
}

#[tokio::test]
async fn pages_of_wrong_forms_can_be_read_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    for (name, page, distortion, heading) in [
        ("error-method", "/", "document.forms[0].action = '/c/abc'", "This method is not allowed here"),
        ("error-no-form", "/", "document.forms[0].enctype = 'text/plain'", "This form cannot be read"),
        (
            "error-too-much-text",
            "/kit",
            "document.querySelector('#address').value = 'x'.repeat(2 ** 20)",
            "This is too much text",
        ),
    ] {
        check_state(&browser, name, async || {
            browser.open(&site.page(page)).await;
            browser.evaluate(distortion, &[]).await;
            browser.follow("form", if page == "/" { "Get links" } else { "Test" }).await;
        })
        .await;
        assert_eq!(browser.text_of("h1").await, heading, "{name}");
    }
    assert_eq!(site.stand_in.call_count(), 0);
}

#[tokio::test]
async fn who_has_too_many_lookups_running_is_told_to_send_the_next_one_later() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.set_fault(Some(Fault::Hold));
    browser.look_through(PHONE).await;
    let refused = async {
        eventually(async || site.stand_in.in_flight() == 2).await;
        for (name, page, field, button, heading) in [
            ("error-no-place", "/kit", "#address", "Test", "Too many batches at once"),
            ("start-no-place", "/", "textarea", "Get links", "Too many texts at once"),
        ] {
            browser.open(&site.page(page)).await;
            browser.fill_in(field, &site.page("/c/three")).await;
            browser.follow("form", button).await;
            check_view(&browser, name, PHONE).await;
            assert_eq!(browser.text_of("h1").await, heading);
        }
        // What was pasted is still there.
        assert_eq!(browser.value_of("textarea").await, site.page("/c/three"));
        site.stand_in.release_held();
    };
    let first = site.nebulink.post("/", &[("ids", "one")], &[]);
    let second = site.nebulink.post("/", &[("ids", "two")], &[]);
    tokio::join!(first, second, refused);
}

#[tokio::test]
async fn trying_again_opens_the_link_as_soon_as_nebuly_has_recovered() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("nebuly.retries", "0")]).await;
    site.stand_in.add_conversation(KEY, "a/b c");
    site.stand_in.set_fault(Some(Fault::status(StatusCode::INTERNAL_SERVER_ERROR)));
    browser.open(&site.page("/go/conversation?id=a/b%20c")).await;
    site.stand_in.set_fault(None);
    browser.follow("main", "Try again").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, "a/b c"));
}

#[tokio::test]
async fn the_page_of_a_missing_item_opens_the_item_as_soon_as_it_is_there_without_a_script() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    browser.look_through(View { runs_scripts: false, ..PHONE }).await;
    browser.open(&site.page("/go/conversation?id=late")).await;
    assert!(browser.text_of("main").await.contains("Looking again in 5 seconds (1 of 12)."));
    site.stand_in.add_conversation(KEY, "late");
    site.nebulink.clock.advance(NEGATIVE_TTL);
    let target = site.stand_in.url_of(KEY, "late");
    eventually(async || browser.url().await == target).await;
}

#[tokio::test]
async fn a_person_can_stop_the_page_that_looks_again_and_then_look_by_hand() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    check_state(&browser, "error-stopped-looking", async || {
        browser.open(&site.page("/go/conversation?id=late")).await;
        browser.follow("main", "Stop looking").await;
    })
    .await;
    assert!(browser.text_of("main").await.contains("Stopped looking."));
    site.stand_in.add_conversation(KEY, "late");
    site.nebulink.clock.advance(NEGATIVE_TTL);
    browser.follow("main", "Look again").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(KEY, "late"));
}

#[tokio::test]
async fn the_choice_between_projects_can_be_hit_with_a_thumb_and_leads_to_the_chosen_one() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::with_two_projects("42").await;
    check_page(&browser, "error-ambiguous", &site.page("/go/conversation?id=42")).await;
    assert_eq!(browser.text_of("h1").await, "Which project?");
    browser.follow(".choices li:nth-child(2)", "project-1 resolved just now").await;
    assert_eq!(browser.url().await, site.stand_in.url_of(&key_of(1), "42"));
}

#[tokio::test]
async fn the_choice_between_projects_that_have_a_tag_can_be_hit_with_a_thumb() {
    let Some(browser) = Browser::start().await else { return };
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        let timestamp = jiff::Timestamp::from_second(1_799_990_000).unwrap();
        let tags = [("ticket".to_owned(), "4711".to_owned())].into();
        let id = Uuid::from_u128(project + 1);
        let key = key_of(project.try_into().unwrap());
        stand_in.add(&key, Interaction { timestamp, tags, ..Interaction::new(id) });
    }
    let settings = settings_with(&stand_in, 2, &[("lookup.tags", "ticket")]);
    let nebulink = Nebulink::start_with(&settings).await;
    let url = format!("http://{}/go/tag/ticket?value=4711", nebulink.address);
    check_page(&browser, "error-ambiguous-tag", &url).await;
    assert_eq!(browser.text_of("h1").await, "Which project?");
    browser.follow(".choices li:nth-child(2)", "project-1 resolved just now").await;
    assert_eq!(browser.url().await, stand_in.url_of(&key_of(1), Uuid::from_u128(2)));
}

#[tokio::test]
async fn a_caller_without_a_token_left_is_told_how_long_to_wait() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("limits.cold_per_second", "1"), ("limits.cold_burst", "1")]).await;
    let asked = Cell::new(0);
    check_state(&browser, "error-too-many", async || {
        asked.set(asked.get() + 1);
        site.nebulink.get(&format!("/c/{}", asked.get())).await;
        browser.open(&site.page("/go/conversation?id=another")).await;
    })
    .await;
    assert_eq!(browser.text_of("h1").await, "Too many new links");
    assert!(browser.text_of("main").await.contains("Wait 1 s."));
}

#[tokio::test]
async fn who_has_not_signed_in_is_told_to() {
    let Some(browser) = Browser::start().await else { return };
    let identity =
        [("access.identity_header", "x-auth-request-email"), ("server.trusted_proxies", "127.0.0.1")];
    let site = Site::start(&identity).await;
    check_page(&browser, "error-sign-in", &site.page("/")).await;
    assert_eq!(browser.text_of("h1").await, "Please sign in");
}

#[tokio::test]
async fn a_form_on_another_site_gets_nothing_but_a_page_that_says_so() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "abc");
    let form =
        "data:text/html,<form method=post><textarea name=ids>abc</textarea><button>Send</button></form>";
    check_state(&browser, "error-cross-site", async || {
        browser.open(form).await;
        browser.evaluate("document.forms[0].action = arguments[0]", &[site.page("/").into()]).await;
        browser.follow("form", "Send").await;
        // Those of the other site are none of ours.
        browser.requests().await;
        browser.console_messages().await;
    })
    .await;
    assert_eq!(browser.text_of("h1").await, "Another site sent this form");
    assert_eq!(site.stand_in.call_count(), 0);
}
