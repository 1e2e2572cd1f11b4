//! The templates of `/kit`, as people copy them out of the page, and the test of an address that a tool made.

use std::collections::BTreeMap;

use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{Answer, KEY, Nebulink, eventually, key_of, settings_with, stand_in, stand_in_with};
use crate::tools::encodings::{
    encode_uri_component, grafana_percentencode, java_url_encoder, request_target, ruby_cgi_escape,
    search_terms,
};
use http::StatusCode;
use nebulink::demo::{Fault, Interaction, StandIn, StandInItem};
use uuid::Uuid;

const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

/// Beyond what any page without results may have, in bytes.
const TOO_LARGE: usize = 30_000;

/// An id with everything that an address can lose or change.
const HARD: &str = "orders/2026#47 11&id=b%2F1+\"ü|?'<>";

/// An id that arrives without any encoding.
const PLAIN: &str = "order-4711_a.b:c";

/// With a base path of which a proxy sees more.
const PUBLIC_URL: &str = "https://go.example.com/tools/links";
const BELOW: [(&str, &str); 2] = [("server.public_url", PUBLIC_URL), ("server.base_path", "/links")];

/// A place in a tool: the anchor of its template, and how the tool makes an address of it.
pub(crate) struct Place {
    pub(crate) anchor: &'static str,
    /// The text before the address, and the text behind it.
    around: [&'static str; 2],
    /// The text that the tool replaces by the id.
    placeholder: &'static str,
    /// How the tool writes the id.
    encode: fn(&str) -> String,
    /// True if that is any id.
    pub(crate) takes_all: bool,
    /// How the syntax around the address writes it.
    unescape: fn(&str) -> String,
}

const fn place(anchor: &'static str, placeholder: &'static str, encode: fn(&str) -> String) -> Place {
    Place { anchor, around: ["", ""], placeholder, encode, takes_all: true, unescape: str::to_owned }
}

/// A place where the id is not encoded.
const fn raw(anchor: &'static str, placeholder: &'static str) -> Place {
    Place { takes_all: false, ..place(anchor, placeholder, str::to_owned) }
}

/// Every place, with the template to the letter.
pub(crate) fn places() -> [Place; 22] {
    [
        place("browser-1", "%s", search_terms),
        place("datadog-1", "{{@conversation.id.value}}", encode_uri_component),
        place("grafana-1", "${__value.raw:percentencode}", grafana_percentencode),
        place("grafana-2", r#"${__data.fields["conversation_id"]:percentencode}"#, grafana_percentencode),
        place("jira-1", "{{issue.customfield_10042.urlEncode}}", java_url_encoder),
        place("jira-2", "{{issue.Conversation ID.urlEncode}}", java_url_encoder),
        Place {
            around: [
                r#"{"globalId":"nebuly-conversation=4711","object":{"url":""#,
                r#"","title":"Nebuly conversation"}}"#,
            ],
            ..place("jira-3", "4711", encode_uri_component)
        },
        Place {
            around: [r#""templateUrl":""#, "\""],
            ..place("jira-4", "{conversation-id}", encode_uri_component)
        },
        place("kibana-1", "{{value}}", encode_uri_component),
        place("kibana-2", "{{encodeURIComponent event.value}}", encode_uri_component),
        Place {
            around: [r#"link: { label: "Open in Nebuly" url: ""#, r#"" }"#],
            ..place("looker-1", "{{ value | url_encode }}", ruby_cgi_escape)
        },
        place("metabase-1", "{{conversation_id}}", encode_uri_component),
        Place {
            around: [r#"{{ ""#, " }}"],
            ..place(
                "retool-1",
                r#"" + encodeURIComponent(currentSourceRow.conversation_id)"#,
                encode_uri_component,
            )
        },
        place("salesforce-1", "{!Case.Conversation_Id__c}", encode_uri_component),
        Place {
            around: [r#"HYPERLINK(""#, r#", "Open in Nebuly", "_blank")"#],
            ..raw("salesforce-2", r#"" & Conversation_Id__c"#)
        },
        Place {
            around: ["g_navigation.open('", ", '_blank');"],
            ..place(
                "servicenow-1",
                "' + encodeURIComponent(g_form.getValue('u_conversation_id'))",
                encode_uri_component,
            )
        },
        Place {
            around: ["action.setRedirectURL('", ");"],
            ..place("servicenow-2", "' + encodeURIComponent(current.u_conversation_id)", encode_uri_component)
        },
        Place {
            around: ["<", "|Open conversation>"],
            unescape: |text| text.replace("&amp;", "&"),
            ..place("slack-1", "4711", encode_uri_component)
        },
        Place {
            around: [r#"CONCAT('<a href=""#, r#"" target="_blank">open</a>')"#],
            unescape: |text| text.replace("''", "'").replace("&amp;", "&"),
            ..raw("superset-1", "', conversation_id, '")
        },
        raw("zendesk-1", "{{ticket.ticket_field_505156}}"),
        Place {
            around: [r#"[{"title":"Open in Nebuly","url":""#, r#""}]"#],
            ..raw("zendesk-2", "{{ticket.custom_field_424242}}")
        },
        Place {
            around: [r#""clickthrough_url":""#, "\""],
            ..place("zendesk-3", "", |id| format!("?external_id={}", ruby_cgi_escape(id)))
        },
    ]
}

/// The text of each template of a page, by its anchor: what its button copies.
pub(crate) fn templates(page: &str) -> BTreeMap<String, String> {
    let codes = page.split("<code id=\"").skip(1).map(|rest| {
        let (anchor, rest) = rest.split_once('"').unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        let (content, _) = rest.split_once("</code>").unwrap();
        assert!(page.contains(&format!("data-copy=\"{anchor}\"")), "{anchor} has no button");
        (anchor.to_owned(), text_of(content))
    });
    codes.collect()
}

/// The text of a piece of HTML.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split('<').enumerate() {
        text.push_str(if index == 0 { part } else { part.split_once('>').unwrap().1 });
    }
    let entities = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.iter().fold(text, |text, (entity, char)| text.replace(entity, char))
}

impl Place {
    /// The address that the tool makes of its template for an id.
    pub(crate) fn address(&self, template: &str, kind: &str, id: &str) -> String {
        let with_kind = |text: &str| match kind {
            "interaction" => {
                text.replace("conversation", "interaction").replace("Conversation", "Interaction")
            }
            _ => text.to_owned(),
        };
        let [before, behind] = self.around.map(with_kind);
        let address = template.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&behind));
        let address = address.unwrap_or_else(|| panic!("{}: {template}", self.anchor));
        let stem = address.strip_suffix(&with_kind(self.placeholder));
        let stem = stem.unwrap_or_else(|| panic!("{}: {template}", self.anchor));
        format!("{}{}", (self.unescape)(stem), (self.encode)(id))
    }
}

/// Sends the address to the test on the page.
async fn test(nebulink: &Nebulink, address: &str) -> Answer {
    let answer = nebulink.post("/kit?kind=conversation", &[("address", address)], &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The verdict on a page, in bold.
fn verdict(page: &str) -> String {
    let (_, rest) = page.split_once("<div class=\"notice").unwrap_or_else(|| panic!("no verdict: {page}"));
    let (_, rest) = rest.split_once("<b>").unwrap();
    text_of(rest.split_once("</b>").unwrap().0)
}

/// The sentences behind the verdict.
fn advice(page: &str) -> String {
    let (_, rest) = page.split_once("</b>").unwrap();
    text_of(rest.split_once("</p>").unwrap().0)
}

/// The steps of a test, line by line.
fn steps(page: &str) -> Vec<String> {
    let (_, rest) = page.split_once("<ol class=\"trace\">").unwrap_or(("", "</ol>"));
    let (list, _) = rest.split_once("</ol>").unwrap();
    list.split("<li>").skip(1).map(|item| text_of(item.split("</li>").next().unwrap())).collect()
}

fn conversation(stand_in: &StandIn, id: &str) -> String {
    stand_in.url_of(KEY, StandInItem::from(id))
}

#[tokio::test]
async fn each_template_leads_to_the_id_that_its_tool_puts_into_it() {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, INTERACTION.parse().unwrap());
    for id in [HARD, PLAIN] {
        stand_in.add_conversation(KEY, id);
    }
    let nebulink = Nebulink::start(&stand_in, &BELOW).await;
    for kind in ["conversation", "interaction"] {
        let page = nebulink.get(&format!("/links/kit?kind={kind}")).await;
        let mut templates = templates(&page.body);
        for place in places() {
            let anchor = place.anchor;
            let template = templates.remove(anchor).unwrap_or_else(|| panic!("{anchor} is missing"));
            let id = match kind {
                "interaction" => INTERACTION,
                _ if place.takes_all => HARD,
                _ => PLAIN,
            };
            let address = place.address(&template, kind, id);
            let kind_is_named = address.starts_with(&format!("{PUBLIC_URL}/go/{kind}?"));
            assert!(kind_is_named || anchor == "browser-1", "{anchor}: {address}");
            let target = request_target(&address);
            let answer = nebulink.get(target.strip_prefix("/tools").unwrap()).await;
            let expected = match kind {
                "interaction" => {
                    stand_in.url_of(KEY, StandInItem::from(INTERACTION.parse::<Uuid>().unwrap()))
                }
                _ => conversation(&stand_in, id),
            };
            assert_eq!(answer.header("location"), Some(&*expected), "{anchor}: {address}");
        }
        assert!(templates.is_empty(), "{templates:?}");
    }
}

#[tokio::test]
async fn each_tag_that_may_be_looked_up_has_a_template() {
    let stand_in = stand_in_with(2).await;
    let interaction = Interaction {
        conversation_id: PLAIN.to_owned(),
        timestamp: jiff::Timestamp::from_second(1_799_990_000).unwrap(),
        tags: [("ticket no".to_owned(), HARD.to_owned())].into(),
        ..Interaction::new(INTERACTION.parse().unwrap())
    };
    stand_in.add(&key_of(1), interaction);
    let without = Nebulink::start_with(&settings_with(&stand_in, 2, &BELOW)).await;
    assert!(!without.get("/links/kit").await.body.contains("id=\"tag"));
    let tags = [BELOW[0], BELOW[1], ("lookup.tags", "quote,ticket no")];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &tags)).await;
    for (kind, item) in [
        ("conversation", PLAIN.into()),
        ("interaction", StandInItem::from(INTERACTION.parse::<Uuid>().unwrap())),
    ] {
        let page = nebulink.get(&format!("/links/kit?kind={kind}&project=project-1")).await.body;
        let template = &templates(&page)["tag-2"];
        let address = template.strip_suffix("4711").unwrap().to_owned() + &encode_uri_component(HARD);
        assert!(
            address.starts_with(&format!("{PUBLIC_URL}/go/tag/ticket%20no?project=project-1&")),
            "{address}"
        );
        let answer = nebulink.get(request_target(&address).strip_prefix("/tools").unwrap()).await;
        assert_eq!(answer.header("location"), Some(&*stand_in.url_of(&key_of(1), item)), "{address}");
    }
}

#[tokio::test]
async fn with_several_projects_each_template_names_the_one_that_was_chosen() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), PLAIN);
    }
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &BELOW)).await;
    for (query, project) in [("", 0), ("?project=project-1", 1), ("?kind=conversation&project=project-0", 0)]
    {
        let page = nebulink.get(&format!("/links/kit{query}")).await.body;
        assert!(page.contains(&format!("<option selected>project-{project}</option>")), "{page}");
        let templates = templates(&page);
        for place in places() {
            let address = place.address(&templates[place.anchor], "conversation", PLAIN);
            let target = request_target(&address);
            let answer = nebulink.get(target.strip_prefix("/tools").unwrap()).await;
            if place.anchor == "zendesk-3" {
                // It is not known what Zendesk adds to an address that has a query.
                assert_eq!(answer.status, 409, "{address}");
                continue;
            }
            assert!(address.contains(&format!("?project=project-{project}&id=")), "{address}");
            let expected = stand_in.url_of(&key_of(project), StandInItem::from(PLAIN));
            assert_eq!(answer.header("location"), Some(&*expected), "{address}");
        }
    }
}

