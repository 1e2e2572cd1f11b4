//! The page where a person pastes ids and gets links.

use std::pin::pin;
use std::time::Duration;

use axum_test::TestServer;
use futures_util::future::{Either, select};
use nebulink::app::App;
use nebulink::demo::{Fault, Matching, StandIn};
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error_pages::BROWSER;
use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{
    Answer, KEY, Nebulink, PATIENCE, eventually, exchange, key_of, request, settings_with, stand_in,
    stand_in_with,
};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
/// The same in base 58.
const SHORT_CODE: &str = "1CErPtAw6EcadyYG9EXG7w";
const UNKNOWN: &str = "0191b7c4-0000-7b60-9d6a-000000000000";
const HOST: &str = "http://go.example.com";

async fn known(ids: &[&str]) -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, UUID.parse().unwrap());
    for id in ids {
        stand_in.add_conversation(KEY, id);
    }
    stand_in
}

/// A form as a browser sends it.
fn form(text: &str, project: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("ids", text)
        .append_pair("project", project)
        .finish()
}

/// The head of a form's request, with further headers.
fn head(accept: &str, length: usize, headers: &[(&str, &str)]) -> String {
    let lines =
        headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ": " + value + "\r\n");
    format!(
        "POST / HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\naccept: {accept}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n{lines}\r\n"
    )
}

async fn post(nebulink: &Nebulink, body: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(nebulink.address, (head(BROWSER, body.len(), headers) + body).as_bytes()).await
}

/// The same of a program.
async fn post_as_program(nebulink: &Nebulink, body: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(nebulink.address, (head("*/*", body.len(), headers) + body).as_bytes()).await
}

