//! The tools that embed links, the ids that they find hard, and what becomes of each id with each tool.

use super::encodings::{
    encode_uri, encode_uri_component, grafana_percentencode, grafana_uriencode, html_attribute,
    java_url_encoder, link_in_plain_text, ruby_cgi_escape, search_terms, slack_link,
};

/// All that is hard in one id. It ends with what cuts an address that nothing has encoded.
pub(super) const ALL_AT_ONCE: &str = "a b/c%d+e\"fü&g#h";

/// A tool with one template of it.
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// The templates of `/kit` that make the same addresses, by their anchors.
    pub(super) kit: &'static [&'static str],
    /// The address that the tool opens for an id.
    pub(super) address: fn(&str) -> String,
    /// The request's target, to the letter, for [`ALL_AT_ONCE`].
    pub(super) target: &'static str,
    /// The text that Nebuly is asked for first, if the tool changes the id so that only a second question finds it.
    pub(super) asked_first: Option<fn(&str) -> String>,
    /// The ids that do not open, by their names.
    pub(super) losses: Losses,
    /// Those that nginx loses as well, even where it passes the path on as it came.
    pub(super) losses_of_nginx: Losses,
    /// Those that it loses as well where it writes the path anew.
    pub(super) losses_of_rewriting: Losses,
}

/// The names of ids, each with what becomes of it.
pub(super) type Losses = &'static [(&'static str, Loss)];

/// The fate of an id that does not open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// Nebuly is asked for these, knows none of them, and the answer is 404.
    NotFound(&'static [&'static str]),
    /// We refuse it.
    Refused,
    /// nginx refuses it.
    RefusedByNginx,
}

use Loss::{NotFound, Refused, RefusedByNginx};

/// The ids, by the names under which the losses list them.
pub(super) fn ids() -> [(&'static str, String); 15] {
    [
        ("plain", "order-4711".to_owned()),
        ("space", "order 4711".to_owned()),
        ("slash", "users/admin".to_owned()),
        ("final slash", "drafts/".to_owned()),
        ("address", "https://chat.example/c/1".to_owned()),
        ("hash", "ticket#7".to_owned()),
        ("ampersand", "salt&pepper".to_owned()),
        ("percent", "100%".to_owned()),
        ("escape", "half%2Fpath".to_owned()),
        ("plus", "one+two".to_owned()),
        ("quote", "5\"disk".to_owned()),
        ("question", "why?".to_owned()),
        ("not ASCII", "grüße-日本-🦀".to_owned()),
        ("512 bytes", "ü".repeat(256)),
        ("all at once", ALL_AT_ONCE.to_owned()),
    ]
}

/// Raw in a query, where `#` ends the address, `&` ends the parameter, and an escape is decoded.
const RAW_IN_QUERY: Losses = &[
    ("hash", NotFound(&["ticket"])),
    ("ampersand", NotFound(&["salt"])),
    ("escape", NotFound(&["half/path"])),
    ("all at once", NotFound(&["a b/c%d e\"fü", "a b/c%d+e\"fü"])),
];

/// Encoded in a query as a whole address is: `%` is encoded, but neither `#` nor `&`.
const ENCODED_AS_ADDRESS: Losses = &[
    ("hash", NotFound(&["ticket"])),
    ("ampersand", NotFound(&["salt"])),
    ("all at once", NotFound(&["a b/c%d e\"fü", "a b/c%d+e\"fü"])),
];

/// Encoded twice. What is left after one decoding is longer than an id may be.
const ENCODED_TWICE: Losses = &[("512 bytes", Refused)];

/// Raw in a path, where a slash at the end changes nothing.
const RAW_IN_PATH: Losses = &[
    ("final slash", NotFound(&["drafts"])),
    ("hash", NotFound(&["ticket"])),
    ("question", NotFound(&["why"])),
    ("escape", NotFound(&["half/path"])),
    ("all at once", NotFound(&["a b/c%d+e\"fü&g"])),
];

/// nginx decodes each path, to find its location, and takes no malformed escape.
const RAW_IN_PATH_OF_NGINX: Losses = &[("percent", RefusedByNginx), ("all at once", RefusedByNginx)];

/// A path that nginx writes anew has its slashes decoded, and no two in a row.
const REWRITTEN_PATH: Losses =
    &[("final slash", NotFound(&["drafts"])), ("address", NotFound(&["https:/chat.example/c/1"]))];

impl Tool {
    /// A tool with which each id opens at once, in a query at least.
    const fn new(name: &'static str, address: fn(&str) -> String, target: &'static str) -> Self {
        Self {
            name,
            kit: &[],
            address,
            target,
            asked_first: None,
            losses: &[],
            losses_of_nginx: &[],
            losses_of_rewriting: &[],
        }
    }

    const fn on_kit(self, kit: &'static [&'static str]) -> Self {
        Self { kit, ..self }
    }

    /// A tool that puts the id into a query as it is.
    const fn raw(name: &'static str, address: fn(&str) -> String, target: &'static str) -> Self {
        Self {
            asked_first: Some(with_plus_as_space),
            losses: RAW_IN_QUERY,
            ..Self::new(name, address, target)
        }
    }

    /// A tool that puts the id into a path as it is.
    const fn raw_in_path(name: &'static str, address: fn(&str) -> String, target: &'static str) -> Self {
        Self {
            losses: RAW_IN_PATH,
            losses_of_nginx: RAW_IN_PATH_OF_NGINX,
            losses_of_rewriting: REWRITTEN_PATH,
            ..Self::new(name, address, target)
        }
    }

    /// A tool that encodes the id for a path.
    const fn in_path(name: &'static str, address: fn(&str) -> String, target: &'static str) -> Self {
        Self { losses_of_rewriting: REWRITTEN_PATH, ..Self::new(name, address, target) }
    }
}