#[tokio::test]
async fn parts_to_replace_are_marked_and_buttons_copy_exactly_the_template() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let page = nebulink.get("/kit?kind=interaction").await.body;
    // The address is the one that the request names.
    let code = "<code id=\"zendesk-1\" translate=\"no\">http://go.example.com/go/interaction?id=\
                {{ticket.ticket_field_<mark>505156</mark>}}</code>";
    assert!(page.contains(code), "{page}");
    assert!(page.contains("<mark>u_interaction_id</mark>"));
    assert!(page.contains("<mark>Interaction_Id__c</mark>"));
    assert!(page.contains("<mark>interaction.id</mark>"));
    let shown = templates(&page);
    assert!(
        shown.values().all(|template| template.trim() == template && !template.contains('\n')),
        "{shown:?}"
    );
}

#[tokio::test]
async fn an_address_is_written_as_the_syntax_around_it_needs() {
    let stand_in = stand_in_with(2).await;
    let url = "https://go.example.com/it's/a&b";
    let settings = settings_with(&stand_in, 2, &[("server.public_url", url)]);
    let nebulink = Nebulink::start_with(&settings).await;
    let shown = templates(&nebulink.get("/kit").await.body);
    for (anchor, beginning) in [
        ("grafana-1", "https://go.example.com/it's/a&b/go/conversation?project=project-0&id=$"),
        (
            "servicenow-1",
            r"g_navigation.open('https://go.example.com/it\'s/a&b/go/conversation?project=project-0&id='",
        ),
        ("slack-1", "<https://go.example.com/it's/a&amp;b/go/conversation?project=project-0&amp;id=4"),
        (
            "superset-1",
            r#"CONCAT('<a href="https://go.example.com/it''s/a&amp;b/go/conversation?project=project-0&amp;id=',"#,
        ),
    ] {
        assert!(shown[anchor].starts_with(beginning), "{}", shown[anchor]);
    }
}

