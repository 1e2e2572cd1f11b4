//! The items that a caller's text may mean, in the order in which Nebuly is asked.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{AllowedHosts, InvalidId, Item, Kind, id};

/// The names under which logs and dashboards show a conversation's id.
const CONVERSATION_NAMES: [&str; 2] = ["conversation.id", "conversation_id"];

/// A text that a caller gave for an id, after the one percent-decoding that HTTP asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdText<'a> {
    /// The text.
    pub decoded: Cow<'a, str>,
    /// The text with its `+` left as they were, if a query had some: there they usually mean spaces, but not always.
    pub with_plus: Option<Cow<'a, str>>,
}

/// The items that a text may mean. The first is asked for; the others only while Nebuly does not know those before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdCandidates<'a> {
    first: Item<'a>,
    kind_was_named: bool,
    /// The text, where it can also be the id of a conversation.
    conversation: Option<IdText<'a>>,
}

impl<'a> From<&'a str> for IdText<'a> {
    fn from(text: &'a str) -> Self {
        Self { decoded: Cow::Borrowed(text), with_plus: None }
    }
}

impl<'a> IdCandidates<'a> {
    /// Reads the text as the id of an item of this kind.
    pub fn of_kind(kind: Kind, text: IdText<'a>) -> Result<Self, InvalidId> {
        match kind {
            Kind::Interaction => {
                let first = Item::interaction(&text.decoded)?;
                Ok(Self { first, kind_was_named: true, conversation: None })
            }
            Kind::Conversation => Self::conversation(text, true),
        }
    }

    /// Exactly this item: its kind is named, and its id is not cleaned.
    #[must_use]
    pub const fn of_item(item: Item<'a>) -> Self {
        Self { first: item, kind_was_named: true, conversation: None }
    }

    /// Reads the text as the id of an interaction, which may also be written as its short code.
    pub fn of_interaction_or_code(text: &IdText<'_>) -> Result<Self, InvalidId> {
        Item::interaction_or_code(&text.decoded).map(Self::of_item)
    }

    /// Finds out the kind: a UUID may be an interaction or a conversation; of the URL of a page of Nebuly's only kind
    /// and id are taken; and any other text is a conversation.
    pub fn of_any_kind(text: IdText<'a>, hosts: &AllowedHosts) -> Result<Self, InvalidId> {
        if let Some(page) = NebulyPageUrl::parse(&text.decoded) {
            return page.candidates(hosts);
        }
        match Item::interaction(&text.decoded) {
            Ok(first) => Ok(Self { first, kind_was_named: false, conversation: Some(text) }),
            Err(_) => Self::conversation(text, false),
        }
    }

    fn conversation(text: IdText<'a>, kind_was_named: bool) -> Result<Self, InvalidId> {
        let first = Item::conversation(text.decoded.clone())?;
        Ok(Self { first, kind_was_named, conversation: Some(text) })
    }

