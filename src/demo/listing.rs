//! The calls that list interactions and conversations: their queries and results.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::projects::{Interaction, ProjectItems, StandInItem};

/// The order of the rows of a listing. It is the same for all of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListingOrder {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
    /// One that looks random, another one for each seed.
    Shuffled(u64),
}

/// The query of a listing. All of it is required.
#[derive(Deserialize)]
pub(super) struct ListingQuery {
    time_range: QueryTimeRange,
    filters: Vec<Filter>,
    limit: usize,
    offset: usize,
}

/// The query of the listing of conversations.
#[derive(Deserialize)]
pub(super) struct GroupedQuery {
    #[serde(flatten)]
    query: ListingQuery,
    #[expect(dead_code, reason = "read only to be refused when it is missing or another")]
    group_by: GroupBy,
}

/// Both ends belong to the range.
#[derive(Deserialize)]
struct QueryTimeRange {
    #[serde(deserialize_with = "timestamp")]
    start: Timestamp,
    #[serde(deserialize_with = "timestamp")]
    end: Timestamp,
}

/// The values are alternatives.
#[derive(Deserialize)]
struct Filter {
    #[serde(flatten)]
    kind: FilterKind,
    values: Vec<String>,
    /// Documented for the listing of conversations alone.
    #[serde(default)]
    is_exclude: bool,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum FilterKind {
    UserIntent,
    NegativeUserIntent,
    Keyword,
    UserFeedback,
    Tag { tag: String },
    TypeOfProblem,
    Topic,
    User,
    UserQuery,
}

/// The only grouping that is documented.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum GroupBy {
    ConversationId,
}

impl Filter {
    /// Returns true if an interaction passes. A filter for properties that the stand-in's items do not have (feedback,
    /// problems) matches nothing.
    fn passes(&self, interaction: &Interaction) -> bool {
        let matches = |value: &String| match &self.kind {
            FilterKind::Tag { tag } => interaction.tags.get(tag) == Some(value),
            FilterKind::Topic => interaction.topic == *value,
            FilterKind::User => interaction.end_user == *value,
            FilterKind::UserIntent => interaction.intent == *value,
            FilterKind::UserQuery => interaction.input == *value,
            FilterKind::Keyword => interaction.input.contains(value.as_str()),
            FilterKind::NegativeUserIntent | FilterKind::UserFeedback | FilterKind::TypeOfProblem => false,
        };
        self.values.iter().any(matches) != self.is_exclude
    }
}

impl ListingOrder {
    /// Orders what is sorted from the newest to the oldest.
    fn order<T>(self, newest_first: &mut [T]) {
        match self {
            Self::NewestFirst => {}
            Self::OldestFirst => newest_first.reverse(),
            Self::Shuffled(seed) => fastrand::Rng::with_seed(seed).shuffle(newest_first),
        }
    }
}

impl ListingQuery {
    fn passes(&self, interaction: &Interaction) -> bool {
        (self.time_range.start..=self.time_range.end).contains(&interaction.timestamp)
            && self.filters.iter().all(|filter| filter.passes(interaction))
    }

    fn page(&self, total: usize, rows: impl Iterator<Item = Value>) -> Value {
        let data: Vec<_> = rows.skip(self.offset).take(self.limit).collect();
        json!({ "total": total, "offset": self.offset, "limit": self.limit, "data": data })
    }

    /// The interactions.
    pub(super) fn interactions(&self, project: &ProjectItems, order: ListingOrder, now: Instant) -> Value {
        let mut found = project.interactions(now, |interaction| self.passes(interaction));
        order.order(&mut found);
        self.page(found.len(), found.iter().map(|interaction| row(interaction)))
    }
}

impl GroupedQuery {
    /// The conversations that have such interactions. The age of one is that of its newest.
    pub(super) fn conversations(&self, project: &ProjectItems, order: ListingOrder, now: Instant) -> Value {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for interaction in project.interactions(now, |interaction| self.query.passes(interaction)) {
            let id = interaction.conversation_id.as_str();
            if !project.shows(&StandInItem::from(id), now) {
                continue;
            }
            // Newest first, so the first one seen of a group is its last.
            let place = *places.entry(id).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.extend_back_to(interaction.timestamp),
                None => groups.push(Group::of(interaction)),
            }
        }
        order.order(&mut groups);
        self.query.page(groups.len(), groups.iter().map(Group::row))
    }
}

/// The interactions of one conversation, as far as they were asked for.
struct Group<'a> {
    conversation_id: &'a str,
    interactions: usize,
    start: Timestamp,
    end: Timestamp,
}

impl<'a> Group<'a> {
    fn of(newest: &'a Interaction) -> Self {
        Self {
            conversation_id: &newest.conversation_id,
            interactions: 1,
            start: newest.timestamp,
            end: newest.timestamp,
        }
    }

    fn extend_back_to(&mut self, start: Timestamp) {
        self.interactions += 1;
        self.start = start;
    }

    fn row(&self) -> Value {
        json!({
            "group_name": self.conversation_id,
            "n_interactions": self.interactions,
            "start_session": self.start.to_string(),
            "end_session": self.end.to_string(),
        })
    }
}

fn row(interaction: &Interaction) -> Value {
    json!({
        "id": interaction.id.to_string(),
        "input_text": interaction.input,
        "output_text": interaction.output,
        "user_query": interaction.input,
        "end_user": interaction.end_user,
        "timestamp": interaction.timestamp.to_string(),
    })
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
