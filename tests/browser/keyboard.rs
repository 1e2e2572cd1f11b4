//! The pages without a mouse.

use crate::browser::Browser;
use crate::site::Site;
use crate::support::KEY;
use crate::view::LAPTOP;

/// Presses Tab until the focus is on a link or a button with this label. Fails if the focus is ever invisible.
async fn tab_to(browser: &Browser, label: &str) {
    for _ in 0..40 {
        browser.press("\t").await;
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
    browser.press("\u{e007}").await;
    browser.eventually("return document.querySelector('.rows') != null").await;
    assert_eq!(browser.text_of(":focus").await, "Your link");
    tab_to(&browser, "abc").await;
    browser.press("\u{e007}").await;
    browser.eventually("return document.querySelector('.dest') != null").await;
    tab_to(&browser, "Skip to the content").await;
    browser.press("\u{e007}").await;
    tab_to(&browser, "Open in Nebuly").await;
    browser.press("\u{e007}").await;
    let target = site.stand_in.url_of(KEY, "abc");
    crate::support::eventually(async || browser.url().await == target).await;
}
