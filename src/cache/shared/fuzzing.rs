//! The properties of an entry of the shared cache, for any bytes.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "that a property does not hold is said by a panic"
)]

use std::sync::Arc;

use uuid::Uuid;

use super::entry::EntryReader;
use crate::domain::{AllowedHosts, Item, ProjectName, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

/// An entry is valid only for the item and project that it repeats. It then leads to an allowed host, is not from the
/// future, and is the same once it is written and read again.
pub fn shared_entry(input: &[u8]) {
    let mut allowed_hosts = AllowedHosts::default();
    allowed_hosts.allow("*.nebuly.com").unwrap();
    let [main, other] = ["main", "other"].map(|name| ProjectName::try_from(name).unwrap());
    let reader = EntryReader { allowed_hosts, contains_key: Arc::new(|text| text.contains("canary-key")) };
    let value: Option<serde_json::Value> = serde_json::from_slice(input).ok();
    let id = value.as_ref().and_then(|value| value.get("id")?.as_str()).unwrap_or("a b");
    for item in [Item::interaction(UUID), Item::interaction(id), Item::conversation(id)].into_iter().flatten()
    {
        let Some(entry) = reader.read(input, &main, &item, NOW) else { continue };
        assert_eq!(reader.read(input, &other, &item, NOW), None);
        assert_eq!(reader.read(input, &main, &another(&item), NOW), None);
        let url = entry.url.as_str();
        let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
        assert!(
            host.is_some_and(|host| host.ends_with(".nebuly.com")) && !url.contains("canary-key"),
            "{url}"
        );
        assert!(entry.resolved_at <= NOW);
        let written = entry.encode(&main, &item).unwrap();
        assert_eq!(reader.read(&written, &main, &item, NOW), Some(entry));
    }
}

/// An item of the same kind with another id.
fn another(item: &Item<'_>) -> Item<'static> {
    match item {
        Item::Interaction(id) => Item::Interaction(Uuid::from_u128(id.as_u128() ^ 1)),
        Item::Conversation(id) => Item::conversation(if id.as_str() == "a" { "b" } else { "a" }).unwrap(),
    }
}
