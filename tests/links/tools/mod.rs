//! The ids that arrive with what each tool makes of its template, directly and through nginx as an ingress.
//!
//! The request's target is what a browser sends for the address that the tool made. What a tool loses by itself, such as
//! all that follows a `#`, is in the table as well: it is what the tool's users see.

pub(crate) mod encodings;
mod table;

use std::cell::RefCell;

use nebulink::demo::{CallKind, StandIn, StandInItem};
use nebulink::domain::Item;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Runtime;

use crate::kit;
use crate::support::connection::Connection;
use crate::support::proxy::{Proxy, REWRITTEN};
use crate::support::{Answer, KEY, Nebulink, stand_in};
use encodings::request_target;
use table::{ALL_AT_ONCE, BASE, Loss, Losses, TOOLS, Tool, ids};

/// More than all tests here cost.
const NO_LIMIT: [(&str, &str); 2] = [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];

/// Asks Nebuly each time, so that one program serves every row.
const UNCACHED: [(&str, &str); 1] = [("cache-control", "no-cache")];

/// Parts that make an id hard.
const HARD: &[&str] = &[
    " ", "/", "//", "\\", "#", "&", "&amp;", "%", "%2F", "%25", "%2", "+", "\"", "'", "?", "=", ";", ":",
    "<", ">", "|", "{", "}", "{{", "^", "`", "~", "!", "*", "(", ")", "[", "]", "@", "$", ",", ".", "id=",
    "ü", "e\u{301}", "日本", "🦀", "\u{a0}", "\u{200b}", "\u{2028}", "\u{feff}", "\u{fffd}",
];

/// The fate of a request.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The ids that Nebuly was asked for, in order.
    asked: Vec<String>,
    status: u16,
    /// Where it leads, or who refused it.
    said: String,
}

/// nebulink and all that stands around it.
struct Scene {
    stand_in: StandIn,
    nebulink: Nebulink,
}

/// A way to nebulink.
struct Way {
    name: &'static str,
    connection: Connection,
    prefix: &'static str,
    /// The ids of a tool that are lost on this way. The first entry of an id counts.
    losses: fn(&Tool) -> Vec<Losses>,
}

impl Scene {
    async fn start() -> Self {
        let stand_in = stand_in().await;
        let nebulink = Nebulink::start(&stand_in, &NO_LIMIT).await;
        Self { stand_in, nebulink }
    }

    fn directly(&self) -> Way {
        let connection = Connection::to(self.nebulink.address);
        Way { name: "directly", connection, prefix: "", losses: |tool| vec![tool.losses] }
    }

    /// Follows a link that a tool made, and says what became of it.
    async fn follow(&self, way: &mut Way, target: &str) -> Outcome {
        self.stand_in.forget_calls();
        let answer = way.connection.get(&format!("{}{target}", way.prefix), &UNCACHED).await;
        let calls = self.stand_in.calls();
        assert!(calls.iter().all(|call| call.kind == CallKind::Conversation), "{target}: {calls:?}");
        let asked = calls.into_iter().map(|call| call.id.unwrap()).collect();
        Outcome { asked, status: answer.status, said: said(&answer) }
    }

    /// The fate that the table gives an id on this way.
    fn expected(&self, way: &Way, tool: &Tool, (name, id): &(&str, String)) -> Outcome {
        let losses = (way.losses)(tool).concat();
        let Some((_, loss)) = losses.iter().find(|(lost, _)| lost == name) else {
            let first = tool.asked_first.map(|asked_first| asked_first(id)).filter(|first| first != id);
            let asked = first.into_iter().chain([id.clone()]).collect();
            let said = self.stand_in.url_of(KEY, StandInItem::from(id.as_str()));
            return Outcome { asked, status: 302, said };
        };
        let (asked, status, said) = match *loss {
            Loss::NotFound(asked) => (asked, 404, "urn:nebulink:not-found"),
            Loss::Refused => (&[][..], 400, "urn:nebulink:invalid-request"),
            Loss::RefusedByNginx => (&[][..], 400, "nginx"),
        };
        Outcome { asked: asked.iter().map(|&id| id.to_owned()).collect(), status, said: said.to_owned() }
    }

