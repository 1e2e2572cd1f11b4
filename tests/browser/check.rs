//! Properties of every page.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use crate::accessibility;
use crate::browser::{Browser, BrowserRequest};
use crate::view::{PHONE, VIEWS, View, is_phone};

/// The narrowest window that pages are made for, in CSS pixels.
const NARROWEST: u32 = 320;

/// The most bytes that a page without results may have.
const MAX_PAGE_BYTES: u64 = 30_000;

/// Opens an address in every view, and checks what must hold of every page. `name` is that of its pictures.
pub(crate) async fn check_page(browser: &Browser, name: &str, url: &str) {
    check_state(browser, name, async || browser.open(url).await).await;
    browser.open(url).await;
    let favicon = Url::parse(url).unwrap().join("/favicon.svg").unwrap().to_string();
    let mut requests = browser.requests().await;
    requests.retain(|request| request.url != favicon);
    assert_eq!(requests, [BrowserRequest { url: url.to_owned(), is_page: true }]);
    let bytes = "return performance.getEntriesByType('navigation')[0].decodedBodySize";
    let bytes = browser.evaluate(bytes, &[]).await.as_u64().unwrap();
    assert!(bytes < MAX_PAGE_BYTES, "{name} has {bytes} bytes");
}

/// Shows a state of a page in every view, and checks what must hold of every page. `show` begins with [`Browser::open`].
pub(crate) async fn check_state(browser: &Browser, name: &str, show: impl AsyncFn()) {
    for view in VIEWS {
        browser.look_through(view).await;
        show().await;
        check_view(browser, name, view).await;
    }
    for view in [View { width: NARROWEST, ..PHONE }, View { text_size: 200, ..PHONE }] {
        browser.look_through(view).await;
        show().await;
        take_picture(browser, name, view).await;
        check_width(browser, name, view).await;
    }
    browser.look_through(PHONE).await;
}

/// Checks what must hold of every page, in the page that is open and the view that it is looked at in.
pub(crate) async fn check_view(browser: &Browser, name: &str, view: View) {
    let findings = accessibility::findings(browser).await;
    assert!(findings.is_empty(), "{name} in {view:?}:\n{}", findings.join("\n"));
    check_width(browser, name, view).await;
    check_targets(browser, name, view).await;
    check_silence(browser, name).await;
    take_picture(browser, name, view).await;
}

/// Fails if the page can be scrolled sideways. On a phone, such a page is made smaller until it fits.
async fn check_width(browser: &Browser, name: &str, view: View) {
    let script = "const inner = [...document.querySelectorAll('body *')]
            .filter(element => element.getBoundingClientRect().right > arguments[0] + 1);
        return [innerWidth, document.documentElement.scrollWidth,
            inner.map(element => element.outerHTML.slice(0, 120)).join('\\n')]";
    let result = browser.evaluate(script, &[json!(view.width)]).await;
    let is_too_wide = (0..2).any(|index| result[index].as_u64().unwrap() > view.width.into());
    assert!(!is_too_wide, "{name} in {view:?} is {} wide:\n{}", result[1], result[2].as_str().unwrap());
}

/// Fails if something to click on is hard to hit with a finger or a mouse, or if a field makes a phone zoom in. Links within
/// a sentence are as high as its line.
async fn check_targets(browser: &Browser, name: &str, view: View) {
    let script = "
        const isPhone = arguments[0], tooSmall = [];
        for (const element of document.querySelectorAll(':is(a, button, input, select, textarea)')) {
            const style = getComputedStyle(element);
            if (!element.checkVisibility() || style.display === 'inline') continue;
            const { width, height } = element.getBoundingClientRect();
            const isButton = element.matches(isPhone ? '.btn, .choices a, .tools a' : '.btn.primary, .choices a');
            const isField = element.matches('input, select, textarea');
            if (width < 24 || height < (isButton ? 44 : 24) || isPhone && isField && parseFloat(style.fontSize) < 16)
                tooSmall.push(`${width} x ${height}, ${style.fontSize}: ${element.outerHTML.slice(0, 150)}`);
        }
        return tooSmall.join('\\n')";
    let too_small = browser.evaluate(script, &[json!(is_phone(view.width))]).await;
    assert_eq!(too_small, json!(""), "{name} in {view:?}:\n{}", too_small.as_str().unwrap());
}

/// Fails if the console has a message since the page was opened, other than that a page is an error or that a click came
/// before the focus was set, or if anything was requested from another host.
async fn check_silence(browser: &Browser, name: &str) {
    let mut requests = browser.requests().await;
    let mut messages = browser.console_messages().await;
    messages.retain(|message| {
        // The message has the fragment too, and the request does not.
        let failed = message.split_once(" - Failed to load resource: the server responded");
        let failed = failed.and_then(|(url, _)| url.split('#').next());
        // On a slow machine the driver clicks before the browser sets the focus.
        let is_late_focus = message
            .ends_with("Autofocus processing was blocked because a document already has a focused element.");
        !is_late_focus && !requests.iter().any(|request| request.is_page && failed == Some(&*request.url))
    });
    assert!(messages.is_empty(), "{name}: {messages:?}");
    let origin = Url::parse(&browser.url().await).unwrap().origin();
    requests.retain(|request| Url::parse(&request.url).unwrap().origin() != origin);
    assert!(requests.is_empty(), "{name}: {requests:?}");
}

/// Writes a picture of the whole page into the folder of `NEBULINK_SCREENSHOTS`, if that is set.
async fn take_picture(browser: &Browser, name: &str, view: View) {
    let Some(folder) = std::env::var_os("NEBULINK_SCREENSHOTS").map(PathBuf::from) else { return };
    // A window as high as the page: a picture beyond the window would be one without a finger and with small text.
    let height = browser.evaluate("return document.documentElement.scrollHeight", &[]).await;
    browser.resize(view.width, height.as_u64().unwrap().try_into().unwrap()).await;
    let picture = browser.command("Page.captureScreenshot", json!({})).await;
    browser.resize(view.width, view.height()).await;
    let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let View { width, text_size, .. } = view;
    let file = format!("{name}-{width}-{}-{text_size}.png", view.scheme.name());
    fs::write(folder.join(file), picture).unwrap();
}
