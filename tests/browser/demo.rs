//! `nebulink demo`, as somebody tries it who has just installed it.

use crate::browser::Browser;
use crate::check::{check_page, check_state};
use crate::support::process::RunningDemo;

#[tokio::test]
async fn the_pages_of_the_demo_can_be_read_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let demo = RunningDemo::start(&[]);
    let errors = demo.links().last().copied().unwrap();
    check_page(&browser, "demo-errors", errors).await;
    let sample = demo.links().into_iter().find(|link| link.contains("id=chat")).unwrap();
    browser.open(sample).await;
    check_page(&browser, "demo-live-activity", &browser.url().await).await;
}

#[tokio::test]
async fn the_demo_shows_a_link_of_every_state_in_one_press() {
    let Some(browser) = Browser::start().await else { return };
    let demo = RunningDemo::start(&[]);
    let start = demo.links()[0];
    check_page(&browser, "demo-start", start).await;
    check_state(&browser, "demo-results", async || {
        browser.open(start).await;
        browser.follow("form", "Get links").await;
    })
    .await;
    let text = browser.text_of("main").await;
    for state in ["Open", "Not in Nebuly yet.", "In 2 projects.", "The id may be fine.", "Has a part . or .."]
    {
        assert!(text.contains(state), "{state}: {text}");
    }
}