/// The page of the results of a text.
async fn paste(nebulink: &Nebulink, text: &str) -> String {
    let answer = post(nebulink, &form(text, ""), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    assert!(answer.header("content-security-policy").unwrap().contains("form-action 'self'"), "{answer:?}");
    answer.body
}

/// A part of a page as a person reads it: its text without tags.
fn text_of(html: &str) -> String {
    let parts = html.split('<').enumerate().map(|(index, part)| match (index, part.split_once('>')) {
        (0, _) | (_, None) => part,
        (_, Some((_, text))) => text,
    });
    let text = parts.collect::<Vec<_>>().join(" ").replace("&#60;", "<").replace("&#62;", ">");
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn title(page: &str) -> String {
    text_of(
        page.split("<h1")
            .nth(1)
            .unwrap_or_else(|| panic!("{page}"))
            .split_once('>')
            .unwrap()
            .1
            .split("</h1>")
            .next()
            .unwrap(),
    )
}

/// The rows, as HTML.
fn rows(page: &str) -> Vec<&str> {
    page.split("<li id=\"row-").skip(1).map(|row| row.split("</li>").next().unwrap()).collect()
}

/// The rows as a person reads them, without their numbers.
fn row_texts(page: &str) -> Vec<String> {
    rows(page).into_iter().map(|row| text_of(row.split_once('>').unwrap().1)).collect()
}

/// The values of an attribute, as a browser reads them.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap());
    values.map(|value| value.replace("&#38;", "&").replace("&#60;", "<").replace("&#34;", "\"")).collect()
}

async fn metrics(nebulink: &Nebulink) -> String {
    request(nebulink.management, "GET", "/metrics", &[]).await.body
}

#[tokio::test]
async fn the_page_has_one_labelled_field_and_needs_nothing_else() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let answer = nebulink.request("GET", "/", &[("accept", BROWSER)]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    assert!(answer.header("content-security-policy").unwrap().contains("form-action 'self'"), "{answer:?}");
    let page = &answer.body;
    assert_eq!(title(page), "Links to Nebuly");
    assert!(page.contains("<form method=\"post\" action=\"/\""), "{page}");
    assert!(page.contains("<label for=\"ids\">Ids or text</label>"), "{page}");
    assert!(page.contains(" autofocus>\n</textarea>"), "{page}");
    assert_eq!(attributes(page, "name"), ["viewport", "format-detection", "robots", "ids"]);
    assert!(page.len() < 30_000, "{} bytes", page.len());
    let head = nebulink.request("HEAD", "/", &[("accept", BROWSER)]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let other = nebulink.request("PUT", "/", &[]).await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET,HEAD,POST")));
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn each_id_becomes_a_row_with_its_links_in_the_order_of_the_text() {
    let stand_in = known(&["abc", "a/b & c"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let page_of =
        |id: &str| format!("{}/live-activity?projectId=x&conversationId={id}", stand_in.platform_url());
    let text = format!(
        "2026-11-20T10:00:00Z ERROR interaction={} failed\r\nabc\r\n{HOST}/go/conversation?id=abc\r\n{}\r\n{UUID},\r\n",
        UUID.to_uppercase(),
        page_of("a%2Fb+%26+c"),
    );
    let page = paste(&nebulink, &text).await;
    assert_eq!(title(&page), "All 3 found");
    assert_eq!(
        row_texts(&page),
        [
            format!("Interaction {UUID} {HOST}/i/{SHORT_CODE} Open Copy Copy short"),
            format!("Conversation abc {HOST}/c/abc Open Copy Copy short"),
            format!("Conversation a/b & c {HOST}/c?id=a%2Fb%20%26%20c Open Copy Copy short"),
        ]
    );
    let long = [
        format!("{HOST}/go/interaction?id={UUID}"),
        format!("{HOST}/go/conversation?id=abc"),
        format!("{HOST}/go/conversation?id=a%2Fb%20%26%20c"),
    ];
    for (row, long) in rows(&page).into_iter().zip(&long) {
        let link_page = format!("{}&noredirect", long.strip_prefix(HOST).unwrap());
        assert_eq!(attributes(row, "href"), [link_page.as_str(), long]);
        assert_eq!(attributes(row, "target"), ["_blank", "_blank"]);
    }
    // All of them are copied with their ids.
    assert_eq!(attributes(&page, "data-id"), [UUID, "abc", "a/b & c"]);
    assert!(page.contains("Copy 3 links"), "{page}");
    assert_eq!(stand_in.call_count(), 3);
    let no_cache = [("cache-control", "no-cache")];
    assert_eq!(title(&post(&nebulink, &form("abc", ""), &no_cache).await.body), "Your link");
    assert_eq!(stand_in.call_count(), 3, "it is cached, and a form refreshes nothing");
    // Each address of a row leads where it says.
    for link in attributes(&page, "href").iter().filter_map(|link| link.strip_prefix(HOST)) {
        assert_eq!(nebulink.get(link).await.status, 302, "{link}");
    }
    for short in ["/c/abc", "/c?id=a%2Fb%20%26%20c", &format!("/i/{SHORT_CODE}")] {
        assert_eq!(nebulink.get(short).await.header("cache-status"), Some("nebulink; hit"), "{short}");
    }
}

#[tokio::test]
async fn every_state_has_its_words_and_its_next_step() {
    let stand_in = known(&["abc"]).await;
    for (id, fault) in
        [("fails", Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR)), ("broken", Fault::Garbage)]
    {
        stand_in.set_fault_for(Matching::id(id).times(1), fault);
    }
    let nebulink = Nebulink::start(&stand_in, &[("nebuly.retries", "0")]).await;
    let text =
        format!("abc\nnone\n{UNKNOWN}\na\0b\u{202e}\n{}\nfails\nbroken\n/i/abc\na%20b\n", "x".repeat(513));
    let page = paste(&nebulink, &text).await;
    assert_eq!(title(&page), "1 of 9 found");
    let long = format!("{}…{}", "x".repeat(67), "x".repeat(12));
    assert_eq!(
        row_texts(&page),
        [
            format!("Conversation abc {HOST}/c/abc Open Copy Copy short"),
            format!(
                "Conversation none {HOST}/c/none Not in Nebuly yet. Its link works as soon as it is. Look again Copy Copy short"
            ),
            format!(
                "Interaction or conversation {UNKNOWN} Not in Nebuly yet. Its link works as soon as it is. Look again Copy"
            ),
            "Not an id a U+0000 b U+202E Contains a control character. An id is 1 to 512 bytes of text."
                .to_owned(),
            format!("Not an id {long} Longer than 512 bytes. An id is 1 to 512 bytes of text."),
            "Conversation fails Nebuly cannot answer now. The id may be fine. Try again".to_owned(),
            "Conversation broken Nebuly's answer cannot be used. The id may be fine. Try again".to_owned(),
            "Not an id /i/abc Not an interaction's id. An interaction's id is a UUID.".to_owned(),
            // Both links are of the text as it is, also where a cleaned one was asked for too.
            format!(
                "Conversation a%20b {HOST}/c?id=a%2520b Not in Nebuly yet. Its link works as soon as it is. Look again Copy Copy short"
            ),
        ]
    );
    let summary = page.split("</h1>").nth(1).unwrap().split("</p>").next().unwrap();
    assert_eq!(text_of(summary), "3 are not in Nebuly yet , 3 are not ids , 2 could not be asked .");
    assert_eq!(attributes(summary, "href"), ["#row-2", "#row-4", "#row-6"]);
    assert!(!page.contains("Copy 1 links"), "{page}");

    // All are there again, as what they are, and only those that could not be asked are asked.
    assert!(page.contains("<button class=\"btn\">Try the 2 again</button>"), "{page}");
    let again = page.split("name=\"ids\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(again.contains(&format!("{HOST}/go?id=fails\n{HOST}/go?id=broken")), "{again}");
    assert_eq!(again.lines().count(), 6, "{again}");
    stand_in.add_conversation(KEY, "fails");
    stand_in.forget_calls();
    let page = paste(&nebulink, again).await;
    assert_eq!(title(&page), "2 of 6 found");
    assert_eq!(stand_in.call_count(), 2);
}

#[tokio::test]
async fn the_heading_of_one_id_says_what_became_of_it() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "both");
    }
    stand_in.add_conversation(&key_of(0), "abc");
    stand_in.set_fault_for(Matching::id("broken"), Fault::Garbage);
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
    for (text, heading) in [
        ("abc", "Your link"),
        ("none", "Not in Nebuly yet"),
        ("both", "In several projects"),
        ("a\0b", "No link"),
        ("/c/x?project=nowhere", "No link"),
        ("broken", "Could not be asked"),
    ] {
        assert_eq!(title(&paste(&nebulink, text).await), heading, "{text:?}");
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_used_is_answered_with_the_page_and_a_word() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let no_id = format!("no id <b>&here\nand \"none\" here{}ü\n", " x".repeat(2100));
    for (text, status, heading, echoed) in [
        ("", 400, "Nothing pasted", ""),
        (" \r\n\t ", 400, "Nothing pasted", " \r\n\t "),
        (no_id.as_str(), 400, "No id in this text", "no id &#60;b&#62;&#38;here\nand &#34;none&#34; here x"),
        ("-- ??\n...\n", 400, "No id in this text", "-- ??\n...\n"),
    ] {
        let answer = post(&nebulink, &form(text, ""), &[]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(title(&answer.body), heading);
        assert!(
            answer.body.contains("aria-invalid=\"true\" aria-describedby=\"unusable hint\""),
            "{}",
            answer.body
        );
        let field = answer.body.split("<textarea").nth(1).unwrap().split_once(">\n").unwrap().1;
        let field = field.split("</textarea>").next().unwrap();
        assert!(field.starts_with(echoed) && field.len() <= 4096 + 40, "{field:?}");

        let cut = "Only the beginning of your text is in the field.";
        assert_eq!(answer.body.contains(cut), text.len() > 4096, "{}", answer.body);

        let program = post_as_program(&nebulink, &form(text, ""), &[]).await;
        assert_eq!(program.status, status, "{program:?}");
        assert_eq!(program.json()["type"].as_str(), Some("urn:nebulink:invalid-request"));
    }
    let body = form("", "");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let program = exchange(nebulink.address, head.as_bytes()).await;
    assert_eq!(
        (program.status, program.json()["type"].as_str()),
        (400, Some("urn:nebulink:invalid-request"))
    );
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn a_book_is_refused_with_our_page() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    // Announced, it is not read at all.
    let answer = exchange(nebulink.address, head(BROWSER, 2 << 20, &[]).as_bytes()).await;
    assert_eq!((answer.status, title(&answer.body).as_str()), (413, "Too much text"));
    assert_eq!(answer.header("connection"), Some("close"));
    // A text of just the size is read.
    let body = form(&"abc\n".repeat((1 << 20) / 6 - 10), "");
    assert!(body.len() > (1 << 20) - 100 && body.len() <= 1 << 20, "{}", body.len());
    assert_eq!(rows(&post(&nebulink, &body, &[]).await.body).len(), 1);
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn at_most_100_ids_are_looked_up_each_once() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[("limits.cold_burst", "1000")]).await;
    let lines: Vec<_> = (0..480).map(|line| format!("id-{}", line % 240)).collect();
    let page = paste(&nebulink, &lines.join("\n")).await;
    assert_eq!(title(&page), "None of 100 found");
    assert!(page.contains("This text has 240 ids; the first 100 were looked up."), "{page}");
    let ids: Vec<_> = row_texts(&page).iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(ids, (0..100).map(|id| format!("id-{id}")).collect::<Vec<_>>());
    assert_eq!(stand_in.call_count(), 100);
    let counted = metrics(&nebulink).await;
    assert!(
        counted.contains(r#"nebulink_resolutions_total{kind="conversation",outcome="absent"} 100"#),
        "{counted}"
    );
    println!("100 rows: {} bytes", page.len());
}

#[tokio::test]
async fn the_callers_limit_holds_and_what_found_no_token_says_so() {
    let stand_in = known(&["id-0"]).await;
    let limits = [("limits.cold_per_second", "1"), ("limits.cold_burst", "3"), ("nebuly.max_in_flight", "1")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    let page = paste(&nebulink, "id-0\nid-1\nid-2\nid-3\nid-4\nid-5").await;
    assert_eq!(title(&page), "1 of 6 found");
    let not_asked: Vec<_> = row_texts(&page).into_iter().filter(|row| row.contains("Not asked.")).collect();
    assert_eq!(not_asked.len(), 3, "{not_asked:?}");
    for row in &not_asked {
        let seconds = row.split("Your limit for new links is used up; free in ").nth(1).unwrap();
        let seconds = seconds.split_once(" s. Try again").unwrap().0;
        assert!((1..=3).contains(&seconds.parse::<u32>().unwrap()), "{row}");
    }
    assert!(page.contains("Try the 3 again"), "{page}");
    assert_eq!(stand_in.call_count(), 3);
    // What is cached costs no token.
    assert_eq!(title(&paste(&nebulink, "id-0").await), "Your link");
}

#[tokio::test]
async fn with_several_projects_one_can_be_chosen_and_what_two_have_is_a_choice() {
    let stand_in = stand_in_with(3).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "both");
    }
    stand_in.add_conversation(&key_of(2), "third");
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 3, &[])).await;
    let home = nebulink.request("GET", "/", &[("accept", BROWSER)]).await.body;
    let select = home
        .split("<select id=\"project\" name=\"project\">")
        .nth(1)
        .unwrap()
        .split("</select>")
        .next()
        .unwrap();
    assert_eq!(text_of(select), "All projects project-0 project-1 project-2");

    let page = paste(&nebulink, "both\nthird\n").await;
    assert_eq!(
        row_texts(&page),
        [
            "Conversation both In 2 projects. Choose one: project-0 project-1".to_owned(),
            format!("Conversation · project-2 third {HOST}/c/third?project=project-2 Open Copy Copy short"),
        ]
    );
    assert!(page.contains("<a href=\"#row-1\">1 needs a choice</a>"), "{page}");
    let choices = attributes(rows(&page)[0].split("class=\"do\"").nth(1).unwrap(), "href");
    assert_eq!(
        choices,
        [0, 1].map(|project| format!("{HOST}/go/conversation?id=both&project=project-{project}"))
    );

    // A link of ours keeps its project; what else there is is looked up in the one that was chosen.
    let text = format!("{}\nthird\n{HOST}/c/x?project=nowhere\n", choices[0]);
    let answer = post(&nebulink, &form(&text, "project-1"), &[]).await;
    assert_eq!(
        row_texts(&answer.body),
        [
            format!("Conversation · project-0 both {HOST}/c/both?project=project-0 Open Copy Copy short"),
            format!(
                "Conversation · project-1 third {HOST}/c/third?project=project-1 Not in Nebuly yet. Its link works as soon as it is. Look again Copy Copy short"
            ),
            format!(
                "Not an id {HOST}/c/x?project=nowhere No such project. The link names a project that is not configured here."
            ),
        ]
    );
    assert!(answer.body.contains("<option selected>project-1</option>"), "{}", answer.body);
    let answer = post(&nebulink, &form("abc", "nowhere"), &[]).await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn an_own_link_counts_as_a_pasted_address_on_go_too() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(0), "abc");
    stand_in.add_conversation(&key_of(1), "abc");
    stand_in.add_interaction(&key_of(1), UUID.parse().unwrap());
    let settings = settings_with(&stand_in, 2, &[("server.base_path", "/links")]);
    let nebulink = Nebulink::start_with(&settings).await;
    let own = format!("{HOST}/links");
    for (pasted, status) in [
        (format!("{own}/i/{SHORT_CODE}"), 302),
        (format!("{own}/go/{UUID}"), 302),
        (format!("{own}/go?id={UUID}&wait=5s#x"), 302),
        (format!("https://go.example.com/links/i/{SHORT_CODE}"), 302),
        (format!("{own}/c/abc"), 409),
        (format!("{own}/c/abc?project=project-1"), 302),
        (format!("{own}/go/conversation?external_id=abc&project=project-1"), 302),
        (format!("{own}/c/abc?project=nowhere"), 404),
        (format!("{own}/go/interaction/abc"), 400),
        // A link of ours within a link of ours is a text; so is that of another, and a page that is no link.
        (format!("{own}/go?id={own}/c/abc"), 404),
        (format!("{HOST}/c/abc?project=project-1"), 404),
        ("http://other.example/links/c/abc".to_owned(), 404),
        (format!("{own}/kit"), 404),
        // One that looks a tag up has no id.
        (format!("{own}/go/tag/a/b"), 400),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(pasted.as_bytes()).collect();
        let answer = nebulink.get(&format!("/links/go?id={encoded}")).await;
        assert_eq!(answer.status, status, "{pasted}: {answer:?}");
    }
    // The project of the request itself comes first.
    let encoded: String =
        url::form_urlencoded::byte_serialize(format!("{own}/c/abc?project=x").as_bytes()).collect();
    assert_eq!(nebulink.get(&format!("/links/go?id={encoded}&project=project-1")).await.status, 302);
}