#[tokio::test]
async fn the_page_is_small_for_either_kind_and_with_projects_and_a_tag() {
    let stand_in = stand_in_with(3).await;
    let url = format!("https://{}.example.com", "a-long-name-of-a-host".repeat(2));
    let further = [("server.public_url", &*url), ("lookup.tags", "ticket")];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 3, &further)).await;
    for kind in ["conversation", "interaction"] {
        let page = nebulink.get(&format!("/kit?kind={kind}")).await.body;
        println!("/kit?kind={kind}: {} bytes", page.len());
        assert!(page.len() < TOO_LARGE, "{}", page.len());
    }
}

#[tokio::test]
async fn a_kind_or_project_that_is_none_is_told() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for (query, status, kind) in [
        ("kind=session", 400, "invalid-request"),
        ("kind=", 400, "invalid-request"),
        ("project=nobody", 404, "unknown-project"),
    ] {
        for answer in [
            nebulink.get(&format!("/kit?{query}")).await,
            nebulink.post(&format!("/kit?{query}"), &[("address", "x")], &[]).await,
        ] {
            assert_eq!(answer.status, status, "{query}");
            assert_eq!(answer.json()["type"], format!("urn:nebulink:{kind}"));
        }
    }
    // The only project is one; others are ignored.
    assert_eq!(nebulink.get("/kit?project=default&utm=x").await.status, 200);
}

