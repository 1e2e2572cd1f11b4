//! The projects of the stand-in, each with its key, and their items.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::text::percent_encoded;

/// The first id of invented interactions; such ids can be recognized.
const INVENTED_IDS: u128 = 0xdecade00_0000_4000_8000_000000000000;

/// A project of the stand-in: its key, and the ids in its URLs.
#[derive(Clone)]
pub struct StandInProject {
    /// The API key that opens this project, and only this one.
    pub key: String,
    /// The `projectId` of its URLs.
    pub project_id: String,
    /// The `organizationId` of its URLs.
    pub organization_id: String,
}

impl StandInProject {
    /// A project without items.
    pub fn new(
        key: impl Into<String>,
        project_id: impl Into<String>,
        organization_id: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), project_id: project_id.into(), organization_id: organization_id.into() }
    }
}

impl fmt::Debug for StandInProject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StandInProject")
            .field("project_id", &self.project_id)
            .field("organization_id", &self.organization_id)
            .finish_non_exhaustive()
    }
}

/// The two kinds of items that a link can point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// One question and its answer.
    Interaction,
    /// A sequence of interactions.
    Conversation,
}

impl ItemKind {
    /// The kind as it is written in paths and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interaction => "interaction",
            Self::Conversation => "conversation",
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Names an item of a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StandInItem {
    /// An interaction, by its UUID.
    Interaction(Uuid),
    /// A conversation, by the text that the customer chose as its id.
    Conversation(String),
}

impl StandInItem {
    /// The item's kind.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Interaction(_) => ItemKind::Interaction,
            Self::Conversation(_) => ItemKind::Conversation,
        }
    }

    /// The item's id as text, not encoded; a UUID in its canonical spelling.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Interaction(id) => id.to_string(),
            Self::Conversation(id) => id.clone(),
        }
    }
}

impl From<Uuid> for StandInItem {
    fn from(id: Uuid) -> Self {
        Self::Interaction(id)
    }
}

impl From<&str> for StandInItem {
    fn from(id: &str) -> Self {
        Self::Conversation(id.to_owned())
    }
}

/// An interaction with all details that the listing and detail calls return.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// Its id.
    pub id: Uuid,
    /// The id of the conversation that it is a part of.
    pub conversation_id: String,
    /// The time of its begin.
    pub timestamp: Timestamp,
    /// The user that asked, as the customer names its users.
    pub end_user: String,
    /// The question.
    pub input: String,
    /// The chatbot's answer.
    pub output: String,
    /// Its topic.
    pub topic: String,
    /// The user's intent.
    pub intent: String,
    /// The customer's tags, such as a ticket number.
    pub tags: BTreeMap<String, String>,
    /// The user's sentiment.
    pub sentiment: String,
    /// The user's emotions, each with its strength from 0 to 1.
    pub emotions: BTreeMap<String, f64>,
    /// Its cost, in micro dollars.
    pub cost: f64,
    /// The time until the chatbot's answer, in seconds.
    pub latency: f64,
    /// The language of its texts, such as `en`.
    pub text_language: String,
}

impl Interaction {
    /// An interaction of now, to the millisecond, with plausible contents, in a conversation of its own.
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        let now = Timestamp::now();
        Self {
            id,
            conversation_id: format!("conversation-of-{id}"),
            timestamp: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            end_user: "customer-1000".to_owned(),
            input: "Where is my order?".to_owned(),
            output: "It left our warehouse this morning and arrives tomorrow.".to_owned(),
            topic: "delivery".to_owned(),
            intent: "track an order".to_owned(),
            tags: BTreeMap::new(),
            sentiment: "neutral".to_owned(),
            emotions: BTreeMap::from([("calm".to_owned(), 0.8)]),
            cost: 120.0,
            latency: 0.9,
            text_language: "en".to_owned(),
        }
    }

    /// The time of its end: that of the chatbot's answer.
    pub(super) fn end_timestamp(&self) -> Timestamp {
        let latency = SignedDuration::try_from_secs_f64(self.latency);
        latency.ok().and_then(|latency| self.timestamp.checked_add(latency).ok()).unwrap_or(self.timestamp)
    }

    /// The strongest of the user's emotions.
    pub(super) fn strongest_emotion(&self) -> Option<&str> {
        let strongest = self.emotions.iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
        strongest.map(|(emotion, _)| emotion.as_str())
    }
}

