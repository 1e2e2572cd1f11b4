//! Properties of every page.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use crate::accessibility;
use crate::browser::Browser;
use crate::view::{PHONE, VIEWS, View};

/// The narrowest window that pages are made for, in CSS pixels.
const NARROWEST: u32 = 320;

/// The most bytes that a page without results may have.
const MAX_PAGE_BYTES: usize = 30_000;

/// Opens an address in every view, and checks what must hold of every page. `name` is that of its pictures.
pub(crate) async fn check_page(browser: &Browser, name: &str, url: &str) {
    for view in VIEWS {
        browser.look_through(view).await;
        browser.open(url).await;
        check_opened_page(browser, name, view).await;
        check_requests(browser, url).await;
        let bytes = browser
            .evaluate("return performance.getEntriesByType('navigation')[0].decodedBodySize", &[])
            .await;
        assert!(bytes.as_u64().unwrap() < MAX_PAGE_BYTES as u64, "{name} has {bytes} bytes");
    }
    let narrowest = View { width: NARROWEST, ..PHONE };
    browser.look_through(narrowest).await;
    browser.open(url).await;
    check_width(browser, name, narrowest).await;
}

/// Checks what must hold of the page that is open, however it came about.
pub(crate) async fn check_opened_page(browser: &Browser, name: &str, view: View) {
    let findings = accessibility::findings(browser).await;
    assert!(findings.is_empty(), "{name} in {view:?}:\n{}", findings.join("\n"));
    check_width(browser, name, view).await;
    check_console(browser, name).await;
    take_picture(browser, name, view).await;
}

/// Fails if the page can be scrolled sideways. On a phone, such a page is made smaller until it fits.
pub(crate) async fn check_width(browser: &Browser, name: &str, view: View) {
    let widths = browser.evaluate("return [innerWidth, document.documentElement.scrollWidth]", &[]).await;
    let is_too_wide =
        widths.as_array().unwrap().iter().any(|width| width.as_u64().unwrap() > view.width.into());
    assert!(!is_too_wide, "{name} in {view:?} is {widths} wide: {}", widest_elements(browser, view).await);
}

/// The elements that are wider than the window.
async fn widest_elements(browser: &Browser, view: View) -> String {
    let script = "return [...document.querySelectorAll('body *')]
        .filter(element => element.getBoundingClientRect().right > arguments[0])
        .map(element => element.outerHTML.slice(0, 120)).join('\\n')";
    browser.evaluate(script, &[json!(view.width)]).await.to_string()
}

/// Fails if the console has a message since the page was opened, other than that the page itself is an error.
pub(crate) async fn check_console(browser: &Browser, name: &str) {
    let own =
        format!("{} - Failed to load resource: the server responded with a status of", browser.url().await);
    let mut messages = browser.console_messages().await;
    messages.retain(|message| message.source != "network" || !message.text.starts_with(&own));
    assert!(messages.is_empty(), "{name}: {messages:?}");
}

/// Fails if anything was requested since the page was opened but the page at this address, once, and its favicon.
pub(crate) async fn check_requests(browser: &Browser, url: &str) {
    let favicon = Url::parse(url).unwrap().join("/favicon.svg").unwrap().to_string();
    let mut requested = browser.requested_urls().await;
    requested.retain(|requested| *requested != favicon);
    assert_eq!(requested, [url]);
}

/// Writes a picture of the whole page into the folder of `NEBULINK_SCREENSHOTS`, if that is set.
pub(crate) async fn take_picture(browser: &Browser, name: &str, view: View) {
    let Some(folder) = std::env::var_os("NEBULINK_SCREENSHOTS").map(PathBuf::from) else { return };
    let picture = browser.command("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
    let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}-{}-{}.png", view.width, view.scheme.name())), picture).unwrap();
}
