//! The demo's items: a support chatbot of an invented shop for garden tools.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::{Uuid, uuid};

use super::projects::{Interaction, ItemKind, StandInProject};

/// The demo's key. It opens nothing but the stand-in.
pub(super) const KEY: &str = "demo-key-that-opens-nothing-else";

/// The id of an interaction that never exists.
pub(super) const UNKNOWN: Uuid = uuid!("0c5b7c1e-77aa-4f0e-9a61-51f4c0ffee00");

/// The id of an interaction that is unknown until some time after it is first asked for.
pub(super) const NOT_YET: Uuid = uuid!("a4d1f0b2-3c8e-4b57-8f7d-6f20d9b1c3e5");

/// That time: long enough to see the page that waits, short enough to see it end.
pub(super) const INGESTION: Duration = Duration::from_secs(12);

/// A link to click in the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLink {
    /// The kind of item that it points at.
    pub kind: ItemKind,
    /// The item's id, not encoded.
    pub id: String,
    /// A description in one line.
    pub title: &'static str,
}

impl SampleLink {
    pub(super) fn interaction(id: Uuid, title: &'static str) -> Self {
        Self { kind: ItemKind::Interaction, id: id.to_string(), title }
    }
}

/// A conversation of the samples.
struct SampleConversation {
    /// The customer's own id, which may have more than letters and digits.
    id: &'static str,
    title: &'static str,
    end_user: &'static str,
    topic: &'static str,
    ticket: &'static str,
    turns: [SampleTurn; 2],
}

/// An interaction of the samples.
struct SampleTurn {
    id: Uuid,
    minutes_ago: i64,
    title: &'static str,
    input: &'static str,
    output: &'static str,
    intent: &'static str,
}

const CONVERSATIONS: [SampleConversation; 3] = [
    SampleConversation {
        id: "orders/2026-11-20#4711",
        title: "about a late order; an id with a slash and a hash",
        end_user: "customer-1042",
        topic: "delivery",
        ticket: "4711",
        turns: [
            SampleTurn {
                id: uuid!("3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21"),
                minutes_ago: 48,
                title: "asks where order 4711 is",
                input: "Hi, where is my order 4711? It should have been here on Friday.",
                output: "Sorry about the wait. The carrier has it since this morning, and it arrives tomorrow before noon.",
                intent: "track an order",
            },
            SampleTurn {
                id: uuid!("b7a9d6f4-52c3-4c1f-9e0a-8c2f5d3b6e17"),
                minutes_ago: 46,
                title: "asks to leave it with a neighbour",
                input: "Nobody is in tomorrow. Can they leave it next door?",
                output: "Yes. I have noted \"next door, number 12\" for the carrier.",
                intent: "change a delivery",
            },
        ],
    },
    SampleConversation {
        id: "return-2f61c8",
        title: "about the wrong saw blade",
        end_user: "customer-2210",
        topic: "returns",
        ticket: "4720",
        turns: [
            SampleTurn {
                id: uuid!("5d2c8e90-1f47-4d6b-b3a8-e94f7c0a2d63"),
                minutes_ago: 31,
                title: "wants to send back the wrong blade",
                input: "The saw blade is for the 18-inch model, mine is the 16-inch one. How do I send it back?",
                output: "You can return it free of charge for 30 days. Shall I e-mail you the label?",
                intent: "return an item",
            },
            SampleTurn {
                id: uuid!("e81b4a37-6c05-4f92-a7d4-29b6f8c15e0d"),
                minutes_ago: 30,
                title: "takes the label",
                input: "Yes please. And do you have the right one in stock?",
                output: "The label is on its way. The 16-inch blade is in stock, and I have put it into your basket.",
                intent: "order a replacement",
            },
        ],
    },
    SampleConversation {
        id: "chat:web:7Q2M",
        title: "about a mower under warranty; an id with colons",
        end_user: "customer-3307",
        topic: "warranty",
        ticket: "4733",
        turns: [
            SampleTurn {
                id: uuid!("92f6d3b8-0e7a-4b19-8c54-7a1d5e9f3c40"),
                minutes_ago: 12,
                title: "reports an error on the mower's display",
                input: "The mower's display says <Error 12> & then it stops. Is that covered by the warranty?",
                output: "Error 12 is a worn drive belt. That is covered for three years, and yours is two years old.",
                intent: "ask about warranty",
            },
            SampleTurn {
                id: uuid!("c6e07d15-8b94-4e2a-95f1-b03c7d8a4f29"),
                minutes_ago: 9,
                title: "is not content with the answer",
                input: "So what do I do now? You did not say.",
                output: "You are right, sorry. I have booked a collection for Thursday; the repair takes five days.",
                intent: "book a repair",
            },
        ],
    },
];

/// The demo's only project.
pub(super) fn project() -> StandInProject {
    StandInProject::new(KEY, "demo-project", "demo-organization")
}

/// The interactions, as if they had just happened.
pub(super) fn interactions(now: Timestamp) -> impl Iterator<Item = Interaction> {
    CONVERSATIONS.iter().flat_map(move |conversation| {
        conversation.turns.iter().map(move |turn| Interaction {
            id: turn.id,
            conversation_id: conversation.id.to_owned(),
            timestamp: now.checked_sub(SignedDuration::from_mins(turn.minutes_ago)).unwrap_or(now),
            end_user: conversation.end_user.to_owned(),
            input: turn.input.to_owned(),
            output: turn.output.to_owned(),
            topic: conversation.topic.to_owned(),
            intent: turn.intent.to_owned(),
            tags: BTreeMap::from([("ticket_id".to_owned(), conversation.ticket.to_owned())]),
            ..Interaction::new(turn.id)
        })
    })
}

/// Every sample that exists, the interactions first.
pub(super) fn links() -> Vec<SampleLink> {
    let turns = CONVERSATIONS.iter().flat_map(|conversation| &conversation.turns);
    let interactions = turns.map(|turn| SampleLink::interaction(turn.id, turn.title));
    let conversations = CONVERSATIONS.iter().map(|conversation| SampleLink {
        kind: ItemKind::Conversation,
        id: conversation.id.to_owned(),
        title: conversation.title,
    });
    interactions.chain(conversations).collect()
}