#[tokio::test]
async fn links_have_the_address_of_the_installation_below_its_base_path() {
    let stand_in = known(&["abc"]).await;
    let public = [("server.base_path", "/links"), ("server.public_url", "https://tools.example/x/links")];
    for (settings, host, expected) in [
        (&public[..1], "host: go.example.com\r\n", "http://go.example.com/links"),
        (&public[..], "host: go.example.com\r\n", "https://tools.example/x/links"),
        // Without an address, pages show paths.
        (&public[..1], "", "/links"),
    ] {
        let nebulink = Nebulink::start(&stand_in, settings).await;
        // An HTTP/1.0 request may have no host.
        let send = async |text: &str| {
            let body = form(text, "");
            let head = format!(
                "POST /links HTTP/1.0\r\n{host}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            exchange(nebulink.address, (head + &body).as_bytes()).await.body
        };
        let page = send("abc").await;
        assert_eq!(row_texts(&page), [format!("Conversation abc {expected}/c/abc Open Copy Copy short")]);
        assert!(page.contains("action=\"/links/\""), "{page}");
        // The links are read again.
        for link in ["/c/abc", "/go/conversation?id=abc"] {
            let again = send(&format!("{expected}{link}\nx y")).await;
            assert_eq!(title(&again), "Your link", "{expected}{link}");
        }
    }
}

#[tokio::test]
async fn only_a_page_of_ours_may_send_the_form() {
    let stand_in = known(&["abc"]).await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let body = form("abc", "");
    for (headers, accepted) in [
        (&[("sec-fetch-site", "same-origin")][..], true),
        (&[("sec-fetch-site", "none")], true),
        (&[], true),
        (&[("origin", "http://go.example.com")], true),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", "http://go.example.com")], false),
        (&[("origin", "null")], false),
        (&[("origin", "http://evil.example")], false),
        (&[("origin", "http://go.example.com:8080")], false),
        (&[("origin", "http://go.example.com.evil.example")], false),
    ] {
        let answer = post(&nebulink, &body, headers).await;
        assert_eq!(answer.status, if accepted { 200 } else { 403 }, "{headers:?}: {answer:?}");
        if !accepted {
            // Before the body is read: this one never comes.
            let answer = exchange(nebulink.address, head("*/*", 1 << 20, headers).as_bytes()).await;
            assert_eq!(
                (answer.status, answer.json()["type"].as_str()),
                (403, Some("urn:nebulink:cross-site"))
            );
        }
    }
}

#[tokio::test]
async fn only_a_form_in_utf_8_is_read() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let body = form("abc", "");
    for (header, status) in [
        ("content-type: application/x-www-form-urlencoded;charset=utf-8", 200),
        ("content-type: application/x-www-form-urlencoded; charset=iso-8859-1", 415),
        ("content-type: multipart/form-data; boundary=x", 415),
        ("content-type: text/plain", 415),
        ("x-nothing: x", 415),
        ("content-type: application/x-www-form-urlencoded\r\ncontent-encoding: gzip", 415),
    ] {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = exchange(nebulink.address, (head + &body).as_bytes()).await;
        assert_eq!(answer.status, status, "{header}: {answer:?}");
    }
}