/// An address of <https://go.example.com/links>, the verdict on it, and a piece of what follows.
#[tokio::test]
async fn each_address_gets_its_verdict() {
    let stand_in = stand_in().await;
    stand_in.add_interaction(KEY, INTERACTION.parse().unwrap());
    for id in ["orders/4711", "abc", "a+b", "a&b=1", "cut", "{{known}}", INTERACTION] {
        stand_in.add_conversation(KEY, id);
    }
    let own = [("server.public_url", "https://go.example.com/links"), ("server.base_path", "/links")];
    let nebulink = Nebulink::start(&stand_in, &own).await;
    let upper = format!("/go/interaction?id={}", INTERACTION.to_uppercase());
    let named = format!("/go/interaction?id=interaction_id:{INTERACTION}");
    let page = format!("/go?id={}", encode_uri_component(&conversation(&stand_in, "abc")));
    let long = format!("/go/conversation?id={}", "x".repeat(513));
    for (rest, expected, piece) in [
        ("/go/conversation?id=orders%2F4711", "Right.", "as it is written"),
        ("/go/conversation/orders%2F4711", "Right.", ""),
        ("/c/orders/4711/", "Right.", ""),
        ("/go/conversation?external_id=abc&noredirect", "Right.", ""),
        ("/go?project=default&id=abc", "Right.", ""),
        ("/go/conversation?id=%7B%7Bknown%7D%7D", "Right.", ""),
        (&upper, "Right.", ""),
        (&page, "Right.", ""),
        ("/go/conversation?id=orders%252F4711", "Works, but encoded twice.", "“Encode URL” in Kibana"),
        ("/go/conversation?id=conversation.id%3Aabc", "Works, but with a prefix.", ".value"),
        (&named, "Works, but with a prefix.", ".value"),
        ("/go/conversation?id=%22abc%22", "Works, but not as it is written.", "Quotation marks"),
        ("/go/conversation?id=a+b", "Works, but its + was read as a space first.", "%2B"),
        ("/go/conversation?id=cut#1", "Cut at #.", "#1 did not arrive"),
        ("/go/conversation?id=a&b=1", "Perhaps cut at &.", "b=1 was read as a parameter"),
        ("/go/conversation?id=cut&1", "Perhaps cut at &.", "1 was read as a parameter"),
        ("/c/cut?1", "Perhaps cut at ?.", "1 was read as a parameter"),
        ("/go/conversation?id={{ticket.ticket_field_1}}", "Placeholder not filled in.", "name of the field"),
        ("/go/conversation/${__value.raw}", "Placeholder not filled in.", ""),
        ("/go/conversation?id={!Case.Id}", "Placeholder not filled in.", ""),
        ("/go/interaction?id=<id>", "Placeholder not filled in.", ""),
        ("/go/conversation?id=", "Empty.", "holds nothing"),
        ("/go/interaction?id=%20", "Empty.", ""),
        ("/go/conversation?id=unknown", "Read, but not in Nebuly.", "Compare"),
        ("/go/conversation?id=order%2B4711", "Read, but not in Nebuly.", "URLENCODE"),
        ("/go/interaction?id=abc", "This request is not valid.", "a UUID"),
        (&long, "This request is not valid.", "512 bytes"),
        ("/go/conversation", "This request is not valid.", "no id"),
        ("/go/conversation?id=a&id=b", "This request is not valid.", "twice"),
        ("/go?project=nobody&id=abc", "There is no such project.", ""),
        ("/kit", "No link.", "path"),
        ("", "No link.", ""),
        ("/go/tag/ticket/1", "No such tag.", "lookup.tags"),
        ("/nowhere?id=abc", "No link.", ""),
    ] {
        let page = nebulink
            .post("/links/kit", &[("address", &format!("https://go.example.com/links{rest}"))], &[])
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(verdict(&page.body), expected, "{rest}");
        assert!(advice(&page.body).contains(piece), "{rest}: {}", advice(&page.body));
    }
    for (address, piece) in [
        ("http://go.example.com/links/c/abc", "Only its scheme differs: http."),
        ("https://go.example.org/links/c/abc", "Its host is go.example.org."),
        ("https://go.example.com/c/abc", "Only its path begins otherwise."),
        ("/links/c/abc", "no scheme and host"),
        ("javascript:alert(1)", "cannot be read"),
    ] {
        let page = nebulink.post("/links/kit", &[("address", address)], &[]).await.body;
        assert_eq!(verdict(&page), "Not an address of this installation.", "{address}");
        let advice = advice(&page);
        assert!(advice.contains(piece) && advice.contains("https://go.example.com/links/go/…"), "{advice}");
    }
    let page = nebulink.post("/links/kit", &[("address", " ")], &[]).await.body;
    assert_eq!(verdict(&page), "No address.");
}

