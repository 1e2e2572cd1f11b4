//! `nebulink demo`, as somebody tries it who has just installed it.

use std::io::{BufRead as _, BufReader};

use crate::browser::Browser;
use crate::check::{check_page, check_state};
use crate::support::process::{Running, binary};
use crate::view::PHONE;

/// A running demo, and the address in its first line.
fn start() -> (Running, String) {
    let mut command = binary();
    command.args(["demo", "--set", "server.listen=127.0.0.1:0"]);
    let mut demo = Running(command.spawn().unwrap());
    let mut out = BufReader::new(demo.0.stdout.take().unwrap());
    let mut first_line = String::new();
    out.read_line(&mut first_line).unwrap();
    // The rest is read, too, so that a full pipe holds nothing up.
    std::thread::spawn(move || drop(std::io::copy(&mut out, &mut std::io::sink())));
    (demo, first_line.trim_end().to_owned())
}

#[tokio::test]
async fn the_demo_shows_a_link_of_every_state_in_one_press() {
    let Some(browser) = Browser::start().await else { return };
    let (_demo, url) = start();
    browser.look_through(PHONE).await;
    check_state(&browser, "demo-results", async || {
        browser.open(&url).await;
        browser.follow("form", "Get links").await;
    })
    .await;
    let text = browser.text_of("main").await;
    for state in ["Open", "Not in Nebuly yet.", "In 2 projects.", "The id may be fine.", "Has a part . or .."]
    {
        assert!(text.contains(state), "{state}: {text}");
    }
    check_page(&browser, "demo-start", &url).await;
}
