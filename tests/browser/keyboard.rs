//! The pages without a mouse.

use crate::browser::{Browser, ENTER, TAB};
use crate::site::Site;
use crate::support::KEY;
use crate::view::LAPTOP;

/// Presses Tab until the focus is on a link or a button with this label. Fails if the focus is ever invisible.
async fn tab_to(browser: &Browser, label: &str) {
    for _ in 0..40 {
        browser.press(TAB).await;
        let focused = browser.evaluate(
            "const focused = document.activeElement, style = getComputedStyle(focused), box = focused.getBoundingClientRect();
            const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
            const inView = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
            return { label: focused.innerText.trim(), html: focused.outerHTML.slice(0, 150), isVisible: outlined && inView }",
            &[],
        )
        .await;
        assert_eq!(focused["isVisible"], true, "{focused}");
        if focused["label"] == label {
            return;
        }
    }
    panic!("{label} cannot be reached");
}

#[tokio::test]
async fn from_the_start_page_to_an_opened_link_the_keyboard_is_enough_and_the_focus_always_visible() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "abc");
    browser.look_through(LAPTOP).await;
    browser.open(&site.page("/")).await;
    browser.press("abc").await;
    tab_to(&browser, "Get links").await;
    browser.press(ENTER).await;
    browser.eventually("return document.querySelector('.rows') != null").await;
    assert_eq!(browser.text_of(":focus").await, "Your link");
    tab_to(&browser, "Open").await;
    browser.press(ENTER).await;
    assert_eq!(browser.url_of_new_tab().await, site.stand_in.url_of(KEY, "abc"));
}

#[tokio::test]
async fn on_the_page_of_a_link_the_first_key_leads_to_its_content_and_the_focus_is_always_visible() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "abc");
    browser.look_through(LAPTOP).await;
    browser.open(&site.page("/c/abc?noredirect")).await;
    tab_to(&browser, "Skip to the content").await;
    browser.press(ENTER).await;
    // With the next key, nothing of the header has the focus any more.
    browser.press(TAB).await;
    assert_eq!(browser.text_of(":focus").await, "Open in Nebuly");
    let selected = "return getSelection().toString()";
    for field in ["long", "short"] {
        while browser.element(":focus").await.id().await.unwrap().as_deref() != Some(field) {
            browser.press(TAB).await;
        }
        let value = browser.value_of(":focus").await;
        assert_eq!(browser.evaluate(selected, &[]).await, value, "Tab selects all, to be copied");
    }
}