#[tokio::test]
async fn the_steps_show_each_spelling_and_where_the_link_leads() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "orders/4711");
    stand_in.add_conversation(KEY, INTERACTION);
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let page = test(&nebulink, "http://go.example.com/go/conversation?id=orders%252F4711").await.body;
    let url = conversation(&stand_in, "orders/4711");
    assert_eq!(
        steps(&page),
        [
            "In the address: orders%252F4711",
            "Arrives as: orders%2F4711",
            "Asked for: conversation orders%2F4711 – not in Nebuly; then conversation orders/4711 – found",
            &format!("Leads to: {url}"),
        ]
    );
    assert_eq!(stand_in.call_count(), 2);
    let page = test(&nebulink, &format!("http://go.example.com/go?id={INTERACTION}")).await.body;
    let asked = format!(
        "Asked for: interaction {INTERACTION} – not in Nebuly; then conversation {INTERACTION} – found"
    );
    assert_eq!(steps(&page)[2], asked);
    // All is escaped, and shown again.
    let page = test(&nebulink, "http://go.example.com/c?id=<b>&x").await.body;
    assert!(page.contains("value=\"http://go.example.com/c?id=&#60;b&#62;&#38;x\""), "{page}");
    assert!(!page.contains("<b>&"), "{page}");
}

