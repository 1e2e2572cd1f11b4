//! The demo's projects and items: two chatbots of an invented shop for garden tools.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::{Uuid, uuid};

use super::projects::{Interaction, ItemKind, StandInProject};

/// The project of the chatbot that helps customers.
pub(super) const SUPPORT: &str = "support";

/// The project of the chatbot that sells.
pub(super) const SALES: &str = "sales";

/// A project without items, whose key is refused when a certain id is asked for.
pub(super) const EXPIRED_KEY: &str = "expired-key";

/// A project without items that wants fewer calls when a certain id is asked for.
pub(super) const BUSY: &str = "busy";

/// The names of all projects. nebulink remembers of a project that it refused the key or wants fewer calls, and asks it
/// nothing for some seconds. So each of the two has a project of its own, which does not fail anything else.
pub(super) const PROJECTS: [&str; 4] = [SUPPORT, SALES, EXPIRED_KEY, BUSY];

/// The id of a conversation of both chatbots.
pub(super) const AMBIGUOUS: &str = "42";

/// The id of a conversation with varied details.
pub(super) const DETAILED: &str = "return-2f61c8";

/// The tag with the number of a customer's ticket.
pub(super) const TICKET: &str = "ticket";

/// The tag with the number of a quote.
const QUOTE: &str = "quote";

/// The id of an interaction that never exists.
pub(super) const UNKNOWN: Uuid = uuid!("0c5b7c1e-77aa-4f0e-9a61-51f4c0ffee00");

/// The ids of interactions that are unknown until some time after they are first asked for: one for each place that shows
/// one, because it is found for good once it was found.
pub(super) const NOT_YET: NotYet = NotYet {
    printed: uuid!("a4d1f0b2-3c8e-4b57-8f7d-6f20d9b1c3e5"),
    pasted: uuid!("6b1c9e04-2f83-4c6a-9d17-e05a8b7f3d92"),
    of_errors: uuid!("d83f5a60-b1e7-4d29-8a4c-17c6e2905bfe"),
};

/// That time: long enough to see the page that waits, short enough to see it end.
pub(super) const INGESTION: Duration = Duration::from_secs(12);

/// See [`NOT_YET`].
pub(super) struct NotYet {
    pub(super) printed: Uuid,
    pub(super) pasted: Uuid,
    pub(super) of_errors: Uuid,
}

/// A project of the demo, to be configured in nebulink.
#[derive(Debug, Clone)]
pub struct DemoProject {
    /// The name that nebulink gives it.
    pub name: &'static str,
    /// Its key, which opens nothing but the stand-in, and the ids in its URLs.
    pub project: StandInProject,
}

/// A link to click in the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLink {
    /// The kind of item that it points at.
    pub kind: ItemKind,
    /// The item's id, not encoded.
    pub id: String,
    /// The name of the project that the link has to name, if it has to.
    pub project: Option<&'static str>,
    /// A description in one line.
    pub title: &'static str,
}

/// A tag of sample items, by which a link finds the newest of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleTag {
    /// The tag's name, to be set in `lookup.tags`.
    pub name: &'static str,
    /// Its value, not encoded.
    pub value: &'static str,
    /// A description in one line.
    pub title: &'static str,
}

impl SampleLink {
    /// To an interaction that is not there when it is first asked for. It names a project: otherwise all of them have to
    /// say so, also one that is asked nothing for some seconds.
    pub(super) fn absent(id: Uuid, title: &'static str) -> Self {
        Self { project: Some(SUPPORT), ..Self::interaction(id, title) }
    }

    fn interaction(id: Uuid, title: &'static str) -> Self {
        Self { kind: ItemKind::Interaction, id: id.to_string(), project: None, title }
    }

    /// To a conversation.
    pub(super) fn conversation(id: &str, title: &'static str) -> Self {
        Self { kind: ItemKind::Conversation, id: id.to_owned(), project: None, title }
    }
}

/// A conversation of the samples.
struct SampleConversation {
    project: &'static str,
    /// The customer's own id, which may have more than letters and digits.
    id: &'static str,
    title: &'static str,
    /// Describes its first interaction.
    opening: &'static str,
    end_user: &'static str,
    topic: &'static str,
    text_language: &'static str,
    /// The tag with the number of its ticket or quote.
    tag: (&'static str, &'static str),
    turns: [SampleTurn; 2],
}

/// An interaction of the samples.
struct SampleTurn {
    id: Uuid,
    seconds_ago: i64,
    input: &'static str,
    output: &'static str,
    intent: &'static str,
    sentiment: &'static str,
    /// The user's emotions, each with its strength.
    emotions: &'static [(&'static str, f64)],
    /// In micro dollars.
    cost: f64,
    /// In seconds.
    latency: f64,
}

