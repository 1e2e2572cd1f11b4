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

/// The conversation that a customer named with more than letters and digits.
const ORDER: &str = "orders/2026-11-20#4711";
const RETURN: &str = "return-2f61c8";
const WARRANTY: &str = "chat:web:7Q2M";

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

    fn conversation(id: &str, title: &'static str) -> Self {
        Self { kind: ItemKind::Conversation, id: id.to_owned(), title }
    }
}

/// One line of the samples.
struct Sample {
    id: Uuid,
    conversation_id: &'static str,
    minutes_ago: i64,
    end_user: &'static str,
    title: &'static str,
    input: &'static str,
    output: &'static str,
    topic: &'static str,
    intent: &'static str,
    ticket: &'static str,
}

const SAMPLES: [Sample; 6] = [
    Sample {
        id: uuid!("3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21"),
        conversation_id: ORDER,
        minutes_ago: 48,
        end_user: "customer-1042",
        title: "asks where order 4711 is",
        input: "Hi, where is my order 4711? It should have been here on Friday.",
        output: "Sorry about the wait. The carrier has it since this morning, and it arrives tomorrow before noon.",
        topic: "delivery",
        intent: "track an order",
        ticket: "4711",
    },
    Sample {
        id: uuid!("b7a9d6f4-52c3-4c1f-9e0a-8c2f5d3b6e17"),
        conversation_id: ORDER,
        minutes_ago: 46,
        end_user: "customer-1042",
        title: "asks to leave it with a neighbour",
        input: "Nobody is in tomorrow. Can they leave it next door?",
        output: "Yes. I have noted \"next door, number 12\" for the carrier.",
        topic: "delivery",
        intent: "change a delivery",
        ticket: "4711",
    },
    Sample {
        id: uuid!("5d2c8e90-1f47-4d6b-b3a8-e94f7c0a2d63"),
        conversation_id: RETURN,
        minutes_ago: 31,
        end_user: "customer-2210",
        title: "wants to send back the wrong blade",
        input: "The saw blade is for the 18-inch model, mine is the 16-inch one. How do I send it back?",
        output: "You can return it free of charge for 30 days. Shall I e-mail you the label?",
        topic: "returns",
        intent: "return an item",
        ticket: "4720",
    },
    Sample {
        id: uuid!("e81b4a37-6c05-4f92-a7d4-29b6f8c15e0d"),
        conversation_id: RETURN,
        minutes_ago: 30,
        end_user: "customer-2210",
        title: "takes the label",
        input: "Yes please. And do you have the right one in stock?",
        output: "The label is on its way. The 16-inch blade is in stock, and I have put it into your basket.",
        topic: "returns",
        intent: "order a replacement",
        ticket: "4720",
    },
    Sample {
        id: uuid!("92f6d3b8-0e7a-4b19-8c54-7a1d5e9f3c40"),
        conversation_id: WARRANTY,
        minutes_ago: 12,
        end_user: "customer-3307",
        title: "reports an error on the mower's display",
        input: "The mower's display says <Error 12> & then it stops. Is that covered by the warranty?",
        output: "Error 12 is a worn drive belt. That is covered for three years, and yours is two years old.",
        topic: "warranty",
        intent: "ask about warranty",
        ticket: "4733",
    },
    Sample {
        id: uuid!("c6e07d15-8b94-4e2a-95f1-b03c7d8a4f29"),
        conversation_id: WARRANTY,
        minutes_ago: 9,
        end_user: "customer-3307",
        title: "is not content with the answer",
        input: "So what do I do now? You did not say.",
        output: "You are right, sorry. I have booked a collection for Thursday; the repair takes five days.",
        topic: "warranty",
        intent: "book a repair",
        ticket: "4733",
    },
];

/// The demo's only project.
pub(super) fn project() -> StandInProject {
    StandInProject::new(KEY, "demo-project", "demo-organization")
}

/// The interactions, as if they had just happened.
pub(super) fn interactions(now: Timestamp) -> impl Iterator<Item = Interaction> {
    SAMPLES.iter().map(move |sample| Interaction {
        id: sample.id,
        conversation_id: sample.conversation_id.to_owned(),
        timestamp: now.checked_sub(SignedDuration::from_mins(sample.minutes_ago)).unwrap_or(now),
        end_user: sample.end_user.to_owned(),
        input: sample.input.to_owned(),
        output: sample.output.to_owned(),
        topic: sample.topic.to_owned(),
        intent: sample.intent.to_owned(),
        tags: BTreeMap::from([("ticket_id".to_owned(), sample.ticket.to_owned())]),
    })
}

/// Every sample that exists, the interactions first.
pub(super) fn links() -> Vec<SampleLink> {
    SAMPLES
        .iter()
        .map(|sample| SampleLink::interaction(sample.id, sample.title))
        .chain([
            SampleLink::conversation(ORDER, "about a late order; an id with a slash and a hash"),
            SampleLink::conversation(RETURN, "about the wrong saw blade"),
            SampleLink::conversation(WARRANTY, "about a mower under warranty; an id with colons"),
        ])
        .collect()
}