#[tokio::test]
async fn a_link_that_cannot_be_looked_up_is_told_in_plain_words() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        stand_in.add_conversation(&key_of(project), "42");
    }
    let settings =
        settings_with(&stand_in, 2, &[("limits.cold_per_second", "1"), ("limits.cold_burst", "3")]);
    let nebulink = Nebulink::start_with(&settings).await;
    let page = test(&nebulink, "http://go.example.com/c/42").await.body;
    assert_eq!(verdict(&page), "Several projects have it.");
    assert_eq!(steps(&page)[2], "Asked for: conversation 42 – found in several projects");
    stand_in.set_fault(Some(Fault::status(StatusCode::INTERNAL_SERVER_ERROR)));
    let page = test(&nebulink, "http://go.example.com/c/43").await.body;
    assert_eq!(verdict(&page), "Nebuly cannot answer now.");
    assert_eq!(steps(&page)[2], "Asked for: conversation 43 – could not be asked");
    let page = test(&nebulink, "http://go.example.com/c/44").await.body;
    assert_eq!(verdict(&page), "Not asked.");
    assert!(advice(&page).contains("free in"), "{page}");
    assert_eq!(steps(&page)[2], "Asked for: conversation 44 – not asked");
}

#[tokio::test]
async fn a_link_that_is_built_from_known_ids_is_not_called_right() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let page = test(&nebulink, "http://go.example.com/c/abc").await.body;
    assert_eq!(verdict(&page), "Right.");
    stand_in.set_fault(Some(Fault::Drop));
    let page = test(&nebulink, "http://go.example.com/c/new").await.body;
    assert_eq!(verdict(&page), "Read, but not checked.");
    assert!(steps(&page)[3].ends_with("conversationId=new&liveActivityPageTab=conversations"), "{page}");
}

