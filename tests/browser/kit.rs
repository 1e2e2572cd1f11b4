//! The templates for other tools, and the test of an address that a tool made.

use crate::browser::Browser;
use crate::check::{check_page, check_state};
use crate::site::Site;
use crate::support::KEY;
use crate::view::{PHONE, View};

async fn test(browser: &Browser, site: &Site, address: &str) {
    browser.open(&site.page("/kit")).await;
    browser.fill_in("#address", address).await;
    browser.follow("#test", "Test").await;
}

#[tokio::test]
async fn the_templates_can_be_used_in_every_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("lookup.tags", "ticket")]).await;
    check_page(&browser, "kit", &site.page("/kit")).await;
    browser.follow("main", "Interaction ids").await;
    assert!(browser.text_of("main").await.contains(&site.page("/go/interaction?id=")));
    check_page(&browser, "kit-interactions", &browser.url().await).await;
}

#[tokio::test]
async fn a_newcomer_with_a_phone_finds_a_template_and_copies_it() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    browser.look_through(PHONE).await;
    browser.open(&site.page("/kit")).await;
    browser.click_on(".tools", "Superset").await;
    browser.click_on("section:target", "Copy").await;
    let template = browser.clipboard().await;
    let expected = format!(
        "CONCAT('<a href=\"{}', conversation_id, '\" target=\"_blank\">open</a>')",
        site.page("/go/conversation?id=")
    );
    assert_eq!(template, expected);
    browser
        .eventually("return document.querySelector('[role=status]').textContent === 'Template copied'")
        .await;
}

#[tokio::test]
async fn every_template_is_copied_as_it_is_shown() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("lookup.tags", "ticket")]).await;
    browser.open(&site.page("/kit")).await;
    let templates =
        browser.evaluate("return document.querySelectorAll('.tpl').length", &[]).await.as_u64().unwrap();
    assert!(templates >= 17, "{templates}");
    browser.clipboard().await;
    let script = "
        const wrong = [];
        for (const template of document.querySelectorAll('.tpl')) {
            template.querySelector('.copy').click();
            const shown = template.querySelector('code').innerText;
            const copied = await navigator.clipboard.readText();
            if (copied !== shown) wrong.push([shown, copied]);
        }
        return wrong";
    let wrong = browser.evaluate(&format!("return (async () => {{ {script} }})()"), &[]).await;
    assert_eq!(wrong, serde_json::json!([]));
}

#[tokio::test]
async fn the_test_of_an_address_says_what_is_wrong_with_it() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "orders/4711");
    for (address, verdict) in [
        ("/go/conversation?id=orders%2F4711", "Right."),
        ("/go/conversation?id=orders%252F4711", "Works, but encoded twice."),
        ("/go/conversation?id=orders/#4711", "Cut at #."),
        ("/go/conversation?id={{ticket.ticket_field_505156}}", "Placeholder not filled in."),
        ("/go/conversation?id=nobody-knows-it", "Read, but not in Nebuly."),
        ("/go/conversation?id=", "Empty."),
    ] {
        test(&browser, &site, &site.page(address)).await;
        let notice = browser.text_of("#test .notice").await;
        assert!(notice.starts_with(verdict), "{address}: {notice}");
        assert_eq!(browser.value_of("#address").await, site.page(address));
    }
    let address = site.page("/go/conversation?id=orders%252F4711");
    check_state(&browser, "kit-encoded-twice", async || test(&browser, &site, &address).await).await;
    test(&browser, &site, "https://elsewhere.example/go/conversation?id=abc").await;
    let notice = browser.text_of("#test .notice").await;
    assert!(notice.starts_with("Not an address of this installation."), "{notice}");
}

#[tokio::test]
async fn without_scripts_an_address_is_tested_and_its_verdict_is_in_view() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    site.stand_in.add_conversation(KEY, "orders/4711");
    browser.look_through(View { runs_scripts: false, ..PHONE }).await;
    test(&browser, &site, &site.page("/go/conversation?id=orders%2F4711")).await;
    assert!(browser.text_of("#test .notice").await.starts_with("Right."));
    assert!(!browser.shows(".copy").await);
    let is_in_view = "const box = document.querySelector('#test .notice').getBoundingClientRect();
        return document.activeElement.id === 'test' && box.top >= 0 && box.bottom <= innerHeight";
    assert_eq!(browser.evaluate(is_in_view, &[]).await, true);
}

#[tokio::test]
async fn with_several_projects_the_templates_name_the_chosen_one() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::with_two_projects("42").await;
    check_page(&browser, "kit-projects", &site.page("/kit")).await;
    browser.element("select").await.send_keys("project-1").await.unwrap();
    browser.follow("main", "Apply").await;
    let templates = browser.text_of(".kit").await;
    assert!(
        templates.contains("project=project-1") && !templates.contains("project=project-0"),
        "{templates}"
    );
}