/// All projects, found by their keys.
#[derive(Default)]
pub(super) struct ProjectsByKey {
    by_key: HashMap<String, ProjectItems>,
    /// The number of interactions that were invented for conversations that were added by their id alone.
    invented: u128,
}

impl ProjectsByKey {
    pub(super) fn add(&mut self, project: StandInProject) {
        let StandInProject { key, project_id, organization_id } = project;
        let project = ProjectItems { project_id, organization_id, ..ProjectItems::default() };
        self.by_key.insert(key, project);
    }

    pub(super) fn replace_key(&mut self, old: &str, new: &str) {
        if let Some(project) = self.by_key.remove(old) {
            self.by_key.insert(new.to_owned(), project);
        }
    }

    pub(super) fn of_key(&mut self, key: &str) -> Option<&mut ProjectItems> {
        self.by_key.get_mut(key)
    }

    pub(super) fn of_ids(&mut self, project_id: &str, organization_id: &str) -> Option<&mut ProjectItems> {
        self.by_key
            .values_mut()
            .find(|project| project.project_id == project_id && project.organization_id == organization_id)
    }

    /// Invents the id of an interaction.
    pub(super) fn invent_id(&mut self) -> Uuid {
        self.invented += 1;
        Uuid::from_u128(INVENTED_IDS + self.invented)
    }
}

/// A project and its items. A conversation exists as long as it has an interaction, as in Nebuly.
#[derive(Default)]
pub(super) struct ProjectItems {
    pub(super) project_id: String,
    organization_id: String,
    interactions: HashMap<Uuid, Interaction>,
    conversations: HashMap<String, BTreeSet<Uuid>>,
    not_yet: HashMap<StandInItem, Ingestion>,
}

/// The late ingestion of an item, which is unknown until then.
struct Ingestion {
    delay: Duration,
    first_asked: Option<Instant>,
}

impl ProjectItems {
    /// Adds an interaction, or replaces the one with its id.
    pub(super) fn add(&mut self, interaction: Interaction) {
        self.remove(&StandInItem::Interaction(interaction.id));
        self.conversations.entry(interaction.conversation_id.clone()).or_default().insert(interaction.id);
        self.interactions.insert(interaction.id, interaction);
    }

    pub(super) fn remove(&mut self, item: &StandInItem) {
        self.not_yet.remove(item);
        match item {
            StandInItem::Interaction(id) => self.remove_interaction(*id),
            StandInItem::Conversation(id) => {
                for id in self.conversations.remove(id).unwrap_or_default() {
                    self.remove_interaction(id);
                    self.not_yet.remove(&StandInItem::Interaction(id));
                }
            }
        }
    }

    fn remove_interaction(&mut self, id: Uuid) {
        let Some(interaction) = self.interactions.remove(&id) else { return };
        let Some(ids) = self.conversations.get_mut(&interaction.conversation_id) else { return };
        ids.remove(&id);
        if ids.is_empty() {
            self.conversations.remove(&interaction.conversation_id);
        }
    }

    /// Lets the item be unknown until `delay` after it is first asked for.
    pub(super) fn ingest_later(&mut self, item: StandInItem, delay: Duration) {
        self.not_yet.insert(item, Ingestion { delay, first_asked: None });
    }

    pub(super) fn holds(&self, item: &StandInItem) -> bool {
        match item {
            StandInItem::Interaction(id) => self.interactions.contains_key(id),
            StandInItem::Conversation(id) => self.conversations.contains_key(id),
        }
    }

    /// Returns true if the item is known at `now`, when it is asked for by its id. The first such call starts a late
    /// ingestion.
    pub(super) fn ask_for(&mut self, item: &StandInItem, now: Instant) -> bool {
        if let Some(ingestion) = self.not_yet.get_mut(item) {
            ingestion.first_asked.get_or_insert(now);
        }
        self.shows(item, now)
    }

    /// Returns true if the item is known at `now`, without being asked for by its id.
    pub(super) fn shows(&self, item: &StandInItem, now: Instant) -> bool {
        let ingested = self.not_yet.get(item).is_none_or(|ingestion| {
            ingestion.first_asked.is_some_and(|first| now.duration_since(first) >= ingestion.delay)
        });
        ingested && self.holds(item)
    }

