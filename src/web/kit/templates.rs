//! The table of the tools that embed links, with the template for each place in them.
//!
//! The id stands in the query wherever the tool lets it: proxies change slashes and `#` in paths. The project stands before
//! the id, so that an id that the tool does not encode cannot cut it off.

use std::borrow::Cow;

use crate::domain::{Kind, ProjectName};
use crate::text::percent_encoded;
use crate::web::route::TAGS;

/// A tool that embeds links.
pub(super) struct Tool {
    /// The name, and the heading of its section.
    pub(super) name: &'static str,
    /// The anchor of its section.
    pub(super) anchor: &'static str,
    /// The places where a link can stand, the recommended one first.
    pub(super) places: &'static [ToolPlace],
}

/// A place in a tool where a link can stand.
pub(super) struct ToolPlace {
    /// The heading.
    pub(super) heading: &'static str,
    /// The path to it in the tool.
    pub(super) path: &'static str,
    /// The template as it is for conversations: see [`ToolPlace::template`].
    pattern: &'static str,
    /// The syntax around the address, which decides how the address is escaped.
    syntax: Syntax,
    /// One sentence on encoding, or two; code stands between backticks.
    note: &'static str,
}

/// The syntax around an address. The characters of a URL need no escaping in any other: neither `"` nor `\` stands in one.
#[derive(Debug, Clone, Copy)]
enum Syntax {
    /// Nothing to escape: a field for a URL, and double quotes in JSON or a formula.
    Url,
    /// A string of JavaScript in single quotes.
    Script,
    /// An attribute of HTML within a string of SQL in single quotes.
    HtmlInSql,
    /// Slack's own syntax, in which `&` is an entity.
    Slack,
}

/// A part of a text: as it is, or set off from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextPart {
    /// The text.
    pub(super) text: String,
    /// True for what people replace in a template, and for code in a sentence.
    pub(super) is_special: bool,
}

/// The choices by which every template is filled in.
pub(super) struct KitChoice<'a> {
    /// The address of this installation without a trailing slash; its base path if it does not know its address.
    pub(super) address: &'a str,
    /// The kind of the ids in the field.
    pub(super) kind: Kind,
    /// The project that the links name.
    pub(super) project: Option<&'a ProjectName>,
}

impl ToolPlace {
    /// The template, filled in.
    ///
    /// In a pattern, `§` stands for the address of the installation, what people replace stands between `‹` and `›`, and the
    /// word conversation changes with the kind. The project goes before the id, where `?id=` is.
    pub(super) fn template(&self, choice: &KitChoice<'_>) -> Vec<TextPart> {
        let pattern = match choice.kind {
            Kind::Conversation => Cow::Borrowed(self.pattern),
            Kind::Interaction => {
                let pattern = self.pattern.replace("conversation", "interaction");
                Cow::Owned(pattern.replace("Conversation", "Interaction"))
            }
        };
        let pattern = match choice.project {
            None => pattern,
            // A project's name needs no escaping.
            Some(project) => {
                let query = self.syntax.escape(&format!("?project={project}&id=")).into_owned();
                Cow::Owned(pattern.replace("?id=", &query))
            }
        };
        let address = self.syntax.escape(choice.address);
        parts(&pattern.replace('§', &address), ['‹', '›'])
    }

    /// The sentence on encoding, with its code set off.
    pub(super) fn note(&self) -> Vec<TextPart> {
        sentence(self.note)
    }
}

impl Syntax {
    fn escape(self, url: &str) -> Cow<'_, str> {
        match self {
            Self::Url => Cow::Borrowed(url),
            Self::Script => Cow::Owned(url.replace('\'', "\\'")),
            Self::HtmlInSql => Cow::Owned(url.replace('&', "&amp;").replace('\'', "''")),
            Self::Slack => Cow::Owned(url.replace('&', "&amp;")),
        }
    }
}

/// The template of a look-up by a tag, filled in.
pub(super) fn tag_template(choice: &KitChoice<'_>, tag: &str) -> Vec<TextPart> {
    let kind = match choice.kind {
        Kind::Conversation => "kind=conversation&",
        Kind::Interaction => "",
    };
    let project = choice.project.map(|project| format!("project={project}&")).unwrap_or_default();
    let (address, name) = (choice.address, percent_encoded(tag));
    parts(&format!("{address}{TAGS}/{name}?{project}{kind}value=‹4711›"), ['‹', '›'])
}

