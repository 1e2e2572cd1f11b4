//! The mark, the file for robots, the description for browsers, and the address of the installation that they name.

use nebulink::demo::StandIn;

use crate::support::{Nebulink, stand_in};

const TRUSTED: (&str, &str) = ("server.trusted_proxies", "127.0.0.1");

async fn nebulink(stand_in: &StandIn, settings: &[(&str, &str)]) -> Nebulink {
    Nebulink::start(stand_in, settings).await
}

/// The address that an installation gives itself, as its description for browsers has it.
async fn own_address(nebulink: &Nebulink, path: &str, headers: &[(&str, &str)]) -> String {
    let answer = nebulink.request("GET", path, headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let template = answer.body.split("template=\"").nth(1).unwrap().split('"').next().unwrap();
    template.strip_suffix("/go?id={searchTerms}").unwrap_or_else(|| panic!("{template}")).to_owned()
}

#[tokio::test]
async fn the_mark_and_the_file_for_robots_are_open_and_kept_for_a_day() {
    let stand_in = stand_in().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let mark = nebulink.get("/favicon.svg").await;
    assert_eq!((mark.status, mark.header("content-type")), (200, Some("image/svg+xml")));
    assert!(mark.body.starts_with("<svg ") && !mark.body.contains("script"), "{mark:?}");
    let robots = nebulink.get("/robots.txt").await;
    assert_eq!(robots.body, "User-agent: *\nDisallow: /\n");
    for answer in [&mark, &robots] {
        assert_eq!(answer.header("cache-control"), Some("public, max-age=86400"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let other = nebulink.request("DELETE", "/favicon.svg", &[]).await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn the_foot_of_each_page_leads_programmers_to_the_description_of_the_api() {
    let stand_in = stand_in().await;
    for (settings, path) in [(&[][..], "/openapi.json"), (&[("server.base_path", "/b")], "/b/openapi.json")] {
        let nebulink = nebulink(&stand_in, settings).await;
        for page in ["/", "/kit", "/nowhere"] {
            let page = format!("{}{page}", path.strip_suffix("/openapi.json").unwrap());
            let page = nebulink.request("GET", &page, &[("accept", "text/html")]).await.body;
            assert!(page.contains(&format!("<a href=\"{path}\">API</a>")), "{page}");
        }
        assert_eq!(nebulink.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn a_keyword_in_the_browser_opens_a_link() {
    let stand_in = stand_in().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    let answer = nebulink.get("/opensearch.xml").await;
    assert_eq!(answer.header("content-type"), Some("application/opensearchdescription+xml"));
    assert_eq!(answer.header("cache-control"), Some("private, max-age=3600"));
    assert!(answer.body.contains("<ShortName>nebulink</ShortName>"), "{}", answer.body);
    let page = nebulink.request("GET", "/nowhere", &[("accept", "text/html")]).await.body;
    assert!(page.contains("type=\"application/opensearchdescription+xml\""), "{page}");
    assert_eq!(own_address(&nebulink, "/opensearch.xml", &[]).await, "http://go.example.com");
}

#[tokio::test]
async fn the_own_address_is_the_one_that_is_set_and_it_is_complete() {
    let stand_in = stand_in().await;
    for (public_url, base_path, expected) in [
        ("https://links.example", "", "https://links.example"),
        ("https://links.example/", "", "https://links.example"),
        ("https://links.example:8443/tools/nebuly", "/nebuly", "https://links.example:8443/tools/nebuly"),
    ] {
        let settings = [("server.public_url", public_url), ("server.base_path", base_path), TRUSTED];
        let nebulink = nebulink(&stand_in, &settings).await;
        let headers = [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")];
        let path = format!("{base_path}/opensearch.xml");
        assert_eq!(own_address(&nebulink, &path, &headers).await, expected);
    }
}

#[tokio::test]
async fn without_a_set_address_the_host_counts_and_of_a_trusted_proxy_the_one_that_it_forwards() {
    let stand_in = stand_in().await;
    let (host, proto) = ("x-forwarded-host", "x-forwarded-proto");
    let trusting = nebulink(&stand_in, &[TRUSTED, ("server.base_path", "/nebuly")]).await;
    for (headers, expected) in [
        (vec![], "http://go.example.com"),
        (vec![(host, "links.example")], "http://links.example"),
        (vec![(host, "links.example"), (proto, "https")], "https://links.example"),
        (vec![(proto, "https")], "https://go.example.com"),
        (vec![(host, "a.example, b.example")], "http://go.example.com"),
        (vec![(host, "a.example"), (host, "b.example")], "http://go.example.com"),
        (vec![(host, "x\"><script>")], "http://go.example.com"),
        (vec![(host, "a.example"), (proto, "javascript")], "http://a.example"),
    ] {
        let expected = format!("{expected}/nebuly");
        assert_eq!(own_address(&trusting, "/nebuly/opensearch.xml", &headers).await, expected, "{headers:?}");
    }
    let suspicious = nebulink(&stand_in, &[]).await;
    let headers = [(host, "evil.example"), (proto, "https")];
    assert_eq!(own_address(&suspicious, "/opensearch.xml", &headers).await, "http://go.example.com");
}

#[tokio::test]
async fn a_host_that_is_not_plain_stands_in_no_page() {
    let stand_in = stand_in().await;
    let nebulink = nebulink(&stand_in, &[]).await;
    for host in ["x\"><script>", "a@b", "a/b", "", "go.example, evil.example"] {
        let request = format!("GET /opensearch.xml HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = crate::support::exchange(nebulink.address, request.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("template=\"/go?id={searchTerms}\""), "{host}: {}", answer.body);
    }
}