const CONVERSATIONS: [SampleConversation; 6] = [
    SampleConversation {
        project: SUPPORT,
        id: "orders/2026-11-20#4711",
        title: "about a late order; an id with a slash and a hash",
        opening: "asks where order 4711 is",
        end_user: "customer-1042",
        topic: "delivery",
        text_language: "en",
        tag: (TICKET, "4711"),
        turns: [
            SampleTurn {
                id: uuid!("3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21"),
                seconds_ago: 2_911,
                input: "Hi, where is my order 4711? It should have been here on Friday.",
                output: "Sorry about the wait. The carrier has it since this morning, and it arrives tomorrow before noon.",
                intent: "track an order",
                sentiment: "negative",
                emotions: &[("frustration", 0.62), ("confusion", 0.31)],
                cost: 412.0,
                latency: 1.7,
            },
            SampleTurn {
                id: uuid!("b7a9d6f4-52c3-4c1f-9e0a-8c2f5d3b6e17"),
                seconds_ago: 2_776,
                input: "Nobody is in tomorrow. Can they leave it next door?",
                output: "Yes. I have noted \"next door, number 12\" for the carrier.",
                intent: "change a delivery",
                sentiment: "neutral",
                emotions: &[("calm", 0.71), ("relief", 0.22)],
                cost: 268.0,
                latency: 0.8,
            },
        ],
    },
    SampleConversation {
        project: SUPPORT,
        id: DETAILED,
        title: "about the wrong saw blade",
        opening: "wants to send back the wrong blade",
        end_user: "customer-2210",
        topic: "returns",
        text_language: "en",
        tag: (TICKET, "4720"),
        turns: [
            SampleTurn {
                id: uuid!("5d2c8e90-1f47-4d6b-b3a8-e94f7c0a2d63"),
                seconds_ago: 1_894,
                input: "The saw blade is for the 18-inch model, mine is the 16-inch one. How do I send it back?",
                output: "You can return it free of charge for 30 days. Shall I e-mail you the label?",
                intent: "return an item",
                sentiment: "neutral",
                emotions: &[("disappointment", 0.44), ("calm", 0.39)],
                cost: 1_530.0,
                latency: 2.4,
            },
            SampleTurn {
                id: uuid!("e81b4a37-6c05-4f92-a7d4-29b6f8c15e0d"),
                seconds_ago: 1_643,
                input: "Yes please. And do you have the right one in stock?",
                output: "The label is on its way. The 16-inch blade is in stock, and I have put it into your basket.",
                intent: "order a replacement",
                sentiment: "positive",
                emotions: &[("relief", 0.58), ("joy", 0.27)],
                cost: 10_780.0,
                latency: 4.2,
            },
        ],
    },
    SampleConversation {
        project: SUPPORT,
        id: "chat:web:7Q2M",
        title: "about a mower under warranty; an id with colons",
        opening: "reports an error on the mower's display",
        end_user: "customer-3307",
        topic: "warranty",
        text_language: "en",
        tag: (TICKET, "4733"),
        turns: [
            SampleTurn {
                id: uuid!("92f6d3b8-0e7a-4b19-8c54-7a1d5e9f3c40"),
                seconds_ago: 722,
                input: "The mower's display says <Error 12> & then it stops. Is that covered by the warranty?",
                output: "Error 12 is a worn drive belt. That is covered for three years, and yours is two years old.",
                intent: "ask about warranty",
                sentiment: "negative",
                emotions: &[("worry", 0.53), ("frustration", 0.36), ("hope", 0.08)],
                cost: 894.0,
                latency: 3.1,
            },
            SampleTurn {
                id: uuid!("c6e07d15-8b94-4e2a-95f1-b03c7d8a4f29"),
                seconds_ago: 541,
                input: "So what do I do now? You did not say.",
                output: "You are right, sorry. I have booked a collection for Thursday; the repair takes five days.",
                intent: "book a repair",
                sentiment: "negative",
                emotions: &[("anger", 0.49), ("frustration", 0.41)],
                cost: 633.0,
                latency: 1.2,
            },
        ],
    },
    SampleConversation {
        project: SUPPORT,
        id: AMBIGUOUS,
        title: "about the filter of a pond pump",
        opening: "asks which filter fits the pond pump",
        end_user: "customer-1187",
        topic: "spare parts",
        text_language: "en",
        tag: (TICKET, "42"),
        turns: [
            SampleTurn {
                id: uuid!("1e9a7c34-d052-4b8f-a6e1-40f3b92d8c75"),
                seconds_ago: 5_290,
                input: "Which filter fits the pond pump P2?",
                output: "The one with part number 20-118. It is changed without tools.",
                intent: "find a part",
                sentiment: "neutral",
                emotions: &[("curiosity", 0.66)],
                cost: 187.0,
                latency: 0.6,
            },
            SampleTurn {
                id: uuid!("74c2e5d1-3a9f-4806-b8d2-9f1a60c7e34b"),
                seconds_ago: 5_234,
                input: "And how often?",
                output: "Twice a year, and once more after heavy rain.",
                intent: "ask about maintenance",
                sentiment: "positive",
                emotions: &[("calm", 0.77), ("gratitude", 0.19)],
                cost: 141.0,
                latency: 0.5,
            },
        ],
    },
    SampleConversation {
        project: SALES,
        id: AMBIGUOUS,
        title: "about a greenhouse",
        opening: "asks what a greenhouse costs",
        end_user: "lead-0815",
        topic: "greenhouses",
        text_language: "en",
        tag: (QUOTE, "42"),
        turns: [
            SampleTurn {
                id: uuid!("a02f6b91-c8d4-4e37-91b5-5e7d03f8a16c"),
                seconds_ago: 7_460,
                input: "What does the greenhouse of 6 square metres cost, with the foundation?",
                output: "1,890 euros with the foundation. Assembly is 240 euros more.",
                intent: "ask for a price",
                sentiment: "neutral",
                emotions: &[("interest", 0.71), ("doubt", 0.18)],
                cost: 358.0,
                latency: 1.1,
            },
            SampleTurn {
                id: uuid!("f5d81e07-6b3c-4a92-8f60-c24a9e7b1d83"),
                seconds_ago: 7_208,
                input: "Then please send me a quote, with assembly.",
                output: "Quote 42 is on its way. It is valid for 14 days.",
                intent: "request a quote",
                sentiment: "positive",
                emotions: &[("joy", 0.52), ("interest", 0.4)],
                cost: 296.0,
                latency: 0.9,
            },
        ],
    },
    SampleConversation {
        project: SALES,
        id: "Angebot 88 für Müller",
        title: "about a discount, in German; an id with spaces and umlauts",
        opening: "asks for a discount",
        end_user: "lead-0930",
        topic: "discounts",
        text_language: "de",
        tag: (QUOTE, "88"),
        turns: [
            SampleTurn {
                id: uuid!("28b7d4f6-915e-4c03-b27a-d61f08e39c5a"),
                seconds_ago: 4_130,
                input: "Gibt es Rabatt, wenn ich zwei Rasenmäher nehme?",
                output: "Ja, 8 % auf beide. Soll ich das Angebot 88 ändern?",
                intent: "negotiate a price",
                sentiment: "positive",
                emotions: &[("interest", 0.63), ("hope", 0.25)],
                cost: 322.0,
                latency: 1.4,
            },
            SampleTurn {
                id: uuid!("cb460a92-7d1f-4358-9ce4-06b85fa2d717"),
                seconds_ago: 4_055,
                input: "Ja, bitte!",
                output: "Erledigt: zwei Mäher, 8 % Rabatt, Lieferung am Montag.",
                intent: "accept an offer",
                sentiment: "positive",
                emotions: &[("joy", 0.81)],
                cost: 174.0,
                latency: 0.7,
            },
        ],
    },
];

