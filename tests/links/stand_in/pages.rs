//! The pages, and the demo's samples behind them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nebulink::demo::{Demo, DemoProject, Interaction, ItemKind, SampleLink, StandInItem};
use nebulink::domain::{AllowedHosts, Kind, PastedText};
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
    assert!(style.contains("prefers-color-scheme") && text.contains("width=device-width"));
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
async fn every_sample_link_resolves_in_one_project_and_leads_to_its_page() {
    let demo = Demo::start().await.unwrap();
    let links = demo.links();
    let of_kind = |kind| links.iter().filter(|link| link.kind == kind).count();
    assert_eq!((of_kind(ItemKind::Interaction), of_kind(ItemKind::Conversation)), (6, 4));
    assert!(links.iter().any(|link| link.id == "orders/2026-11-20#4711"));
    for link in links {
        let pages = pages_of(&demo, &link).await;
        assert_eq!(pages.len(), 1, "{link:?}");
        assert_eq!(page(&pages[0]).await.0, 200, "{link:?}");
    }
    assert_eq!(pages_of(&demo, &demo.ambiguous()).await.len(), 2);
}

/// The pages of a sample, of all projects that have it.
async fn pages_of(demo: &Demo, link: &SampleLink) -> Vec<String> {
    let mut pages = Vec::new();
    for DemoProject { name, project } in demo.projects() {
        let (status, body) = answer(call(demo, &project.key, link.kind, &link.id)).await;
        match status {
            200 => pages.push(body["url"].as_str().unwrap().to_owned()),
            status => assert_eq!(status, 404, "{name}: {link:?}"),
        }
    }
    pages
}

fn call(demo: &Demo, key: &str, kind: ItemKind, id: &str) -> reqwest::RequestBuilder {
    let mut url = url::Url::parse(&demo.stand_in().api_base_url()).unwrap();
    url.path_segments_mut().unwrap().extend(["deeplinks", kind.as_str(), id]);
    client().get(url).bearer_auth(key)
}

#[tokio::test]
async fn the_samples_that_are_not_there_are_not_there() {
    let demo = Demo::start().await.unwrap();
    assert!(pages_of(&demo, &demo.unknown()).await.is_empty());
    assert!(pages_of(&demo, &demo.not_yet()).await.is_empty());
    assert_ne!(demo.unknown().id, demo.not_yet().id);
}

#[tokio::test]
async fn the_sample_text_has_an_id_of_every_state() {
    let demo = Demo::start().await.unwrap();
    let mut hosts = AllowedHosts::default();
    hosts.allow_host_of(&demo.stand_in().platform_url().parse().unwrap()).unwrap();
    let pasted = PastedText::read(&demo.sample_text(), &hosts, &|_, _| None);
    let (mut found, mut absent, mut ambiguous, mut failed, mut invalid) = (0, 0, 0, 0, 0);
    for id in &pasted.ids {
        let Ok(candidates) = &id.candidates else {
            invalid += 1;
            continue;
        };
        let item = candidates.first();
        let kind =
            if item.kind() == Kind::Interaction { ItemKind::Interaction } else { ItemKind::Conversation };
        if item.id() == "demo-server-error" {
            failed += 1;
            continue;
        }
        match pages_of(&demo, &SampleLink { kind, id: item.id().into_owned(), ..demo.ambiguous() })
            .await
            .len()
        {
            0 => absent += 1,
            1 => found += 1,
            _ => ambiguous += 1,
        }
    }
    assert_eq!((found, absent, ambiguous, failed, invalid), (5, 2, 1, 1, 1), "{pasted:?}");
    assert!(!demo.sample_text().contains(&demo.not_yet().id), "each not-yet link has an item of its own");
}

#[tokio::test]
async fn a_page_shows_times_to_the_second_and_what_the_details_say() {
    let demo = Demo::start().await.unwrap();
    let return_ = SampleLink { id: "return-2f61c8".to_owned(), ..demo.ambiguous() };
    let (_, _, text) = page(&pages_of(&demo, &return_).await[0]).await;
    let times: Vec<_> = text.split("<time datetime=\"").skip(1).collect();
    assert_eq!(times.len(), 3, "{text}");
    for time in times {
        let (machine, rest) = time.split_once("\">").unwrap();
        assert_eq!(machine.len(), "2026-11-20T10:00:00Z".len(), "{machine}");
        assert!(rest.split_once("</time>").unwrap().0.ends_with(" UTC"), "{rest}");
    }
    assert!(text.contains("relief, joy") && text.contains("after 4.2 s"), "{text}");
}

#[tokio::test]
async fn the_errors_page_links_to_nebulink_and_its_ids_are_not_among_the_printed_ones() {
    let demo = Demo::start().await.unwrap();
    assert_eq!(page(&demo.errors_url()).await.0, 404, "nebulink's address is not known yet");
    demo.set_nebulink_url("http://127.0.0.1:8080/below");
    let (status, policy, text) = page(&demo.errors_url()).await;
    assert_eq!(status, 200);
    assert!(policy.contains("form-action http:;"), "{policy}");
    let links: Vec<_> = ["href=\"", "action=\""]
        .into_iter()
        .flat_map(|attribute| text.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(
        links.len() >= 18 && links.iter().all(|link| link.starts_with("http://127.0.0.1:8080/below/")),
        "{links:?}"
    );
    for sample in demo.links() {
        assert!(!text.contains(&sample.id), "{sample:?}");
    }
}

#[tokio::test]
async fn each_failing_id_of_the_errors_page_fails_in_its_way_and_in_its_project_alone() {
    let demo = Demo::start().await.unwrap();
    let keys: Vec<_> = demo.projects().into_iter().map(|project| project.project.key).collect();
    let [support, sales, expired, busy] = keys.as_slice() else { panic!("four projects") };
    let call = |key: &str, id: &str| call(&demo, key, ItemKind::Conversation, id);
    for (key, id, expected) in [
        (expired, "demo-key-rejected", 401),
        (support, "demo-server-error", 500),
        (busy, "demo-throttled", 429),
    ] {
        assert_eq!(answer(call(key, id)).await.0, expected, "{id}");
        assert_eq!(answer(call(sales, id)).await.0, 404, "{id}");
    }
    let (_, body) = answer(call(support, "demo-foreign-host")).await;
    assert_eq!(body["url"], "https://elsewhere.example/live-activity");
    let page = call(support, "demo-no-json").send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&page).is_err(), "{page}");
    assert!(call(support, "demo-connection-lost").send().await.is_err());
    let patience = std::time::Duration::from_millis(200);
    assert!(call(support, "demo-no-answer").timeout(patience).send().await.unwrap_err().is_timeout());
}
