//! The pages of errors, for people.

use axum_test::TestServer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::ACCEPT;
use nebulink::app::App;
use nebulink::demo::{Fault, StandIn};
use sha2::{Digest as _, Sha256};

use crate::errors::{SHORT, server, status};
use crate::support::{KEY, ManualClock, settings, settings_with, stand_in, stand_in_with};

/// The `Accept` of a browser.
pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn server_with(stand_in: &StandIn, further: &[(&str, &str)]) -> TestServer {
    let further: Vec<_> = SHORT.into_iter().chain(further.iter().copied()).collect();
    TestServer::new(App::build(&settings(stand_in, &further)).unwrap().public())
}

/// The hash of each element of this name that a page holds, as a policy names it.
fn hashes(page: &str, name: &str) -> Vec<String> {
    let (opening, closing) = (format!("<{name}>"), format!("</{name}>"));
    let contents = page.split(&opening).skip(1).map(|rest| rest.split(&closing).next().unwrap());
    contents.map(|content| STANDARD.encode(Sha256::digest(content))).collect()
}

#[tokio::test]
async fn a_browser_gets_a_page_that_says_what_happened_and_what_to_do() {
    let stand_in = stand_in().await;
    for (fault, code, heading, button) in [
        (Some(status(401)), 502, "Nebuly refuses our key", None),
        (Some(status(500)), 502, "Nebuly cannot answer now", Some("Try again")),
        (Some(Fault::Garbage), 502, "Nebuly&#39;s answer cannot be used", None),
        (Some(status(429)), 503, "Nebuly is busy", Some("Try again")),
        (Some(Fault::Hang), 504, "Nebuly takes too long", Some("Try again")),
        (None, 404, "Not in Nebuly yet", Some("Look now")),
    ] {
        // One that has not learned of an earlier fault.
        let server = server(&stand_in);
        stand_in.set_fault(fault);
        let answer = server.get("/go/conversation?id=some%20id").add_header(ACCEPT, BROWSER).await;
        answer.assert_status(StatusCode::from_u16(code).unwrap());
        answer.assert_header("content-type", "text/html; charset=utf-8");
        let page = answer.text();
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page}");
        assert!(page.contains(&format!("<h1>{heading}</h1>")), "{page}");
        assert!(page.contains(&format!("<title>{heading} · nebulink</title>")), "{page}");
        let again = "class=\"btn primary\" href=\"/go/conversation?id=some%20id\">";
        match button {
            Some(label) => assert!(page.contains(&format!("{again}{label}</a>")), "{page}"),
            None => assert!(!page.contains("btn primary"), "{page}"),
        }
        assert!(page.contains(answer.header("x-request-id").to_str().unwrap()), "{page}");
    }
}

#[tokio::test]
async fn the_page_of_a_defect_can_be_tried_again() {
    let stand_in = stand_in().await;
    let clock = ManualClock::default();
    let app = App::build_with_clock(&settings(&stand_in, &SHORT), clock.clone()).unwrap();
    let server = TestServer::new(app.public());
    stand_in.add_conversation(KEY, "a");
    server.get("/c/a").await.assert_status(StatusCode::FOUND);
    clock.set_broken(true);
    let answer = server.get("/c/a").add_header(ACCEPT, BROWSER).await;
    answer.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
    let page = answer.text();
    assert!(page.contains("<h1>A defect of ours</h1>"), "{page}");
    assert!(page.contains("<a class=\"btn primary\" href=\"\">Try again</a>"), "{page}");
}

#[tokio::test]
async fn the_policy_of_a_page_allows_its_own_style_and_script_and_no_form() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    let answer = server.get("/c/unknown").add_header(ACCEPT, BROWSER).await;
    let policy = answer.header("content-security-policy").to_str().unwrap().to_owned();
    let page = answer.text();
    assert_eq!(hashes(&page, "script").len(), 1);
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        for hash in hashes(&page, tag) {
            assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "{policy}");
        }
    }
    for directive in ["default-src 'none'", "img-src 'self'", "base-uri 'none'", "form-action 'none'"] {
        assert!(policy.split("; ").any(|own| own == directive), "{policy}");
    }
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    for absent in [" src=", " style=", " onclick=", "http-equiv", "<form", "//"] {
        let outside = page.split("<style>").next().unwrap().to_owned()
            + page.split("</style>").nth(1).unwrap().split("<script>").next().unwrap();
        let outside = outside.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains(absent), "{absent} in {outside}");
    }
    answer.assert_header("referrer-policy", "no-referrer");
}