/// A project, with its key and ids.
pub(super) fn project(name: &str) -> StandInProject {
    StandInProject::new(key(name), format!("demo-{name}"), "demo-organization")
}

/// The key of a project.
pub(super) fn key(name: &str) -> String {
    format!("demo-key-of-{name}-that-opens-nothing-else")
}

/// The interactions, each with the name of its project, as if they had just happened.
pub(super) fn interactions(now: Timestamp) -> impl Iterator<Item = (&'static str, Interaction)> {
    CONVERSATIONS.iter().flat_map(move |conversation| {
        let (tag, value) = conversation.tag;
        conversation.turns.iter().map(move |turn| {
            let interaction = Interaction {
                id: turn.id,
                conversation_id: conversation.id.to_owned(),
                timestamp: now.checked_sub(SignedDuration::from_secs(turn.seconds_ago)).unwrap_or(now),
                end_user: conversation.end_user.to_owned(),
                input: turn.input.to_owned(),
                output: turn.output.to_owned(),
                topic: conversation.topic.to_owned(),
                intent: turn.intent.to_owned(),
                tags: BTreeMap::from([(tag.to_owned(), value.to_owned())]),
                sentiment: turn.sentiment.to_owned(),
                emotions: turn
                    .emotions
                    .iter()
                    .map(|(name, strength)| ((*name).to_owned(), *strength))
                    .collect(),
                cost: turn.cost,
                latency: turn.latency,
                text_language: conversation.text_language.to_owned(),
            };
            (conversation.project, interaction)
        })
    })
}

/// The first interaction of each conversation, and then the conversations that only one project has.
pub(super) fn links() -> Vec<SampleLink> {
    let interactions = CONVERSATIONS.iter().map(|conversation| {
        let [first, _] = &conversation.turns;
        SampleLink::interaction(first.id, conversation.opening)
    });
    let conversations = CONVERSATIONS.iter().filter(|conversation| conversation.id != AMBIGUOUS);
    let conversations =
        conversations.map(|conversation| SampleLink::conversation(conversation.id, conversation.title));
    interactions.chain(conversations).collect()
}