    /// Follows the link of each tool to each id.
    async fn follow_all(&self, ways: &mut [Way]) {
        let ids = ids();
        for (_, id) in &ids {
            self.stand_in.add_conversation(KEY, id);
        }
        let mut failures = Vec::new();
        for tool in TOOLS {
            for named in &ids {
                let target = request_target(&(tool.address)(&named.1));
                for way in &mut *ways {
                    let expected = self.expected(way, tool, named);
                    let got = self.follow(way, &target).await;
                    if got != expected {
                        let (tool, way, (name, id)) = (tool.name, way.name, named);
                        failures.push(format!(
                            "{tool}, {way}, {name}\n  id       {id:?}\n  target   {target}\n  expected {expected:?}\n  \
                             got      {got:?}"
                        ));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
    }
}

/// nginx in front of it, both with the path as it came and with the path written anew.
fn through(nginx: &Proxy) -> [Way; 2] {
    [
        Way {
            name: "through nginx",
            connection: Connection::to(nginx.address),
            prefix: "",
            losses: |tool| vec![tool.losses_of_nginx, tool.losses],
        },
        Way {
            name: "through nginx with a path in proxy_pass",
            connection: Connection::to(nginx.address),
            prefix: REWRITTEN,
            losses: |tool| vec![tool.losses_of_rewriting, tool.losses_of_nginx, tool.losses],
        },
    ]
}

/// Where an answer leads, the type of its problem, or `nginx` for an answer of nginx's own.
fn said(answer: &Answer) -> String {
    if let Some(location) = answer.header("location") {
        location.to_owned()
    } else if answer.header("content-type") == Some("application/problem+json") {
        answer.json()["type"].as_str().unwrap().to_owned()
    } else {
        answer.header("server").unwrap_or(&answer.body).split('/').next().unwrap().to_owned()
    }
}

#[test]
fn each_tool_writes_an_id_as_its_documentation_says() {
    for tool in TOOLS {
        assert_eq!(request_target(&(tool.address)(ALL_AT_ONCE)), tool.target, "{}", tool.name);
    }
}

/// So that what is true of a row is true of what people copy.
#[tokio::test]
async fn each_template_of_the_kit_makes_the_addresses_of_its_row() {
    let stand_in = stand_in().await;
    let nebulink = Nebulink::start(&stand_in, &[("server.public_url", BASE)]).await;
    let mut templates = kit::templates(&nebulink.get("/kit?kind=conversation").await.body);
    for (tool, anchor) in TOOLS.iter().flat_map(|tool| tool.kit.iter().map(move |anchor| (tool, *anchor))) {
        let template = templates.remove(anchor).unwrap_or_else(|| panic!("{anchor} is missing, or twice"));
        let place = kit::places().into_iter().find(|place| place.anchor == anchor);
        let place = place.unwrap_or_else(|| panic!("{anchor} is no place"));
        for (name, id) in ids().iter().filter(|(name, _)| place.takes_all || *name == "plain") {
            let address = place.address(&template, "conversation", id);
            assert_eq!(address, (tool.address)(id), "{anchor}, {}, {name}", tool.name);
        }
    }
    assert!(templates.is_empty(), "no row for {templates:?}");
}

#[tokio::test]
async fn the_id_of_each_tool_arrives() {
    let scene = Scene::start().await;
    scene.follow_all(&mut [scene.directly()]).await;
}

#[tokio::test]
async fn the_id_of_each_tool_arrives_through_nginx() {
    let scene = Scene::start().await;
    let Some(nginx) = Proxy::nginx(scene.nebulink.address).await else { return };
    scene.follow_all(&mut through(&nginx)).await;
}

/// In a path, unless nginx writes it anew.
#[test]
fn a_tool_that_encodes_once_loses_no_id_whatever_it_is() {
    let runtime = Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::start());
    let nginx = runtime.block_on(Proxy::nginx(scene.nebulink.address));
    let ways = RefCell::new(vec![scene.directly()]);
    ways.borrow_mut().extend(nginx.iter().flat_map(through));
    proptest!(ProptestConfig::with_cases(64), |(id in any_id())| {
        scene.stand_in.add_conversation(KEY, &id);
        for tool in TOOLS.iter().filter(|tool| tool.asked_first.is_none()) {
            let target = request_target(&(tool.address)(&id));
            for way in ways.borrow_mut().iter_mut().filter(|way| (way.losses)(tool).concat().is_empty()) {
                let got = runtime.block_on(scene.follow(way, &target));
                let said = scene.stand_in.url_of(KEY, StandInItem::from(id.as_str()));
                let expected = Outcome { asked: vec![id.clone()], status: 302, said };
                prop_assert_eq!(got, expected, "{}, {}, {:?}, {}", tool.name, way.name, id, target);
            }
        }
    });
}

/// Any id that a conversation may have, and more often than not a hard one.
fn any_id() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => select(HARD).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9_-]{1,8}",
        2 => any::<char>().prop_map(String::from),
    ];
    let parts = prop_oneof![
        3 => prop::collection::vec(part.clone(), 1..12),
        1 => prop::collection::vec(part, 100..400),
    ];
    let of_512_bytes = |parts: Vec<String>| {
        let mut id = parts.concat();
        while id.len() > 512 {
            id.pop();
        }
        id
    };
    parts.prop_map(of_512_bytes).prop_filter("no id", |id| Item::conversation(id.as_str()).is_ok())
}