#[tokio::test]
async fn the_page_for_an_unknown_id_looks_again_every_five_seconds_for_a_minute() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    let mut address = "/go/conversation?id=late&noredirect".to_owned();
    for look in 1..=12 {
        let answer = server.get(&address).add_header(ACCEPT, BROWSER).await;
        let refresh = answer.header("refresh").to_str().unwrap().to_owned();
        address = refresh.strip_prefix("5; url=").unwrap().to_owned();
        assert_eq!(address, format!("/go/conversation?id=late&noredirect&looks={look}"));
        assert!(answer.text().contains(&format!("({look} of 12)")));
    }
    let stopped = [address, "/go/conversation?id=late&noredirect&looks=stop".to_owned()];
    for address in stopped {
        let answer = server.get(&address).add_header(ACCEPT, BROWSER).await;
        assert!(answer.maybe_header("refresh").is_none());
        let page = answer.text();
        assert!(page.contains("Stopped looking.") && page.contains(">Look again</a>"), "{page}");
    }
    // A program looks again when it wants to.
    assert!(server.get("/c/late").await.maybe_header("refresh").is_none());
}

#[tokio::test]
async fn a_page_that_looks_again_can_be_stopped() {
    let stand_in = stand_in().await;
    let page = server(&stand_in).get("/go?id=late").add_header(ACCEPT, BROWSER).await.text();
    assert!(page.contains("<a class=\"btn\" href=\"/go?id=late&#38;looks=stop\">Stop looking</a>"), "{page}");
}

#[tokio::test]
async fn an_id_that_is_not_valid_is_shown_as_it_was_received_beside_what_is_expected() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    let long = format!("/c?id={}THE-VERY-END", "x".repeat(600));
    for (target, heading, received, expected) in [
        ("/go/conversation?id=", "This link has no id", "(empty)", "1 to 512 bytes"),
        ("/go/interaction?id=", "This link has no id", "(empty)", "a UUID"),
        ("/i/no-uuid", "This is not an interaction&#39;s id", "no-uuid", "a UUID, such as"),
        ("/i?id=a+b", "This is not an interaction&#39;s id", "a b", "a UUID"),
        ("/c?id=a%00%3Cb%3E", "This is not an id", "a<mark>U+0000</mark>&#60;b&#62;", "1 to 512 bytes"),
        ("/c?id=%ff", "This is not an id", "%ff", "1 to 512 bytes"),
        (long.as_str(), "This is not an id", "xxx…THE-VERY-END", "1 to 512 bytes"),
        ("/i?id=%7B%7Bticket.id%7D%7D", "The tool did not fill in the id", "{{ticket.id}}", "a UUID"),
    ] {
        let answer = server.get(target).add_header(ACCEPT, BROWSER).await;
        answer.assert_status(StatusCode::BAD_REQUEST);
        let page = answer.text();
        assert!(page.contains(&format!("<h1>{heading}</h1>")), "{page}");
        let shown = page.split("<dt>Received</dt>").nth(1).unwrap().split("</dd>").next().unwrap();
        assert!(shown.contains(received) && shown.len() < 300, "{shown}");
        assert!(page.split("<dt>Expected</dt>").nth(1).unwrap().contains(expected), "{page}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn a_placeholder_that_a_tool_did_not_fill_in_leads_to_the_templates() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    for id in ["%7B%7Bticket.id%7D%7D", "$%7B__value.raw%7D", "%7B!Case.Id%7D"] {
        let answer = server.get(&format!("/go/conversation?id={id}")).add_header(ACCEPT, BROWSER).await;
        answer.assert_status(StatusCode::NOT_FOUND);
        assert!(answer.maybe_header("refresh").is_none(), "it will not appear");
        let page = answer.text();
        assert!(
            page.contains("The tool did not fill in the id") && page.contains("href=\"/kit\">See templates")
        );
    }
}

