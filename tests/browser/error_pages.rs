//! Pages of errors, each from its real cause.

use http::StatusCode;
use nebulink::demo::Fault;

use crate::browser::Browser;
use crate::check::check_page;
use crate::support::{Nebulink, key_of, settings_with, stand_in, stand_in_with};

#[tokio::test]
async fn every_error_page_can_be_read_at_both_widths_and_in_both_schemes() {
    let Some(browser) = Browser::start().await else { return };
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[("nebuly.retries", "0")]).await;
    let page = |path: &str| format!("http://{}{path}", nebulink.address);
    check_page(&browser, "no-such-page", &page("/nowhere")).await;
    check_page(&browser, "invalid-id", &page("/go/interaction/4711")).await;
    stand_in.set_fault(Some(Fault::status(StatusCode::INTERNAL_SERVER_ERROR)));
    check_page(&browser, "unavailable", &page("/go/conversation/abc")).await;
}

#[tokio::test]
async fn the_choice_between_projects_can_be_read_and_leads_to_the_chosen_one() {
    let Some(browser) = Browser::start().await else { return };
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "42");
    }
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    check_page(&browser, "ambiguous", &format!("http://{}/go/conversation/42", nebulink.address)).await;
    browser.click("main li:nth-child(2) a").await;
    assert_eq!(browser.url().await, stand_in.url_of(&key_of(1), "42"));
}