    pub(super) fn interaction(&self, id: Uuid) -> Option<&Interaction> {
        self.interactions.get(&id)
    }

    /// The interactions of a conversation, oldest first.
    pub(super) fn interactions_of(&self, conversation_id: &str) -> Vec<&Interaction> {
        let ids = self.conversations.get(conversation_id).into_iter().flatten();
        let mut interactions: Vec<_> = ids.filter_map(|id| self.interactions.get(id)).collect();
        interactions.sort_by_key(|interaction| (interaction.timestamp, interaction.id));
        interactions
    }

    /// The interactions that pass and are known at `now`, newest first.
    pub(super) fn interactions(
        &self,
        now: Instant,
        passes: impl Fn(&Interaction) -> bool,
    ) -> Vec<&Interaction> {
        let mut interactions: Vec<_> = self
            .interactions
            .values()
            .filter(|interaction| passes(interaction))
            .filter(|interaction| self.shows(&StandInItem::Interaction(interaction.id), now))
            .collect();
        interactions.sort_by_key(|interaction| std::cmp::Reverse((interaction.timestamp, interaction.id)));
        interactions
    }

    /// The URL of an item, known or not: a pure function of the three ids.
    pub(super) fn url_of(&self, platform_url: &str, item: &StandInItem) -> String {
        let (parameter, tab) = match item {
            StandInItem::Interaction(_) => ("interactionId", "interactions"),
            StandInItem::Conversation(_) => ("conversationId", "conversations"),
        };
        format!(
            "{platform_url}/live-activity?projectId={}&organizationId={}&{parameter}={}&liveActivityPageTab={tab}",
            percent_encoded(&self.project_id),
            percent_encoded(&self.organization_id),
            percent_encoded(&item.id()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(12);

    fn with_a_late_conversation() -> (ProjectItems, StandInItem) {
        let mut project = ProjectItems::default();
        project
            .add(Interaction { conversation_id: "late".to_owned(), ..Interaction::new(Uuid::from_u128(1)) });
        project.ingest_later(StandInItem::from("late"), DELAY);
        (project, StandInItem::from("late"))
    }

    #[test]
    fn a_late_item_is_known_when_its_delay_has_passed_since_it_was_first_asked_for() {
        let (mut project, late) = with_a_late_conversation();
        let first = Instant::now();
        let just_before = DELAY.checked_sub(Duration::from_nanos(1)).unwrap();
        for (after, there) in [
            (Duration::ZERO, false),
            (DELAY / 2, false),
            (just_before, false),
            (DELAY, true),
            (DELAY * 9, true),
        ] {
            assert_eq!(project.ask_for(&late, first + after), there, "{after:?}");
        }
    }

    #[test]
    fn only_a_call_with_its_id_starts_the_delay_of_a_late_item() {
        let (mut project, late) = with_a_late_conversation();
        let start = Instant::now();
        assert!(!project.shows(&late, start));
        assert!(!project.shows(&late, start + DELAY * 2));
        assert!(!project.ask_for(&late, start + DELAY * 3));
        assert!(project.shows(&late, start + DELAY * 4));
    }

    #[test]
    fn a_conversation_goes_with_its_last_interaction() {
        let mut project = ProjectItems::default();
        for n in 1..=2 {
            project.add(Interaction {
                conversation_id: "chat".to_owned(),
                ..Interaction::new(Uuid::from_u128(n))
            });
        }
        project.remove(&StandInItem::Interaction(Uuid::from_u128(1)));
        assert!(project.holds(&StandInItem::from("chat")));
        project.remove(&StandInItem::Interaction(Uuid::from_u128(2)));
        assert!(!project.holds(&StandInItem::from("chat")));
    }

    #[test]
    fn an_interaction_that_is_added_again_moves_to_its_new_conversation() {
        let mut project = ProjectItems::default();
        let interaction = Interaction::new(Uuid::from_u128(1));
        let earlier = StandInItem::from(interaction.conversation_id.as_str());
        project.add(interaction.clone());
        project.add(Interaction { conversation_id: "new".to_owned(), ..interaction });
        assert!(project.holds(&StandInItem::from("new")) && !project.holds(&earlier));
    }
}