/// The tools of `/kit`, with its templates, and with those that people write and tools get wrong.
pub(super) const TOOLS: &[Tool] = &[
    Tool::new(
        "Grafana, :percentencode",
        |id| in_query(&grafana_percentencode(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["grafana-1", "grafana-2"]),
    Tool {
        asked_first: Some(with_plus_as_space),
        losses: ENCODED_AS_ADDRESS,
        ..Tool::new(
            "Grafana, no format",
            |id| in_query(&grafana_uriencode(id)),
            "/go/conversation?id=a%20b/c%25d+e%22f%C3%BC&g",
        )
    },
    Tool::raw("Grafana before 8.4, no format", in_query, "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g"),
    Tool {
        asked_first: Some(encode_uri_component),
        losses: ENCODED_TWICE,
        ..Tool::new(
            "Grafana 9.5.5, encoded twice",
            |id| in_query(&encode_uri(&encode_uri_component(id))),
            "/go/conversation?id=a%2520b%252Fc%2525d%252Be%2522f%25C3%25BC%2526g%2523h",
        )
    },
    Tool::raw(
        "Zendesk placeholder, copied into the browser's bar",
        in_query,
        "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g",
    )
    .on_kit(&["zendesk-1"]),
    Tool {
        losses: &[
            ("space", NotFound(&["order"])),
            ("quote", NotFound(&["5"])),
            ("hash", NotFound(&["ticket"])),
            ("ampersand", NotFound(&["salt"])),
            ("escape", NotFound(&["half/path"])),
            ("all at once", NotFound(&["a"])),
        ],
        ..Tool::raw(
            "Zendesk placeholder, a link made of the text",
            |id| link_in_plain_text(&in_query(id)),
            "/go/conversation?id=a",
        )
    },
    Tool::raw("Zendesk URL Builder", in_query, "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g")
        .on_kit(&["zendesk-2"]),
    // Zendesk does not say how it encodes. This is what the framework in which it is written does.
    Tool::new(
        "Zendesk channel, clickthrough",
        |id| format!("{BASE}/go/conversation?external_id={}", ruby_cgi_escape(id)),
        "/go/conversation?external_id=a+b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["zendesk-3"]),
    Tool::new(
        "Jira automation, .urlEncode",
        |id| in_query(&java_url_encoder(id)),
        "/go/conversation?id=a+b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["jira-1", "jira-2"]),
    Tool::raw("Jira automation, no .urlEncode", in_query, "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g"),
    Tool::new(
        "Jira remote link",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["jira-3", "jira-4"]),
    Tool::in_path(
        "Jira remote link, id in the path",
        |id| in_path(&encode_uri_component(id)),
        "/go/conversation/a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    ),
    Tool::new(
        "ServiceNow, encodeURIComponent",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["servicenow-1", "servicenow-2"]),
    Tool::raw("ServiceNow, id not encoded", in_query, "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g"),
    Tool::raw("Salesforce formula", in_query, "/go/conversation?id=a%20b/c%d+e%22f%C3%BC&g")
        .on_kit(&["salesforce-2"]),
    Tool::new(
        "Salesforce link",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["salesforce-1"]),
    // Its `+` for a space is encoded like a real one.
    Tool {
        asked_first: Some(java_url_encoder),
        losses: &[
            ("space", NotFound(&["order+4711"])),
            ("512 bytes", Refused),
            ("all at once", NotFound(&["a+b%2Fc%25d%2Be%22f%C3%BC%26g%23h", "a+b/c%d+e\"fü&g#h"])),
        ],
        ..Tool::new(
            "Salesforce link with URLENCODE",
            |id| in_query(&encode_uri_component(&java_url_encoder(id))),
            "/go/conversation?id=a%2Bb%252Fc%2525d%252Be%2522f%25C3%25BC%2526g%2523h",
        )
    },
    Tool::new(
        "Slack message",
        |id| slack_link(&in_query(&encode_uri_component(id))),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["slack-1"]),
    Tool::in_path(
        "Slack message, id in the path",
        |id| slack_link(&in_path(&encode_uri_component(id))),
        "/go/conversation/a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    ),
    Tool::raw_in_path(
        "Slack message, id in the path, not encoded",
        |id| slack_link(&in_path(id)),
        "/go/conversation/a%20b/c%d+e%22f%C3%BC&g",
    ),
    Tool::new(
        "Metabase",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["metabase-1"]),
    Tool {
        losses: &[
            ("quote", NotFound(&["5"])),
            ("hash", NotFound(&["ticket"])),
            ("ampersand", NotFound(&["salt"])),
            ("escape", NotFound(&["half/path"])),
            ("all at once", NotFound(&["a b/c%d e", "a b/c%d+e"])),
        ],
        ..Tool::raw("Superset", |id| html_attribute(&in_query(id)), "/go/conversation?id=a%20b/c%d+e")
            .on_kit(&["superset-1"])
    },
    Tool::new(
        "Kibana field formatter, {{value}}",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["kibana-1"]),
    Tool::in_path(
        "Kibana field formatter, {{value}} in the path",
        |id| in_path(&encode_uri_component(id)),
        "/go/conversation/a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    ),
    Tool::raw_in_path(
        "Kibana field formatter, {{rawValue}} in the path",
        in_path,
        "/go/conversation/a%20b/c%d+e%22f%C3%BC&g",
    ),
    Tool::new(
        "Kibana drilldown, encodeURIComponent, Encode URL off",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["kibana-2"]),
    Tool {
        asked_first: Some(encode_uri_component),
        losses: ENCODED_TWICE,
        ..Tool::new(
            "Kibana drilldown, encodeURIComponent, Encode URL on",
            |id| encode_uri(&in_query(&encode_uri_component(id))),
            "/go/conversation?id=a%2520b%252Fc%2525d%252Be%2522f%25C3%25BC%2526g%2523h",
        )
    },
    Tool {
        asked_first: Some(with_plus_as_space),
        losses: ENCODED_AS_ADDRESS,
        ..Tool::new(
            "Kibana drilldown, Encode URL on",
            |id| encode_uri(&in_query(id)),
            "/go/conversation?id=a%20b/c%25d+e%22f%C3%BC&g",
        )
    },
    Tool::new(
        "Looker, url_encode",
        |id| in_query(&ruby_cgi_escape(id)),
        "/go/conversation?id=a+b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["looker-1"]),
    Tool::new(
        "Datadog, .value",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["datadog-1"]),
    // There is one cleaned spelling, and decoding comes before taking the name away.
    Tool {
        asked_first: Some(datadog_pair),
        losses: &[
            ("escape", NotFound(&["conversation.id:half%2Fpath", "conversation.id:half/path"])),
            ("512 bytes", Refused),
        ],
        ..Tool::new(
            "Datadog, no .value",
            |id| in_query(&encode_uri_component(&datadog_pair(id))),
            "/go/conversation?id=conversation.id%3Aa%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
        )
    },
    Tool::new(
        "Retool",
        |id| in_query(&encode_uri_component(id)),
        "/go/conversation?id=a%20b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["retool-1"]),
    Tool::new(
        "browser, OpenSearch",
        |id| format!("{BASE}/go?id={}", search_terms(id)),
        "/go?id=a+b%2Fc%25d%2Be%22f%C3%BC%26g%23h",
    )
    .on_kit(&["browser-1"]),
];

pub(super) const BASE: &str = "https://go.example.com";

fn in_query(id: &str) -> String {
    format!("{BASE}/go/conversation?id={id}")
}

fn in_path(id: &str) -> String {
    format!("{BASE}/go/conversation/{id}")
}

fn with_plus_as_space(id: &str) -> String {
    id.replace('+', " ")
}

fn datadog_pair(id: &str) -> String {
    format!("conversation.id:{id}")
}