#[tokio::test]
async fn an_item_that_one_project_does_not_have_can_be_looked_for_in_all() {
    let stand_in = stand_in_with(2).await;
    let app = App::build(&settings_with(&stand_in, 2, &[])).unwrap();
    let server = TestServer::new(app.public());
    let page = server.get("/c/x?project=project-1&noredirect").add_header(ACCEPT, BROWSER).await.text();
    assert!(page.contains("<dt>Project</dt>\n<dd>project-1</dd>"), "{page}");
    let in_all = "href=\"/go/conversation?id=x&#38;noredirect\">Look in all projects</a>";
    assert!(page.contains(in_all), "{page}");
    let page = server.get("/c/x").add_header(ACCEPT, BROWSER).await.text();
    assert!(!page.contains("all projects"), "they have been asked: {page}");
    let only_one = self::stand_in().await;
    let page = self::server(&only_one).get("/c/x?project=default").add_header(ACCEPT, BROWSER).await.text();
    assert!(!page.contains("all projects"), "there is no other: {page}");
}

#[tokio::test]
async fn a_link_that_names_no_project_of_ours_can_be_looked_for_in_all() {
    let stand_in = stand_in_with(2).await;
    let tags = [("lookup.tags", "ticket")];
    let server = TestServer::new(App::build(&settings_with(&stand_in, 2, &tags)).unwrap().public());
    for (target, in_all) in [
        ("/c/x?project=%3Csales%3E&noredirect", "/go/conversation?id=x&#38;noredirect"),
        (
            "/go/tag/ticket/4711?project=%3Csales%3E&kind=conversation",
            "/go/tag/ticket?value=4711&#38;kind=conversation",
        ),
    ] {
        let answer = server.get(target).add_header(ACCEPT, BROWSER).await;
        answer.assert_status(StatusCode::NOT_FOUND);
        let page = answer.text();
        assert!(page.contains("<h1>There is no such project</h1>"), "{page}");
        assert!(
            page.contains("<dt>Project</dt>\n<dd class=\"id\" translate=\"no\">&#60;sales&#62;"),
            "{page}"
        );
        assert!(page.contains(&format!("href=\"{in_all}\">Look in all projects</a>")), "{page}");
    }
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn a_link_without_an_id_is_not_offered_as_one() {
    let stand_in = stand_in().await;
    let server =
        server_with(&stand_in, &[("server.public_url", "https://go.example"), ("lookup.tags", "ticket")]);
    let target = "/go?id=https://go.example/go/tag/ticket?value=4711";
    let page = server.get(target).add_header(ACCEPT, BROWSER).await.text();
    assert!(page.contains("<h1>This is a link, not an id</h1>"), "{page}");
    assert!(!page.contains("btn primary") && !page.contains("Expected"), "its id cannot be pasted: {page}");
}

#[tokio::test]
async fn pages_name_the_contact_for_help() {
    let stand_in = stand_in().await;
    for (contact, shown) in [
        ("mailto:help@example.com", "<a href=\"mailto:help@example.com\">help@example.com</a>"),
        ("https://help.example/", "<a href=\"https://help.example/\">help.example</a>"),
        ("the <service> desk", "the &#60;service&#62; desk"),
    ] {
        let server = server_with(&stand_in, &[("server.contact", contact)]);
        let page = server.get("/nowhere").add_header(ACCEPT, BROWSER).await.text();
        assert_eq!(page.matches(shown).count(), 2, "{page}");
    }
    assert!(!server(&stand_in).get("/nowhere").add_header(ACCEPT, BROWSER).await.text().contains("Help"));
}

#[tokio::test]
async fn a_page_never_shows_unescaped_input() {
    let stand_in = stand_in().await;
    let server = server(&stand_in);
    for target in [
        "/go/conversation?id=%3Cscript%3Ealert(1)%3C/script%3E",
        "/go/conversation?id=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/go?id='%22%3E%3Csvg/onload=alert(1)%3E",
    ] {
        for accept in [BROWSER, "*/*"] {
            let answer = server.get(target).add_header(ACCEPT, accept).await;
            answer.assert_status(StatusCode::NOT_FOUND);
            let text = answer.text().to_lowercase();
            for harm in ["<script>alert", "<img", "<svg/", "\"><img", "'\""] {
                assert!(!text.contains(harm), "{harm} in {text}");
            }
        }
    }
}
