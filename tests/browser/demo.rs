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

#[tokio::test]
async fn links_and_buttons_of_the_page_of_errors_lead_to_the_pages_of_errors() {
    let Some(browser) = Browser::start().await else { return };
    let demo = RunningDemo::start(&[]);
    for (label, heading) in [
        ("The key is refused", "Nebuly refuses our key"),
        ("Another method", "This method is not allowed here"),
        ("Two projects know it", "Which project?"),
        ("A placeholder that was not filled in", "The tool did not fill in the id"),
    ] {
        browser.open(demo.links().last().unwrap()).await;
        browser.follow("td", label).await;
        assert_eq!(browser.text_of("h1").await, heading, "{label}");
    }
}
