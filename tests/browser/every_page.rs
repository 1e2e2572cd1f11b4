//! Promises about all pages of an installation, whatever they are for.

use nebulink::demo::{Interaction, StandIn};
use serde_json::json;
use uuid::Uuid;

use crate::browser::Browser;
use crate::check::check_view;
use crate::site::Site;
use crate::support::{KEY, Nebulink, settings, stand_in};
use crate::view::{LAPTOP, PHONE, Scheme, View};

const FOUND: Uuid = Uuid::from_u128(0x3f0e_1c52_9b1d_4a83_8a3b_0d6c_1f4e_7a21);

#[tokio::test]
async fn below_a_base_path_pages_name_no_address_above_it() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[("server.base_path", "/links")]).await;
    site.stand_in.add_conversation(KEY, "abc");
    for path in [
        "/links/",
        "/links/kit",
        "/links/c/abc?noredirect",
        "/links/c/unknown",
        "/links/i/wrong",
        "/links/nowhere",
    ] {
        browser.open(&site.page(path)).await;
        let script = "const all = [...document.querySelectorAll(':is(a, link, form)')]
                .map(element => new URL(element.href ?? element.action));
            return all.filter(url => url.origin === location.origin && !url.pathname.startsWith('/links/')).map(String)";
        assert_eq!(browser.evaluate(script, &[]).await, json!([]), "{path}");
        browser
            .requests()
            .await
            .iter()
            .for_each(|request| assert!(request.url.starts_with(&site.page("/links/")), "{request:?}"));
    }
    browser.open(&site.page("/links/")).await;
    browser.fill_in("textarea", "abc").await;
    browser.follow("form", "Get links").await;
    assert_eq!(browser.text_of("h1").await, "Your link");
}

/// A site whose addresses are those of the documentation.
async fn public_site() -> (StandIn, Nebulink) {
    let stand_in = stand_in().await;
    stand_in.set_platform_url("https://v2.platform.eu.nebuly.com");
    let public = [
        ("server.public_url", "https://go.example.com"),
        ("server.contact", "mailto:nebuly-help@example.com"),
        ("preview.details", "true"),
    ];
    let nebulink = Nebulink::start_with(&settings(&stand_in, &public)).await;
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let timestamp = now.checked_sub(jiff::SignedDuration::from_mins(48)).unwrap();
    stand_in.add(KEY, Interaction { timestamp, ..Interaction::new(FOUND) });
    stand_in.add_conversation(KEY, "orders/2026-11-20#4711");
    (stand_in, nebulink)
}

#[tokio::test]
async fn with_a_public_address_pages_name_no_other() {
    let Some(browser) = Browser::start().await else { return };
    let (_stand_in, nebulink) = public_site().await;
    let page = |path: &str| format!("http://{}{path}", nebulink.address);
    let pasted = format!(
        "09:12:03 INFO answered interaction={FOUND} latency=1.7s\norders/2026-11-20#4711\n\
         09:15:31 ERROR lost interaction=0c5b7c1e-77aa-4f0e-9a61-51f4c0ffee00\n"
    );
    for view in [LAPTOP, View { scheme: Scheme::Dark, ..PHONE }] {
        browser.look_through(view).await;
        for (name, path) in
            [("public-start", "/"), ("public-kit", "/kit"), ("public-results", "/"), ("public-link", "/i/")]
        {
            match name {
                "public-link" => browser.open(&page(&format!("/go/interaction?id={FOUND}&noredirect"))).await,
                _ => browser.open(&page(path)).await,
            }
            if name == "public-results" {
                browser.fill_in("textarea", &pasted).await;
                browser.follow("form", "Get links").await;
            }
            check_view(&browser, name, view).await;
            let shown = "return document.documentElement.outerHTML.includes('127.0.0.1')";
            assert_eq!(browser.evaluate(shown, &[]).await, false, "{name}");
        }
    }
}

#[tokio::test]
async fn nothing_moves_for_people_who_ask_for_that() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    let reduced = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.command("Emulation.setEmulatedMedia", reduced).await;
    for path in ["/", "/kit", "/nowhere"] {
        browser.open(&site.page(path)).await;
        let script = "return [...document.querySelectorAll('*')].map(element => getComputedStyle(element))
            .filter(style => style.transitionDuration !== '0s' || style.animationName !== 'none').length";
        assert_eq!(browser.evaluate(script, &[]).await, 0, "{path}");
    }
}

#[tokio::test]
async fn with_the_colours_of_the_system_the_chosen_links_can_be_told_from_the_others() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::start(&[]).await;
    let forced = json!({"features": [{"name": "forced-colors", "value": "active"}]});
    browser.command("Emulation.setEmulatedMedia", forced).await;
    browser.open(&site.page("/kit")).await;
    let script = "return [...document.querySelectorAll('.top nav a, .seg a')]
        .filter(link => getComputedStyle(link).textDecorationLine === 'underline').map(link => link.textContent)";
    assert_eq!(browser.evaluate(script, &[]).await, json!(["Templates", "Conversation ids"]));
}