    /// The same candidates, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> IdCandidates<'static> {
        let conversation = self.conversation.map(|text| IdText {
            decoded: Cow::Owned(text.decoded.into_owned()),
            with_plus: text.with_plus.map(|text| Cow::Owned(text.into_owned())),
        });
        IdCandidates { first: self.first.into_owned(), kind_was_named: self.kind_was_named, conversation }
    }

    /// The item that is asked for first.
    #[must_use]
    pub const fn first(&self) -> &Item<'a> {
        &self.first
    }

    /// The item that is asked for first, when the other meanings matter no more.
    #[must_use]
    pub fn into_first(self) -> Item<'a> {
        self.first
    }

    /// The item at this position: 0 is the first, and 1 the first of [`Self::others`].
    #[must_use]
    pub fn at(&self, position: usize) -> Option<Item<'static>> {
        match position.checked_sub(1) {
            None => Some(self.first.clone().into_owned()),
            Some(position) => self.others().into_iter().nth(position),
        }
    }

    /// The id as the caller meant it: cleaned only where it is an interaction's.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match (&self.first, &self.conversation) {
            (Item::Interaction(_), Some(text)) => Cow::Borrowed(&text.decoded),
            (item, _) => item.id(),
        }
    }

    /// The kind; `None` if it may be either until the item is found.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self.first {
            Item::Interaction(_) if !self.kind_was_named => None,
            Item::Interaction(_) => Some(Kind::Interaction),
            Item::Conversation(_) => Some(Kind::Conversation),
        }
    }

    /// The kind as a page begins a line with it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.kind().map_or("Interaction or conversation", Kind::label)
    }

    /// Returns true if the caller named the kind, rather than leaving it to be found out.
    #[must_use]
    pub const fn kind_was_named(&self) -> bool {
        self.kind_was_named
    }

    /// The other items that the text may mean, in order; worked out only when the first is unknown.
    #[must_use]
    pub fn others(&self) -> Vec<Item<'static>> {
        let Some(text) = &self.conversation else { return Vec::new() };
        let literal = match self.first {
            Item::Interaction(_) => Item::conversation(text.decoded.as_ref()).ok().map(Item::into_owned),
            Item::Conversation(_) => None,
        };
        let cleaned = cleaned(text).map(Item::into_owned);
        literal.into_iter().chain(cleaned).filter(|item| *item != self.first).collect()
    }
}

/// The cleaned form of a conversation's id: the first of these that differs from it and passes the checks of ids.
fn cleaned<'a>(text: &'a IdText<'_>) -> Option<Item<'a>> {
    let decoded = percent_decode_str(&text.decoded).decode_utf8().ok();
    let bare = Some(Cow::Borrowed(without_surroundings(&text.decoded)));
    let with_plus = text.with_plus.as_deref().map(Cow::Borrowed);
    let candidates = [decoded, bare, with_plus].into_iter().flatten();
    candidates.filter(|form| *form != text.decoded).find_map(|form| Item::conversation(form).ok())
}

fn without_surroundings(text: &str) -> &str {
    let trimmed = text.trim_matches(id::is_space_or_quote);
    match id::split_name(trimmed) {
        Some((name, value)) if CONVERSATION_NAMES.contains(&name.strip_prefix('@').unwrap_or(name)) => {
            value.trim_matches(id::is_space_or_quote)
        }
        _ => trimmed,
    }
}

/// The URL of a page that shows an item, as Nebuly writes them.
pub(super) struct NebulyPageUrl {
    url: Url,
    kind: Kind,
    /// Still encoded, as in the query.
    raw_id: String,
}