/// A paste that waits for Nebuly.
async fn begin(nebulink: &Nebulink, body: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(nebulink.address).await.unwrap();
    stream.write_all((head(BROWSER, body.len(), headers) + body).as_bytes()).await.unwrap();
    stream
}

/// A paste whose body never comes.
async fn begin_silent(nebulink: &Nebulink, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(nebulink.address).await.unwrap();
    stream.write_all(head(BROWSER, 1000, headers).as_bytes()).await.unwrap();
    stream
}

async fn answer_to(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn eight_pastes_run_at_once_and_two_of_one_caller() {
    let stand_in = stand_in().await;
    stand_in.set_fault_for(Matching::id("slow"), Fault::Hold);
    let nebulink = Nebulink::start(&stand_in, &[("server.trusted_proxies", "127.0.0.1")]).await;
    let (slow, fast) = (form("slow", ""), form("fast", ""));
    let of = |caller: u8| format!("192.0.2.{caller}");

    // A place is taken once the body has been read: these two never send it.
    let first = of(1);
    let header = [("x-forwarded-for", first.as_str())];
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(begin_silent(&nebulink, &header).await);
    }
    let mut running = Vec::new();
    for caller in 1..=4 {
        let caller = of(caller);
        let header = [("x-forwarded-for", caller.as_str())];
        for _ in 0..2 {
            assert_eq!(post(&nebulink, &fast, &header).await.status, 200, "{caller}");
            running.push(begin(&nebulink, &slow, &header).await);
        }
        // Its places are taken when the next one is refused.
        let mut refused = None;
        eventually(async || {
            let answer = post_as_program(&nebulink, &fast, &header).await;
            (answer.status == 503).then(|| refused = Some(answer)).is_some()
        })
        .await;
        let refused = refused.unwrap();
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(refused.json()["type"].as_str(), Some("urn:nebulink:overloaded"));
        // A person can send the text again.
        let page = post(&nebulink, &fast, &header).await;
        assert_eq!((page.status, title(&page.body).as_str()), (503, "Too many texts at once"));
        assert_eq!(page.header("retry-after"), Some("5"));
        assert!(page.body.contains(" aria-describedby=\"unusable hint\">\nfast</textarea>"), "{}", page.body);
        assert!(!page.body.contains("aria-invalid=\"true\""), "{}", page.body);
    }
    // Another caller finds none either, and a single link needs none.
    let fifth = of(5);
    let header = [("x-forwarded-for", fifth.as_str())];
    assert_eq!(post(&nebulink, &fast, &header).await.status, 503);
    assert_eq!(nebulink.request("GET", "/c/fast", &header).await.status, 404);
    stand_in.release_held();
    for stream in &mut running {
        assert!(answer_to(stream).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(post(&nebulink, &fast, &header).await.status, 200);
}

#[tokio::test]
async fn sixteen_bodies_are_read_at_once_and_four_of_one_caller() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[("server.trusted_proxies", "127.0.0.1")]).await;
    let of = |caller: u8| format!("192.0.2.{caller}");
    let body = form("abc", "");
    let mut silent = Vec::new();
    for caller in 1..=4 {
        let caller = of(caller);
        let header = [("x-forwarded-for", caller.as_str())];
        assert_eq!(post(&nebulink, &body, &header).await.status, 200, "{caller}");
        for _ in 0..4 {
            silent.push(begin_silent(&nebulink, &header).await);
        }
        eventually(async || post(&nebulink, &body, &header).await.status == 503).await;
        // It is refused before its body is read: this one never comes.
        let refused = exchange(nebulink.address, head(BROWSER, 1000, &header).as_bytes()).await;
        assert_eq!((refused.status, title(&refused.body).as_str()), (503, "Too many texts at once"));
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    // Another caller finds none either, and a link needs none.
    let fifth = of(5);
    let header = [("x-forwarded-for", fifth.as_str())];
    assert_eq!(post(&nebulink, &body, &header).await.status, 503);
    assert_eq!(nebulink.request("GET", "/c/abc", &header).await.status, 404);
    // The places of clients that leave are free again.
    drop(silent);
    for caller in 1..=5 {
        let caller = of(caller);
        let header = [("x-forwarded-for", caller.as_str())];
        eventually(async || post(&nebulink, &body, &header).await.status == 200).await;
    }
}

/// On a runtime with one thread.
#[tokio::test]
async fn a_link_is_answered_while_a_long_text_is_read() {
    let stand_in = stand_in_with(1).await;
    stand_in.add_conversation(&key_of(0), "abc");
    let server = TestServer::new(App::build(&settings_with(&stand_in, 1, &[])).unwrap().public());
    assert_eq!(server.get("/c/abc").await.status_code(), 302);
    let text = "http://a ".repeat(60_000);
    let long = server.post("/").add_header("accept", BROWSER).form(&[("ids", text.as_str())]).into_future();
    match select(pin!(long), pin!(server.get("/c/abc").into_future())).await {
        Either::Left(_) => panic!("the link waited for the text"),
        Either::Right((link, long)) => {
            assert_eq!(link.status_code(), 302);
            assert_eq!(long.await.status_code(), 200);
        }
    }
}

#[tokio::test]
async fn links_are_resolved_a_few_at_a_time_each_with_its_own_deadline() {
    let stand_in = known(&["id-0", "id-1", "id-2", "id-3"]).await;
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(300))));
    let limits =
        [("nebuly.max_in_flight", "1"), ("nebuly.deadline", "500ms"), ("nebuly.attempt_timeout", "450ms")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    // Together they take longer than the deadline.
    let page = paste(&nebulink, "id-0\nid-1\nid-2\nid-3").await;
    assert_eq!(title(&page), "All 4 found", "{:?}", row_texts(&page));
    assert_eq!(stand_in.most_in_flight(), 1);
}

