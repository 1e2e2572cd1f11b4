use proptest::prelude::*;

use super::*;
use crate::domain::{
    AbsentLink, AllowedHosts, MonotonicTime, ProjectIndex, ProjectSet, Refreshes, TargetUrl, Timestamp,
};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

fn absent() -> CachedLink {
    CachedLink::Absent(AbsentLink { said_by: ProjectSet::default(), said_at: MonotonicTime::default() })
}

fn url(text: &str) -> TargetUrl {
    let mut hosts = AllowedHosts::default();
    hosts.allow("go.example").unwrap();
    TargetUrl::accept(text, &hosts, |_| false).unwrap()
}

fn project(position: usize) -> ProjectIndex {
    ProjectIndex::new(position).unwrap()
}

#[test]
fn a_link_is_found_under_its_scope_kind_and_id_alone() {
    let cache = MemoryCache::new(1 << 20);
    cache.insert(Scope::All, Item::interaction(UUID).unwrap(), absent());
    assert_eq!(cache.get(Scope::All, &Item::interaction(&UUID.to_uppercase()).unwrap()), Some(absent()));
    assert_eq!(cache.get(Scope::All, &Item::conversation(UUID).unwrap()), None);
    assert_eq!(cache.get(Scope::Only(project(0)), &Item::interaction(UUID).unwrap()), None);
}

#[test]
fn a_conversation_is_found_in_its_own_spelling_alone() {
    let cache = MemoryCache::new(1 << 20);
    for id in [UUID.to_owned(), UUID.to_uppercase(), UUID.replace('-', "")] {
        let item = Item::conversation(id).unwrap();
        assert_eq!(cache.get(Scope::All, &item), None, "{item:?}");
        cache.insert(Scope::All, item.clone(), absent());
        assert_eq!(cache.get(Scope::All, &item), Some(absent()), "{item:?}");
    }
}

#[test]
fn the_cache_stays_within_its_bytes() {
    let cache = MemoryCache::new(1 << 20);
    for number in 0..50_000 {
        cache.insert(Scope::All, Item::conversation(format!("conversation-{number}")).unwrap(), absent());
    }
    cache.housekeep();
    assert!(cache.weighted_size() <= 1 << 20);
    assert!(cache.entry_count() > 1_000);
}

#[test]
fn the_links_that_lead_somewhere_can_be_listed() {
    let cache = MemoryCache::new(1 << 20);
    let link = ResolvedLink::new(url("https://go.example/a"), project(3), Timestamp::from_millis(5));
    let item = Item::conversation("a").unwrap();
    cache.insert(Scope::Only(project(3)), item.clone(), CachedLink::Resolved(link.clone()));
    cache.insert(Scope::All, item.clone(), absent());
    assert_eq!(cache.resolved().collect::<Vec<_>>(), [(Scope::Only(project(3)), item, link)]);
}

#[test]
fn metrics_tell_what_it_holds_and_what_had_to_leave() {
    let metrics = crate::telemetry::MetricsRegistry::new();
    let cache = metrics.scope(|| MemoryCache::new(100_000));
    for number in 0..2_000 {
        cache.insert(Scope::All, Item::conversation(format!("{number}")).unwrap(), absent());
    }
    // Replacing a link evicts none.
    cache.housekeep();
    let (entries, size) = (cache.entry_count(), cache.weighted_size());
    let text = metrics.render();
    for line in [
        format!("nebulink_cache_entries {entries}"),
        format!("nebulink_cache_size_bytes {size}"),
        format!("nebulink_cache_evictions_total {}", 2_000 - entries),
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in:\n{text}");
    }
}

proptest! {
    #[test]
    fn what_is_put_in_comes_out_as_it_was(
        ids in proptest::collection::vec("([a-z ü/]{1,3}|0191b7c4-5e52-7b60-9d6a-[0-9a-f]{12})", 1..20),
        template in 0_usize..3,
        own in 0_usize..128,
        failures in any::<u8>(),
        times in any::<[u32; 3]>(),
        gone in any::<bool>(),
    ) {
        let cache = MemoryCache::new(1 << 20);
        let [resolved_at, not_before, gone_since] = times.map(u64::from);
        let resolved_at = Timestamp::from_millis(resolved_at);
        let [not_before, gone_since] = [not_before, gone_since].map(MonotonicTime::from_millis);
        for id in &ids {
            let Ok(item) = Item::conversation(id.clone()) else { continue };
            let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            let link = CachedLink::Resolved(ResolvedLink {
                url: url(&[
                    format!("https://go.example/live?projectId=p&conversationId={encoded}&tab=c"),
                    format!("https://go.example/{encoded}"),
                    "https://go.example/same".to_owned(),
                ][template]),
                project: project(own),
                resolved_at,
                refreshes: Refreshes { failures, not_before, gone_since: gone.then_some(gone_since) },
            });
            for scope in [Scope::All, Scope::Only(project(own))] {
                cache.insert(scope, item.clone(), link.clone());
                prop_assert_eq!(cache.get(scope, &item), Some(link.clone()));
            }
        }
    }
}