impl NebulyPageUrl {
    /// Reads a URL that names an item, of whatever host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return None;
        }
        Self::of(Url::parse(text).ok()?)
    }

    /// The same, of a URL with the scheme `http` or `https`.
    pub(super) fn of(url: Url) -> Option<Self> {
        let pairs = url.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let id_of =
            |wanted: &str| pairs.clone().find(|(name, _)| *name == wanted).map(|(_, id)| id.to_owned());
        let (kind, raw_id) = id_of("interactionId")
            .map(|id| (Kind::Interaction, id))
            .or_else(|| id_of("conversationId").map(|id| (Kind::Conversation, id)))?;
        Some(Self { url, kind, raw_id })
    }

    /// The item that the page shows.
    ///
    /// # Errors
    ///
    /// [`InvalidId::ForeignUrl`] if the host is none of these, and the reason why the id is not valid.
    pub(super) fn candidates<'a>(&self, hosts: &AllowedHosts) -> Result<IdCandidates<'a>, InvalidId> {
        if !hosts.allows(&self.url) {
            return Err(InvalidId::ForeignUrl);
        }
        let id = self.id()?;
        let item = match self.kind {
            Kind::Interaction => Item::interaction(&id)?,
            Kind::Conversation => Item::conversation(id)?,
        };
        Ok(IdCandidates::of_item(item))
    }

    fn id(&self) -> Result<String, InvalidId> {
        let spaced = self.raw_id.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| InvalidId::NotUtf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

    fn names(candidates: &IdCandidates<'_>) -> Vec<String> {
        let mut names = vec![format!("{:?}", candidates.first())];
        names.extend(candidates.others().iter().map(|item| format!("{item:?}")));
        names
    }

    fn conversation(text: &str) -> Vec<String> {
        names(&IdCandidates::of_kind(Kind::Conversation, IdText::from(text)).unwrap())
    }

    #[test]
    fn a_conversation_has_one_cleaned_spelling_at_most() {
        for (text, cleaned) in [
            ("plain", None),
            ("100%", None),
            ("a:b", None),
            ("users%2Fadmin", Some("users/admin")),
            (" padded ", Some("padded")),
            ("\"quoted\"", Some("quoted")),
            ("conversation.id:abc", Some("abc")),
            ("@conversation_id:abc", Some("abc")),
            ("conversation_id: 'abc'", Some("abc")),
            ("conversation.id:", None),
            ("a%252e%252e", Some("a%2e%2e")),
            // Decoded, it would have a control character.
            ("\"a%00\"", Some("a%00")),
            ("\u{2039}quoted\u{203A}", Some("quoted")),
        ] {
            let mut expected = vec![format!("conversation {text:?}")];
            expected.extend(cleaned.map(|cleaned| format!("conversation {cleaned:?}")));
            assert_eq!(conversation(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_space_that_was_a_plus_may_have_been_meant_as_one() {
        let text = IdText { decoded: "a b".into(), with_plus: Some("a+b".into()) };
        let candidates = IdCandidates::of_kind(Kind::Conversation, text).unwrap();
        assert_eq!(names(&candidates), [r#"conversation "a b""#, r#"conversation "a+b""#]);
    }

    #[test]
    fn a_cleaned_spelling_passes_the_same_checks() {
        assert_eq!(conversation("\"..\""), [r#"conversation "\"..\"""#]);
        assert_eq!(conversation("a%00"), [r#"conversation "a%00""#]);
    }

    #[test]
    fn a_uuid_of_no_kind_is_an_interaction_then_a_conversation_as_written() {
        let hosts = AllowedHosts::default();
        let upper = UUID.to_uppercase();
        let candidates = IdCandidates::of_any_kind(IdText::from(upper.as_str()), &hosts).unwrap();
        assert_eq!(names(&candidates), [format!("interaction {UUID:?}"), format!("conversation {upper:?}")]);
        assert!(!candidates.kind_was_named());
    }

    #[test]
    fn kind_and_id_are_taken_from_the_address_of_a_page_of_nebulys() {
        let mut hosts = AllowedHosts::default();
        hosts.allow("*.nebuly.com").unwrap();
        let page =
            |query: &str| format!("https://v2.platform.eu.nebuly.com/live-activity?projectId=p&{query}");
        for (text, expected) in [
            (page(&format!("interactionId={UUID}")), Ok(format!("interaction {UUID:?}"))),
            (
                page("conversationId=a%2Fb+c&liveActivityPageTab=conversations"),
                Ok(r#"conversation "a/b c""#.to_owned()),
            ),
            (page("conversationId=.."), Err(InvalidId::DotPart)),
            (page("conversationId=%2E%2E%3Fx"), Err(InvalidId::DotPart)),
            (page("conversationId=%ff"), Err(InvalidId::NotUtf8)),
            (page("interactionId=x"), Err(InvalidId::NotAUuid)),
            (format!("https://evil.example/?interactionId={UUID}"), Err(InvalidId::ForeignUrl)),
            (page("other=1"), Ok(format!("conversation {:?}", page("other=1")))),
            (
                "https://chat.example/c/1".to_owned(),
                Ok(r#"conversation "https://chat.example/c/1""#.to_owned()),
            ),
        ] {
            let candidates = IdCandidates::of_any_kind(IdText::from(text.as_str()), &hosts);
            assert_eq!(candidates.map(|candidates| format!("{:?}", candidates.first())), expected, "{text}");
        }
    }
}