#[tokio::test]
async fn a_path_is_a_link_for_the_test_if_it_is_one_for_the_server() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for path in [
        "/",
        "//",
        "/kit",
        "/kit/",
        "/go",
        "/go/",
        "/go//",
        "/go/tag",
        "/go/tag/",
        "/go/tag/a",
        "/go/tags",
        "/go/tag%2Fa",
        "/go/interaction",
        "/go/interaction/",
        "/go/interactions",
        "/go/interaction//",
        "/go/conversation/",
        "/goo",
        "/i",
        "/i/",
        "/c",
        "/c/",
        "/c//",
        "/C/abc",
        "/api",
        "/api/v1/links/conversation/abc",
        "/favicon.svg",
        "/robots.txt",
        "/opensearch.xml",
        "/openapi.json",
        "/go/conver%73ation",
        "/%63/abc",
        "/c/abc/",
        "/c/./abc",
        "/x/../c/abc",
    ] {
        let address = format!("http://go.example.com{path}");
        let verdict = verdict(&test(&nebulink, &address).await.body);
        let is_link = !["No link.", "No such tag."].contains(&&*verdict);
        let answer = nebulink.get(&request_target(&address)).await;
        let is_served = answer.status == 302
            || matches!(answer.status, 400 | 404)
                && !matches!(answer.json()["type"].as_str(), Some("urn:nebulink:unknown-path"));
        assert_eq!(is_link, is_served, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn an_address_is_taken_from_a_page_of_ours_alone() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let address = [("address", "http://go.example.com/c/abc")];
    for site in ["cross-site", "same-site"] {
        let answer = nebulink.post("/kit", &address, &[("sec-fetch-site", site)]).await;
        assert_eq!((answer.status, &answer.json()["type"]), (403, &"urn:nebulink:cross-site".into()));
    }
    assert_eq!(nebulink.post("/kit", &address, &[("sec-fetch-site", "same-origin")]).await.status, 200);
    let page = nebulink.get("/kit").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(nebulink.request("PUT", "/kit", &[]).await.status, 405);
    assert_eq!(stand_in.call_count(), 1);
}

#[tokio::test]
async fn one_caller_tests_two_links_at_once_at_most() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Hold));
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let third = async {
        eventually(async || stand_in.in_flight() == 2).await;
        let refused = nebulink.post("/kit", &[("address", "http://go.example.com/c/three")], &[]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
        assert_eq!(nebulink.get("/kit").await.status, 200);
        stand_in.release_held();
    };
    let first = test(&nebulink, "http://go.example.com/c/one");
    let second = test(&nebulink, "http://go.example.com/c/two");
    let (first, second, ()) = tokio::join!(first, second, third);
    for page in [first, second] {
        assert_eq!(verdict(&page.body), "Read, but not in Nebuly.");
    }
}

#[tokio::test]
async fn a_tested_address_is_in_no_log_and_no_metric() {
    if !in_own_process(a_tested_address_is_in_no_log_and_no_metric) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "canary-known");
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    for id in ["canary-known", "canary-unknown", "canary%00", "{{canary}}"] {
        test(&nebulink, &format!("http://go.example.com/go/conversation?id={id}")).await;
        test(&nebulink, &format!("http://canary.example.com/go/conversation?id={id}")).await;
    }
    log.line("/kit").await;
    // Calls to Nebuly are made by a library that logs their addresses at its lowest level.
    let lines = log.lines("canary");
    let ours: Vec<_> = lines.iter().filter(|line| line.contains("\"target\":\"nebulink")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    let metrics = crate::support::request(nebulink.management, "GET", "/metrics", &[]).await.body;
    assert!(metrics.contains("route=\"/kit\"") && !metrics.contains("canary"), "{metrics}");
}