/// The parts of a sentence, in which code stands between backticks.
pub(super) fn sentence(text: &str) -> Vec<TextPart> {
    parts(text, ['`', '`'])
}

/// Splits a text at marks that come in turn: what stands between two of them is special.
fn parts(text: &str, marks: [char; 2]) -> Vec<TextPart> {
    let texts = text.split(marks).zip([false, true].into_iter().cycle());
    let parts = texts.map(|(text, is_special)| TextPart { text: text.to_owned(), is_special });
    parts.filter(|part| !part.text.is_empty()).collect()
}

/// Every tool, in alphabetical order. The comment in each row names the source of its facts.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "Browser",
        anchor: "browser",
        places: &[ToolPlace {
            // Source: golink tmpl/opensearch.xml.
            heading: "Keyword in the address bar",
            path: "Chrome, Edge: Settings → Search engine → Site search → Add. Firefox: Settings → Search → Add",
            pattern: "§/go?id=%s",
            syntax: Syntax::Url,
            note: "The browser encodes what you type behind the keyword, and the kind is found out. Firefox can also add it by itself, from our `opensearch.xml`: right-click the address bar on this page.",
        }],
    },
    Tool {
        name: "Datadog",
        anchor: "datadog",
        places: &[ToolPlace {
            // Source: DataDog/documentation context-links.md.
            heading: "Context link",
            path: "Widget → Edit → Context Links",
            pattern: "§/go/conversation?id={{@‹conversation.id›.value}}",
            syntax: Syntax::Url,
            note: "Datadog encodes the id. Keep `.value`: without it the name of the attribute comes before the id.",
        }],
    },
    Tool {
        name: "Grafana",
        anchor: "grafana",
        places: &[
            ToolPlace {
                // Source: Grafana docs, configure-data-links; grafana#58149, #47894, #3861.
                heading: "Data link, same cell",
                path: "Panel → Field → Data links → URL",
                pattern: "§/go/conversation?id=${__value.raw:percentencode}",
                syntax: Syntax::Url,
                note: "Keep `:percentencode`: without it a `#` or `&` cuts the id.",
            },
            ToolPlace {
                // Source: Grafana docs, configure-data-links; grafana#55648, #31842.
                heading: "Data link, other column",
                path: "Panel → Field → Data links → URL",
                pattern: "§/go/conversation?id=${__data.fields[\"‹conversation_id›\"]:percentencode}",
                syntax: Syntax::Url,
                note: "Keep `:percentencode`: without it a `#` or `&` cuts the id.",
            },
        ],
    },
    Tool {
        name: "Jira",
        anchor: "jira",
        places: &[
            ToolPlace {
                // Source: Atlassian, formatting smart values in Jira automation; GitLab docs (.urlEncode).
                heading: "Automation: comment, field or web request",
                path: "Project settings → Automation → Rule → Action",
                pattern: "§/go/conversation?id={{issue.customfield_‹10042›.urlEncode}}",
                syntax: Syntax::Url,
                note: "Keep `.urlEncode`: without it Jira writes the id as it is.",
            },
            ToolPlace {
                // Source: Atlassian, formatting smart values in Jira automation; GitLab docs (.urlEncode).
                heading: "Automation, the field by its name",
                path: "Project settings → Automation → Rule → Action",
                pattern: "§/go/conversation?id={{issue.‹Conversation ID›.urlEncode}}",
                syntax: Syntax::Url,
                note: "Keep `.urlEncode`: without it Jira writes the id as it is.",
            },
            ToolPlace {
                // Source: Atlassian, Jira REST API for remote issue links; jira.js types.
                heading: "Remote link",
                path: "REST API → POST /rest/api/latest/issue/{key}/remotelink",
                pattern: r#"{"globalId":"nebuly-conversation=‹4711›","object":{"url":"§/go/conversation?id=‹4711›","title":"Nebuly conversation"}}"#,
                syntax: Syntax::Url,
                note: "Percent-encode the id in `url`. In `globalId` (at most 255 characters) it stands as it is: a second call then changes the link instead of adding one.",
            },
            ToolPlace {
                // Source: Forge manifest reference, teamwork-graph-smart-link and remote-link.
                heading: "Remote link action, Smart Link",
                path: "App → Manifest → jiraRemoteLinkInfoProvider → actions",
                pattern: r#""templateUrl":"§/go/conversation?id={‹conversation-id›}""#,
                syntax: Syntax::Url,
                note: "Percent-encode the id in the link's `attributeMap`. A function for `graph:smartLink` asks for the link with `&noredirect` added and `Accept: application/json`.",
            },
        ],
    },
    Tool {
        name: "Kibana",
        anchor: "kibana",
        places: &[
            ToolPlace {
                // Source: Kibana url-formatter.asciidoc.
                heading: "Field formatter",
                path: "Stack Management → Data Views → Field → Set format → Url → URL template",
                pattern: "§/go/conversation?id={{value}}",
                syntax: Syntax::Url,
                note: "Write `{{value}}`, which encodes the id, and not `{{rawValue}}`.",
            },
            ToolPlace {
                // Source: Kibana docs, url-drilldown; kibana#86902.
                heading: "URL drilldown",
                path: "Panel → Create drilldown → Go to URL",
                pattern: "§/go/conversation?id={{encodeURIComponent event.value}}",
                syntax: Syntax::Url,
                note: "Switch “Encode URL” off, under the additional options: it encodes the id a second time.",
            },
        ],
    },
    Tool {
        name: "Looker",
        anchor: "looker",
        places: &[ToolPlace {
            // Source: Looker docs, param-field-link; public LookML.
            heading: "Link of a dimension",
            path: "Project → View file → dimension",
            pattern: r#"link: { label: "Open in Nebuly" url: "§/go/conversation?id={{ value | url_encode }}" }"#,
            syntax: Syntax::Url,
            note: "Keep `url_encode`. It writes a space as `+`, which is read as a space.",
        }],
    },
    Tool {
        name: "Metabase",
        anchor: "metabase",
        places: &[ToolPlace {
            // Source: Metabase docs, visualizations/table.md; metabase#25350; renderLinkURLForClick in its frontend.
            heading: "Column of a table",
            path: "Table → Settings → Column → Display as → Link → Link URL",
            pattern: "§/go/conversation?id={{‹conversation_id›}}",
            syntax: Syntax::Url,
            note: "Metabase encodes the id.",
        }],
    },
    Tool {
        name: "Retool",
        anchor: "retool",
        places: &[ToolPlace {
            // Source: public Retool app exports (currentSourceRow).
            heading: "Column of a table, or event handler",
            path: "Table → Column → URL, or Event handler → Go to URL",
            pattern: r#"{{ "§/go/conversation?id=" + encodeURIComponent(currentSourceRow.‹conversation_id›) }}"#,
            syntax: Syntax::Url,
            note: "Keep `encodeURIComponent`: nothing else encodes the id.",
        }],
    },
    Tool {
        name: "Salesforce",
        anchor: "salesforce",
        places: &[
            ToolPlace {
                // Source: life-improver.com, Salesforce: proper URL encoding of spaces in formulas.
                heading: "Custom link or button",
                path: "Object Manager → Buttons, Links, and Actions → New → URL",
                pattern: "§/go/conversation?id={!Case.‹Conversation_Id__c›}",
                syntax: Syntax::Url,
                note: "Add no `URLENCODE`: the link encodes the id already, and twice makes `%2520` of a space.",
            },
            ToolPlace {
                // Source: Salesforce help, tips on building formulas.
                heading: "Formula field",
                path: "Object Manager → Fields & Relationships → New → Formula → Text",
                pattern: r#"HYPERLINK("§/go/conversation?id=" & ‹Conversation_Id__c›, "Open in Nebuly", "_blank")"#,
                syntax: Syntax::Url,
                note: "A formula does not encode: ids of letters, digits, hyphens, underscores, dots and colons are safe. For others, use the custom link.",
            },
        ],
    },
    Tool {
        name: "ServiceNow",
        anchor: "servicenow",
        places: &[
            ToolPlace {
                // Source: ServiceNowDocs c_GlideNavigationV3API.
                heading: "Client UI action",
                path: "System Definition → UI Actions → Client: checked → Script",
                pattern: "g_navigation.open('§/go/conversation?id=' + encodeURIComponent(g_form.getValue('‹u_conversation_id›')), '_blank');",
                syntax: Syntax::Script,
                note: "Keep `encodeURIComponent`: nothing else encodes the id.",
            },
            ToolPlace {
                // Source: openillumi.com, ServiceNow UI action dynamic redirect.
                heading: "Server UI action",
                path: "System Definition → UI Actions → Client: not checked → Script",
                pattern: "action.setRedirectURL('§/go/conversation?id=' + encodeURIComponent(current.‹u_conversation_id›));",
                syntax: Syntax::Script,
                note: "Keep `encodeURIComponent`: nothing else encodes the id.",
            },
        ],
    },
    Tool {
        name: "Slack",
        anchor: "slack",
        places: &[ToolPlace {
            // Source: Slack docs, unfurling links in messages; docs.rs/slack-blocks.
            heading: "Message of an app",
            path: "chat.postMessage or incoming webhook → text",
            pattern: "<§/go/conversation?id=‹4711›|Open conversation>",
            syntax: Syntax::Slack,
            note: "Percent-encode the id, so that no `&`, `<`, `>` or `|` is left in it.",
        }],
    },
    Tool {
        name: "Superset",
        anchor: "superset",
        places: &[ToolPlace {
            // Source: superset#8312, #15563, #10227, #16778.
            heading: "Column of a table",
            path: "Dataset → Calculated columns → SQL expression, or SQL Lab",
            pattern: r#"CONCAT('<a href="§/go/conversation?id=', ‹conversation_id›, '" target="_blank">open</a>')"#,
            syntax: Syntax::HtmlInSql,
            note: "SQL does not encode: ids of letters, digits, hyphens, underscores, dots and colons are safe. Pivot tables show no links.",
        }],
    },
    Tool {
        name: "Zendesk",
        anchor: "zendesk",
        places: &[
            ToolPlace {
                // Source: Zendesk placeholders reference 4408886858138.
                heading: "Macro or trigger",
                path: "Admin Center → Macros or Triggers → Actions → Comment",
                pattern: "§/go/conversation?id={{ticket.ticket_field_‹505156›}}",
                syntax: Syntax::Url,
                note: "Zendesk does not say that it encodes: ids of letters, digits, hyphens, underscores, dots and colons are safe.",
            },
            ToolPlace {
                // Source: zendesk/url_builder_app README.
                heading: "URL Builder app",
                path: "Admin Center → Apps → URL Builder → Change settings → URI templates",
                pattern: r#"[{"title":"Open in Nebuly","url":"§/go/conversation?id={{ticket.custom_field_‹424242›}}"}]"#,
                syntax: Syntax::Url,
                note: "The app does not encode: ids of letters, digits, hyphens, underscores, dots and colons are safe.",
            },
            ToolPlace {
                // Source: developer.zendesk.com, channels-framework clickthrough_endpoint.
                heading: "Channels clickthrough",
                path: "Integration manifest → urls",
                pattern: r#""clickthrough_url":"§/go/conversation""#,
                syntax: Syntax::Url,
                note: "Zendesk adds `?external_id=` and the id, encoded, so nothing may stand behind the path; all projects are asked.",
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_pattern_is_whole() {
        assert!(TOOLS.is_sorted_by_key(|tool| tool.anchor));
        for tool in TOOLS {
            assert_eq!(tool.name.to_lowercase(), tool.anchor);
            for place in tool.places {
                let count = |text| place.pattern.matches(text).count();
                assert_eq!((count("§"), count("/go")), (1, 1), "{}", place.pattern);
                assert!(count("?id=") <= 1 && count("‹") == count("›"), "{}", place.pattern);
                assert!(!place.note.is_empty() && place.note.matches('`').count() % 2 == 0, "{}", place.note);
            }
        }
    }
}