#[tokio::test]
async fn what_is_not_known_two_seconds_before_the_end_has_timed_out() {
    let stand_in = known(&["abc"]).await;
    stand_in.set_fault_for(Matching::id("slow"), Fault::Hold);
    let limits = [("server.request_timeout", "3s"), ("nebuly.deadline", "2900ms")];
    let nebulink = Nebulink::start(&stand_in, &limits).await;
    let page = paste(&nebulink, "slow\nabc").await;
    assert_eq!(
        row_texts(&page),
        [
            "Conversation slow Nebuly takes too long. The id may be fine. Try again".to_owned(),
            format!("Conversation abc {HOST}/c/abc Open Copy Copy short"),
        ]
    );
    assert!(page.contains("Try the failed one again"), "{page}");
    let counted = metrics(&nebulink).await;
    for outcome in ["resolved", "failed"] {
        let series = format!(r#"nebulink_resolutions_total{{kind="conversation",outcome="{outcome}"}} 1"#);
        assert!(counted.contains(&series), "{counted}");
    }
}

#[tokio::test]
async fn what_others_wait_for_goes_on_when_a_client_disconnects() {
    let stand_in = known(&["abc"]).await;
    stand_in.set_fault(Some(Fault::Hold));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let stream = begin(&nebulink, &form("abc", ""), &[]).await;
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    let waiting = nebulink.get("/c/abc");
    let leave = async {
        stream.set_zero_linger().unwrap();
        drop(stream);
        eventually(async || {
            metrics(&nebulink)
                .await
                .contains(r#"nebulink_http_requests_total{route="/",method="POST",status="499"} 1"#)
        })
        .await;
        stand_in.release_held();
    };
    let (answer, ()) = tokio::join!(waiting, leave);
    assert_eq!((answer.status, stand_in.call_count()), (302, 1), "{answer:?}");
    // Its place is free again.
    for _ in 0..3 {
        assert_eq!(title(&paste(&nebulink, "abc").await), "Your link");
    }
}

#[tokio::test]
async fn nothing_that_was_pasted_is_logged_or_counted_and_the_identity_is() {
    if !in_own_process(nothing_that_was_pasted_is_logged_or_counted_and_the_identity_is) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = known(&["canary-known"]).await;
    stand_in.set_fault_for(Matching::id("canary-fails"), Fault::Garbage);
    let access = [
        ("access.identity_header", "x-user"),
        ("server.trusted_proxies", "127.0.0.1"),
        ("log.access", "none"),
    ];
    let nebulink = Nebulink::start(&stand_in, &access).await;
    let text =
        format!("canary-known\ncanary-absent\ncanary-fails\ncanary\0\n{UNKNOWN}\nsecret=canary-{UUID}\n");
    let body = form(&text, "");
    assert_eq!(post(&nebulink, &body, &[]).await.status, 403);
    let answer = post(&nebulink, &body, &[("x-user", "ada@example.com")]).await;
    assert_eq!(row_texts(&answer.body).len(), 6, "{answer:?}");
    let line: serde_json::Value = serde_json::from_str(&log.line("nebulink::audit").await).unwrap();
    assert_eq!(
        (line["identity"].as_str(), line["links"].as_u64()),
        (Some("ada@example.com"), Some(6)),
        "{line}"
    );
    assert_eq!((line.get("id"), line.get("kind")), (None, None), "{line}");
    assert_eq!(log.lines("nebulink::audit").len(), 1);
    let metrics = metrics(&nebulink).await;
    for secret in ["canary", UNKNOWN, UUID] {
        assert_eq!(log.lines(secret), [""; 0]);
        assert!(!metrics.contains(secret), "{metrics}");
    }
    assert!(
        metrics.contains(r#"nebulink_http_requests_total{route="/",method="POST",status="200"} 1"#),
        "{metrics}"
    );
}

/// The tags of a page are balanced, and nothing that looks like a tag stands in its text or in the value of an attribute.
#[track_caller]
fn assert_well_formed(page: &str) {
    const VOID: [&str; 4] = ["meta", "link", "input", "!doctype"];
    let mut open = Vec::new();
    let mut rest = page;
    while let Some((text, from_tag)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{text:?}");
        let (tag, behind) = from_tag.split_once('>').unwrap_or_else(|| panic!("{from_tag:?}"));
        rest = behind;
        let quotes = tag.matches('"').count();
        assert!(quotes % 2 == 0 && !tag.contains(['<', '\'']), "{tag:?}");
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag:?}");
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            assert!(name.chars().all(|char| char.is_ascii_alphanumeric()), "{tag:?}");
            open.push(name);
        }
        // Our own style and script are no markup.
        if let Some(end) = ["style", "script"].iter().find(|own| **own == name && !tag.starts_with('/')) {
            rest = rest.split_once(&format!("</{end}>")).unwrap().1;
            open.pop();
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_page_is_well_formed_whatever_was_pasted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stand_in = runtime.block_on(stand_in_with(2));
    // Most rows are then "Not asked".
    let settings = settings_with(&stand_in, 2, &[("limits.cold_burst", "1")]);
    let server = runtime.block_on(async { TestServer::new(App::build(&settings).unwrap().public()) });
    let fragments = "(\\PC|[<>\"'&\0\n\r\t /]|<script>|</textarea>|<!--|\\]\\]>|&#60;|&lt;|javascript:|http://localhost/c/|https://|id=)";
    let inputs = proptest::string::string_regex(&format!("{fragments}{{0,40}}")).unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&inputs, |text| {
            let form = server.post("/").add_header("accept", BROWSER).form(&[("ids", text.as_str())]);
            let answer = runtime.block_on(async { form.await });
            assert_well_formed(&answer.text());
            Ok(())
        })
        .unwrap();
}
