//! Entries: what is written is read, and nothing else counts.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn reader() -> EntryReader {
    let mut allowed_hosts = AllowedHosts::default();
    allowed_hosts.allow("*.nebuly.com").unwrap();
    EntryReader { allowed_hosts, contains_key: Arc::new(|text| text.contains("canary-key")) }
}

fn project(name: &str) -> ProjectName {
    name.try_into().unwrap()
}

fn entry(url: &str, resolved_at: Timestamp) -> SharedEntry {
    let reader = reader();
    SharedEntry { url: TargetUrl::accept(url, &reader.allowed_hosts, |_| false).unwrap(), resolved_at }
}

/// An entry that counts for project `main` and interaction [`ID`].
fn valid() -> Value {
    json!({
        "v": 1,
        "project": "main",
        "kind": "interaction",
        "id": ID,
        "url": "https://go.nebuly.com/x",
        "resolved_at": "2027-01-15T08:00:00.000Z",
    })
}

fn read(value: &Value) -> Option<SharedEntry> {
    let item = Item::interaction(ID).unwrap();
    reader().read(value.to_string().as_bytes(), &project("main"), &item, NOW)
}

/// [`valid`] with another value of one member.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut entry = valid();
    entry[name] = value.into();
    entry
}

#[test]
fn an_entry_is_written_as_the_documented_json() {
    let entry = entry("https://go.nebuly.com/x", NOW);
    let written = entry.encode(&project("main"), &Item::interaction(ID).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), valid());
    assert_eq!(read(&valid()), Some(entry));
}

#[test]
fn an_entry_about_something_else_or_of_another_version_does_not_count() {
    for (name, value) in [
        ("v", json!(2)),
        ("v", json!(0)),
        ("v", json!("1")),
        ("project", json!("other")),
        ("project", json!("Main")),
        ("kind", json!("conversation")),
        ("kind", json!(null)),
        ("id", json!(ID.to_uppercase())),
        ("id", json!("0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6f")),
    ] {
        assert_eq!(read(&with(name, value.clone())), None, "{name}: {value}");
    }
    for name in ["v", "project", "kind", "id", "url", "resolved_at"] {
        let mut entry = valid();
        entry.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&entry), None, "{name}");
    }
}

#[test]
fn a_url_that_nebuly_could_not_have_answered_does_not_count() {
    for url in [
        "https://evil.example/x",
        "http://go.nebuly.com/x",
        "https://go.nebuly.com/canary-key",
        "https://go.nebuly.com/canary%2Dkey",
        "https://user@go.nebuly.com/x",
        "https://go.nebuly.com/\r\nx",
        "/x",
        "",
    ] {
        assert_eq!(read(&with("url", url)), None, "{url}");
    }
}

#[test]
fn an_entry_from_the_future_does_not_count_but_a_clock_that_is_a_little_ahead_does_no_harm() {
    for (resolved_at, expected) in [
        ("2027-01-15T07:59:59.999Z", Some(Timestamp::from_millis(NOW.as_millis() - 1))),
        ("2027-01-15T08:00:00Z", Some(NOW)),
        ("2027-01-15T09:00:00+01:00", Some(NOW)),
        ("2027-01-15T08:01:00Z", Some(NOW)),
        ("2027-01-15T08:01:00.001Z", None),
        ("9999-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("2027-01-15", None),
        ("1800000000000", None),
        ("", None),
    ] {
        let read = read(&with("resolved_at", resolved_at));
        assert_eq!(read.map(|entry| entry.resolved_at), expected, "{resolved_at}");
    }
}

#[test]
fn an_entry_of_eight_kibibytes_does_not_count() {
    let padded = |size: usize| {
        let text = valid().to_string();
        let padding = " ".repeat(size - text.len());
        let item = Item::interaction(ID).unwrap();
        reader().read(format!("{text}{padding}").as_bytes(), &project("main"), &item, NOW)
    };
    assert!(padded(MAX_SIZE - 1).is_some());
    assert!(padded(MAX_SIZE).is_none());
}

#[test]
fn a_moment_that_no_calendar_has_is_not_written() {
    let entry = entry("https://go.nebuly.com/x", Timestamp::from_millis(u64::MAX));
    assert_eq!(entry.encode(&project("main"), &Item::interaction(ID).unwrap()), None);
}

prop_compose! {
    /// A project, a conversation's id, what leads there, and when it was found.
    fn links()(
        name in "[A-Za-z0-9_-]{1,64}",
        id in "[^\\p{Cc}./\\\\%]{1,100}",
        path in "[!-~]{0,3000}",
        ago in 0..NOW.as_millis(),
    ) -> (ProjectName, Item<'static>, SharedEntry) {
        let url = format!("https://go.nebuly.com/{path}");
        let resolved_at = Timestamp::from_millis(NOW.as_millis() - ago);
        (project(&name), Item::conversation(id).unwrap(), entry(&url, resolved_at))
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read((project, item, entry) in links()) {
        let written = entry.encode(&project, &item).unwrap();
        prop_assert_eq!(reader().read(&written, &project, &item, NOW), Some(entry));
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in any::<Vec<u8>>()) {
        let item = Item::interaction(ID).unwrap();
        prop_assert_eq!(reader().read(&bytes, &project("main"), &item, NOW), None);
    }

    #[test]
    fn no_change_of_a_valid_entry_makes_reading_panic_or_leads_elsewhere(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut written = valid().to_string().into_bytes();
        let at = at.index(written.len());
        let end = written.len().min(at + bytes.len());
        written.splice(at..end, bytes);
        let item = Item::interaction(ID).unwrap();
        if let Some(entry) = reader().read(&written, &project("main"), &item, NOW) {
            prop_assert!(entry.url.as_str().starts_with("https://") && entry.resolved_at <= NOW);
        }
    }

    #[test]
    fn a_changed_byte_in_project_kind_or_id_makes_it_count_no_more(
        name in prop::sample::select(vec!["project", "kind", "id"]),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let written = valid().to_string();
        let value = valid()[name].as_str().unwrap().to_owned();
        let member = format!("\"{name}\":\"");
        let start = written.find(&member).unwrap() + member.len();
        let mut written = written.into_bytes();
        let at = start + at.index(value.len());
        prop_assume!(written[at] != byte);
        written[at] = byte;
        let item = Item::interaction(ID).unwrap();
        prop_assert_eq!(reader().read(&written, &project("main"), &item, NOW), None);
    }
}
