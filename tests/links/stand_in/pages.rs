//! The pages, and the demo's samples behind them.

use std::collections::HashSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nebulink::demo::{Demo, Interaction, ItemKind, SampleLink, StandInItem};
use sha2::{Digest, Sha256};

use super::caller::{KEY, KNOWN, answer, client, stand_in, status};

/// A page's status, content security policy and text.
async fn page(url: &str) -> (u16, String, String) {
    let response = client().get(url).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    (response.status().as_u16(), policy, response.text().await.unwrap())
}

#[tokio::test]
async fn a_link_leads_to_a_page_that_shows_the_item_escaped() {
    let stand_in = stand_in().await;
    let interaction = Interaction {
        conversation_id: "<i>&\"'".to_owned(),
        input: "<script>alert(1)</script>".to_owned(),
        ..Interaction::new(KNOWN)
    };
    stand_in.add(KEY, interaction);
    for item in [StandInItem::from(KNOWN), StandInItem::from("<i>&\"'")] {
        let (status, _, text) = page(&stand_in.url_of(KEY, item.clone())).await;
        assert_eq!(status, 200, "{item:?}");
        assert!(text.contains("stand-in for Nebuly"), "marked as the demo's: {text}");
        assert!(
            text.contains("&#60;script&#62;") && !text.contains("<script") && !text.contains("<i>"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_page_allows_its_own_style_and_nothing_else() {
    let stand_in = stand_in().await;
    let (_, policy, text) = page(&stand_in.url_of(KEY, KNOWN)).await;
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}';")), "{policy}");
    assert!(style.contains("prefers-color-scheme: dark") && text.contains("width=device-width"));
    for outside in ["<script", "src=", "<link", " style="] {
        assert!(!text.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_page() {
    let stand_in = stand_in().await;
    let base = stand_in.platform_url();
    let elsewhere = stand_in.url_of(KEY, KNOWN).replace("projectId=project-1", "projectId=project-9");
    for url in [
        elsewhere,
        stand_in.url_of(KEY, "nobody"),
        format!("{base}/live-activity"),
        format!("{base}/live-activity?interactionId=x"),
        format!("{base}/"),
        format!("{base}/errors"),
        format!("{base}/api/externally"),
    ] {
        assert_eq!(page(&url).await.0, 404, "{url}");
    }
    assert_eq!(status(client().post(format!("{base}/live-activity"))).await, 405);
}

#[tokio::test]
async fn every_sample_link_resolves_and_leads_to_its_page() {
    let demo = Demo::start().await.unwrap();
    let links = demo.links();
    let of_kind = |kind| links.iter().filter(|link| link.kind == kind).count();
    assert_eq!((of_kind(ItemKind::Interaction), of_kind(ItemKind::Conversation)), (6, 3));
    assert!(links.iter().any(|link| link.id == "orders/2026-11-20#4711"));
    for link in links {
        let (status, body) = ask(&demo, &link).await;
        assert_eq!(status, 200, "{link:?}");
        assert_eq!(page(body["url"].as_str().unwrap()).await.0, 200, "{link:?}");
    }
}

async fn ask(demo: &Demo, link: &SampleLink) -> (u16, serde_json::Value) {
    let mut url = url::Url::parse(&demo.stand_in().api_base_url()).unwrap();
    url.path_segments_mut().unwrap().extend(["deeplinks", link.kind.as_str(), &link.id]);
    answer(client().get(url).bearer_auth(demo.project().key)).await
}

#[tokio::test]
async fn the_samples_that_are_not_there_are_not_there() {
    let demo = Demo::start().await.unwrap();
    assert_eq!(ask(&demo, &demo.unknown()).await.0, 404);
    assert_eq!(ask(&demo, &demo.not_yet()).await.0, 404);
    assert_ne!(demo.unknown().id, demo.not_yet().id);
}

#[tokio::test]
async fn the_errors_page_links_to_nebulink_and_its_ids_are_not_among_the_printed_ones() {
    let demo = Demo::start().await.unwrap();
    assert_eq!(page(&demo.errors_url()).await.0, 404, "nebulink's address is not known yet");
    demo.set_nebulink_address("127.0.0.1:8080".parse().unwrap());
    let (status, _, text) = page(&demo.errors_url()).await;
    assert_eq!(status, 200);
    let links: Vec<_> = text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(
        links.len() >= 11 && links.iter().all(|link| link.starts_with("http://127.0.0.1:8080/")),
        "{links:?}"
    );
    assert_eq!(links.iter().collect::<HashSet<_>>().len(), links.len(), "each way once");
    for sample in demo.links() {
        assert!(!text.contains(&sample.id), "{sample:?}");
    }
}

#[tokio::test]
async fn each_failing_id_of_the_errors_page_fails_in_its_way() {
    let demo = Demo::start().await.unwrap();
    let link = |id: &str| SampleLink { kind: ItemKind::Conversation, id: id.to_owned(), title: "" };
    for (id, expected) in [("demo-key-rejected", 401), ("demo-server-error", 500), ("demo-throttled", 429)] {
        assert_eq!(ask(&demo, &link(id)).await.0, expected, "{id}");
    }
    let (_, body) = ask(&demo, &link("demo-foreign-host")).await;
    assert_eq!(body["url"], "https://elsewhere.example/live-activity");
    let call = |id: &str| {
        let url = format!("{}/deeplinks/conversation/{id}", demo.stand_in().api_base_url());
        client().get(url).bearer_auth(demo.project().key)
    };
    let page = call("demo-no-json").send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&page).is_err(), "{page}");
    assert!(call("demo-connection-lost").send().await.is_err());
    let patience = std::time::Duration::from_millis(200);
    assert!(call("demo-no-answer").timeout(patience).send().await.unwrap_err().is_timeout());
}
