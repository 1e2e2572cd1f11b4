//! The bodies of Nebuly's listings: takes the newest row of a page, and skips all texts as it reads.
//!
//! Nothing is ever made of the texts: people wrote them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::{Item, Kind};

/// The longest body that is read, in bytes: a page of rows with all their texts.
pub(in crate::nebuly) const MAX_LISTING_BODY: usize = 4 * 1024 * 1024;

/// A page of a listing, without its texts.
#[derive(Debug)]
pub(in crate::nebuly) struct ListingPage {
    /// The rows that the whole listing has.
    pub(in crate::nebuly) total: u64,
    /// The rows of this page, those that are skipped among them.
    pub(in crate::nebuly) rows: u64,
    /// The newest of them.
    pub(in crate::nebuly) newest: Option<ListedItem>,
}

/// An item of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::nebuly) struct ListedItem {
    pub(in crate::nebuly) item: Item<'static>,
    /// The time of an interaction, or of the end of a conversation. One that cannot be read is before all others.
    time: Option<Timestamp>,
}

/// The answer of a listing. Other members than these are skipped, in the rows as well.
#[derive(Deserialize)]
#[serde(bound = "R: ListedRow<'de>")]
struct Listing<R> {
    total: u64,
    data: Rows<R>,
}

/// The rows of a page, of which only the newest is kept: a body could have a million of them.
struct Rows<R> {
    count: u64,
    newest: Option<ListedItem>,
    row: PhantomData<R>,
}

struct RowsVisitor<R>(PhantomData<R>);

/// A row of a listing, which borrows from the body.
trait ListedRow<'de>: Deserialize<'de> {
    /// The item; `None` if its id is none.
    fn item(self) -> Option<ListedItem>;
}

#[derive(Deserialize)]
struct InteractionRow<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ConversationRow<'a> {
    #[serde(borrow)]
    group_name: Option<&'a RawValue>,
    #[serde(borrow)]
    end_session: Option<&'a RawValue>,
}

/// Reads a page of a listing of this kind. Rows whose id passes no check are skipped. The error says nothing of the body's
/// content.
pub(in crate::nebuly) fn read_listing(body: &[u8], kind: Kind) -> Result<ListingPage, &'static str> {
    let page = match kind {
        Kind::Interaction => serde_json::from_slice::<Listing<InteractionRow<'_>>>(body).map(ListingPage::of),
        Kind::Conversation => {
            serde_json::from_slice::<Listing<ConversationRow<'_>>>(body).map(ListingPage::of)
        }
    };
    page.map_err(|_| "the body is no listing in JSON")
}

impl ListingPage {
    fn of<R>(listing: Listing<R>) -> Self {
        Self { total: listing.total, rows: listing.data.count, newest: listing.data.newest }
    }
}

impl ListedItem {
    /// The newest of two: the one with the greatest time, then the greatest id.
    pub(in crate::nebuly) fn newest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by(|one, other| one.key().cmp(&other.key()))
    }

    fn key(&self) -> (Option<Timestamp>, Cow<'_, str>) {
        (self.time, self.item.id())
    }
}

impl<'de> ListedRow<'de> for InteractionRow<'de> {
    fn item(self) -> Option<ListedItem> {
        let item = Item::interaction(&text(self.id)?).ok()?;
        Some(ListedItem { item, time: time(self.timestamp) })
    }
}

impl<'de> ListedRow<'de> for ConversationRow<'de> {
    fn item(self) -> Option<ListedItem> {
        let item = Item::conversation(text(self.group_name)?).ok()?.into_owned();
        Some(ListedItem { item, time: time(self.end_session) })
    }
}

impl<'de, R: ListedRow<'de>> Deserialize<'de> for Rows<R> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(RowsVisitor(PhantomData))
    }
}

impl<'de, R: ListedRow<'de>> Visitor<'de> for RowsVisitor<R> {
    type Value = Rows<R>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Rows { count: 0, newest: None, row: PhantomData };
        while let Some(row) = list.next_element::<R>()? {
            rows.count += 1;
            rows.newest = ListedItem::newest(rows.newest, row.item());
        }
        Ok(rows)
    }
}

