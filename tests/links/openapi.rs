//! The description for programs: it is complete and true. `tests/process/openapi` puts tools to it.

use std::collections::BTreeSet;

use nebulink::demo::{Interaction, StandIn};
use serde_json::Value;

use crate::support::{Answer, KEY, Nebulink, stand_in};

/// The headers whose example is their value.
const SAME_FOR_ALL: [&str; 8] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "vary",
    "x-content-type-options",
    "x-robots-tag",
];

const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

/// The description that an installation gives.
async fn document(nebulink: &Nebulink, base_path: &str) -> Value {
    let answer = nebulink.get(&format!("{base_path}/openapi.json")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Every path of a description, and its methods, in capital letters.
fn operations(document: &Value) -> Vec<(&str, BTreeSet<String>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods =
        |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.map(|(path, item)| (path.as_str(), methods(item))).collect()
}

/// The setting without which no tag is looked up.
const TAGS: (&str, &str) = ("lookup.tags", "ticket");

/// An address of a path, for an interaction that exists. It has a tag with its id.
fn address_of(path: &str) -> String {
    let path = path.replace("{kind}", "interaction").replace("{id}", INTERACTION);
    let path = path.replace("{name}", "ticket").replace("{value}", INTERACTION);
    if path == "/go/tag/ticket" {
        format!("{path}?value={INTERACTION}")
    } else if path.starts_with("/api") || path.contains(INTERACTION) {
        path
    } else {
        format!("{path}?id={INTERACTION}")
    }
}

async fn known() -> StandIn {
    let stand_in = stand_in().await;
    let interaction = Interaction::new(INTERACTION.parse().unwrap());
    let timestamp = jiff::Timestamp::from_second(1_799_999_000).unwrap();
    let tags = [("ticket".to_owned(), INTERACTION.to_owned())].into();
    stand_in.add(KEY, Interaction { tags, timestamp, ..interaction });
    stand_in
}

#[tokio::test]
async fn a_program_may_keep_the_description_for_an_hour() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, max-age=3600"));
    assert_eq!(answer.json()["openapi"], "3.1.0");
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn the_server_is_the_base_path_and_never_a_host() {
    let stand_in = stand_in().await;
    for (base_path, expected) in [("", "/"), ("/tools/nebuly", "/tools/nebuly")] {
        let public_url = format!("https://links.example{base_path}");
        let settings = [("server.base_path", base_path), ("server.public_url", &public_url)];
        let nebulink = Nebulink::start(&stand_in, &settings).await;
        let document = document(&nebulink, base_path).await;
        assert_eq!(document["servers"], serde_json::json!([{"url": expected}]));
        assert!(!document.to_string().contains("links.example"));
    }
}

#[tokio::test]
async fn every_path_has_the_methods_that_are_described_and_no_other() {
    let stand_in = known().await;
    let nebulink = Nebulink::start(&stand_in, &[TAGS]).await;
    let document = document(&nebulink, "").await;
    assert!(document["paths"]["/go/tag/{name}/{value}"].is_object());
    for (path, mut methods) in operations(&document) {
        let address = address_of(path);
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
            let answer = nebulink.request(method, &address, &[]).await;
            assert_eq!(answer.status != 405, methods.contains(method), "{method} {address}: {answer:?}");
            if let Some(allow) = answer.header("allow").filter(|_| answer.status == 405) {
                assert_eq!(allow.split(',').map(str::to_owned).collect::<BTreeSet<_>>(), methods, "{path}");
            }
        }
    }
}

/// The status, the type of the content and each header of an answer.
#[track_caller]
fn assert_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let described =
        resolved(&document["paths"][path][method.to_lowercase()]["responses"][answer.status.to_string()]);
    assert!(described.is_object(), "{method} {path}: {} is not described: {answer:?}", answer.status);
    if let Some(content_type) = answer.header("content-type") {
        let types: Vec<_> = described["content"].as_object().unwrap().keys().collect();
        let is_described = types.iter().any(|own| content_type.split(';').next() == own.split(';').next());
        assert!(is_described, "{method} {path}: {content_type} is none of {types:?}");
    }
    let of_http = ["content-type", "content-length", "transfer-encoding", "connection", "date"];
    for (name, value) in answer.headers.iter().filter(|(name, _)| !of_http.contains(&name.as_str())) {
        if SAME_FOR_ALL.contains(&name.as_str()) {
            let header = &document["components"]["headers"][name]["example"];
            assert_eq!(header.as_str().unwrap_or(&header.to_string()), value, "{name}");
        }
        assert!(
            described["headers"][name].is_object(),
            "{method} {path}: {} with {name}: {answer:?}",
            answer.status
        );
    }
}

#[tokio::test]
async fn every_answer_is_described() {
    let stand_in = known().await;
    let origin = ("origin", "https://dashboard.example.com");
    let settings = [("access.cors_origins", origin.1), ("limits.cold_burst", "3"), TAGS];
    let nebulink = Nebulink::start(&stand_in, &settings).await;
    let document = document(&nebulink, "").await;
    let html = ("accept", "text/html");
    for (path, methods) in operations(&document) {
        let address = address_of(path);
        let with = |parameter: &str| {
            format!("{address}{}{parameter}", if address.contains('?') { '&' } else { '?' })
        };
        let unknown = address.replace("0191", "0192");
        let addresses = [
            address.clone(),
            with("noredirect"),
            with("refresh"),
            with("refresh=perhaps"),
            with("project=nobody"),
            address.replace(INTERACTION, "%00"),
            unknown.clone(),
            unknown.replace("0192", "0193"),
        ];
        for (address, header) in addresses.iter().flat_map(|address| [(address, origin), (address, html)]) {
            for method in &methods {
                let answer = nebulink
                    .request(method, address, &[header, ("access-control-request-method", "GET")])
                    .await;
                assert_described(&document, path, method, &answer);
            }
        }
        let answer = nebulink.request("DELETE", &address, &[origin]).await;
        let method = methods.first().unwrap();
        assert_described(&document, path, method, &answer);
    }
}

#[tokio::test]
async fn examples_are_there_and_have_no_secret() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let document = document(&nebulink, "").await;
    let examples = document["components"]["examples"].as_object().unwrap();
    for (name, example) in examples {
        let value = &example["value"];
        assert!(value["type"].as_str().unwrap().starts_with("urn:nebulink:"), "{name}: {example}");
        assert!(value["request_id"].is_string(), "{name}: {example}");
    }
    assert_eq!(examples["Ambiguous"]["value"]["links"].as_array().unwrap().len(), 2);
    assert!(!document.to_string().contains(KEY));
}

#[tokio::test]
async fn a_token_is_needed_where_the_installation_asks_for_one() {
    let stand_in = stand_in().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "batch = canary-0123456789-abcdef\n").unwrap();
    let path = file.path().to_str().unwrap();
    let token = serde_json::json!({"token": []});
    for (settings, expected) in [
        (vec![], serde_json::json!([{}, token])),
        (vec![("access.api_tokens_file", path)], serde_json::json!([token])),
    ] {
        let nebulink = Nebulink::start(&stand_in, &settings).await;
        let paths = &document(&nebulink, "").await["paths"];
        assert_eq!(paths["/api/v1/links"]["post"]["security"], expected);
        assert_eq!(paths["/api/v1/links"]["options"]["security"], serde_json::json!([]));
        assert_eq!(paths["/go/interaction"]["get"]["security"], serde_json::json!([]));
    }
}