/// The text of a value, if it is one.
fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// The moment that a text names. Without an offset it is taken as UTC, in which most back ends think.
fn time(value: Option<&RawValue>) -> Option<Timestamp> {
    let text = text(value)?;
    let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| Some(in_utc()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn uuid(n: u32) -> String {
        format!("0191b7c4-5e52-7b60-9d6a-{n:012}")
    }

    fn interactions(rows: &Value) -> ListingPage {
        let body = json!({"total": 1000, "offset": 0, "limit": 50, "data": rows});
        read_listing(body.to_string().as_bytes(), Kind::Interaction).unwrap()
    }

    fn conversations(rows: &Value) -> ListingPage {
        let body = json!({"data": rows, "total": 1000});
        read_listing(body.to_string().as_bytes(), Kind::Conversation).unwrap()
    }

    #[track_caller]
    fn id(page: ListingPage) -> String {
        page.newest.unwrap().item.id().into_owned()
    }

    #[test]
    fn the_newest_interaction_has_the_greatest_time_and_then_the_greatest_id() {
        let rows = json!([
            {"id": uuid(1), "timestamp": "2024-05-30T09:27:52.420Z", "input_text": "a", "end_user": {"b": ["c"]}},
            // Later, though its text sorts earlier.
            {"id": uuid(3), "timestamp": "2024-05-30T08:27:52.4201-01:00"},
            {"id": uuid(4), "timestamp": "2024-05-30T09:27:52.4201Z"},
            {"id": uuid(2), "timestamp": "2024-05-30T09:27:52.4201Z"},
        ]);
        let page = interactions(&rows);
        assert_eq!((page.total, page.rows), (1000, 4));
        assert_eq!(id(page), uuid(4));
    }

    #[test]
    fn the_newest_conversation_is_the_one_that_ended_last() {
        let rows = json!([
            {"group_name": "a", "start_session": "2024-05-30T09:00:00Z", "end_session": "2024-05-30T10:00:00Z"},
            {"group_name": "b/ü", "start_session": "2024-05-30T08:00:00Z", "end_session": "2024-05-30T10:00:01Z"},
            {"group_name": "c", "n_interactions": 7},
        ]);
        assert_eq!(id(conversations(&rows)), "b/ü");
        assert_eq!(
            conversations(&rows).newest.unwrap().item,
            Item::conversation("b/ü").unwrap().into_owned()
        );
    }

    #[test]
    fn a_time_without_an_offset_is_in_utc_and_one_that_cannot_be_read_is_before_all_others() {
        let rows = json!([
            {"id": uuid(1), "timestamp": "2024-05-30T09:00:00"},
            {"id": uuid(2), "timestamp": "2024-05-30T09:30:00+01:00"},
            {"id": uuid(7), "timestamp": "yesterday"},
            {"id": uuid(8), "timestamp": null},
            {"id": uuid(9), "timestamp": 1_717_059_600},
            {"id": uuid(6)},
        ]);
        assert_eq!(id(interactions(&rows)), uuid(1));
        let unreadable =
            json!([{"id": uuid(6)}, {"id": uuid(8), "timestamp": "?"}, {"id": uuid(7), "timestamp": []}]);
        assert_eq!(id(interactions(&unreadable)), uuid(8));
    }

    #[test]
    fn a_row_whose_id_is_none_is_counted_and_skipped() {
        let time = "2024-05-30T09:00:00Z";
        let rows: Value =
            [json!("no-uuid"), json!(""), json!(null), json!(7), json!({"a": 1}), json!(uuid(5))]
                .into_iter()
                .map(|id| json!({"id": id, "timestamp": time}))
                .chain([
                    json!({"timestamp": time}),
                    json!({"id": "later", "timestamp": "2025-05-30T09:00:00Z"}),
                ])
                .collect();
        let page = interactions(&rows);
        assert_eq!((page.rows, id(page)), (8, uuid(5)));
        let rows: Value = ["", ".", "a/../b", "a\u{7}", &"x".repeat(513)]
            .into_iter()
            .map(|id| json!({"group_name": id, "end_session": time}))
            .collect();
        let page = conversations(&rows);
        assert!((page.rows, &page.newest) == (5, &None), "{page:?}");
    }

    #[test]
    fn anything_but_a_listing_is_refused_without_a_word_of_it() {
        for body in [
            "",
            "null",
            "[]",
            "canary",
            r#"{"data": []}"#,
            r#"{"total": 1}"#,
            r#"{"total": "canary", "data": []}"#,
            r#"{"total": -1, "data": []}"#,
            r#"{"total": 1, "data": {"canary": 1}}"#,
            r#"{"total": 1, "data": ["canary"]}"#,
            r#"{"total": 1, "data": [{"id": canary}]}"#,
            r#"{"total": 1, "data": [{"input_text": "canary}]}"#,
            r#"{"total": 1, "data": []} canary"#,
        ] {
            for kind in [Kind::Interaction, Kind::Conversation] {
                let refused = read_listing(body.as_bytes(), kind).unwrap_err();
                assert_eq!(refused, "the body is no listing in JSON", "{body}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "([{}\\[\\],:\"\\\\]|total|data|id|timestamp|1|null|\\PC){0,40}") {
            for kind in [Kind::Interaction, Kind::Conversation] {
                let _page = read_listing(body.as_bytes(), kind);
            }
        }
    }
}
