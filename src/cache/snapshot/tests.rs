use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::{AllowedHosts, Kind, ProjectIndex, ProjectName, TargetUrl};

const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn hosts() -> AllowedHosts {
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    hosts
}

fn filter(projects: &[&str]) -> LinkFilter {
    let projects = projects.iter().map(|name| ProjectName::try_from(*name).unwrap()).collect();
    LinkFilter::new(projects, hosts(), Arc::new(|text: &str| text.contains("canary-key")), DAY)
}

fn inner(path: &Path) -> Inner {
    Inner {
        path: path.into(),
        filter: filter(&["first", "second"]),
        lines_skipped: metrics::counter!("nebulink_snapshot_lines_skipped_total"),
        writing: Mutex::default(),
    }
}

fn link(url: &str, project: usize, millis: u64) -> ResolvedLink {
    let url = TargetUrl::accept(url, &hosts(), |_| false).unwrap();
    ResolvedLink::new(url, ProjectIndex::new(project).unwrap(), Timestamp::from_millis(millis))
}

fn load(content: impl AsRef<[u8]>) -> (Result<Loaded, SnapshotError>, MemoryCache) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links");
    std::fs::write(&path, content).unwrap();
    let cache = MemoryCache::new(1 << 24);
    (inner(&path).load(&cache, NOW), cache)
}

/// A good line, with one member replaced.
fn line(member: &str, value: &str) -> String {
    let mut line = serde_json::json!({
        "v": 1, "kind": "interaction", "id": UUID, "url": "https://a.nebuly.com/x", "project": "first",
        "resolved_at": "2027-01-15T08:00:00.000Z",
    });
    line[member] = serde_json::from_str(value).unwrap();
    format!("{line}\n")
}

#[test]
fn a_line_looks_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links");
    let links = [
        (Scope::All, Item::interaction(UUID).unwrap(), link("https://a.nebuly.com/x", 0, 1_800_000_000_007)),
        (
            Scope::Only(ProjectIndex::new(1).unwrap()),
            Item::conversation("a \"b\"").unwrap(),
            link("https://a.nebuly.com/y", 1, 0),
        ),
    ];
    assert_eq!(inner(&path).save(links.into_iter()).unwrap(), 2);
    let expected = format!(
        "{}\n{}\n",
        format_args!(
            r#"{{"v":1,"kind":"interaction","id":"{UUID}","url":"https://a.nebuly.com/x","project":"first","resolved_at":"2027-01-15T08:00:00.007Z"}}"#
        ),
        r#"{"v":1,"kind":"conversation","id":"a \"b\"","url":"https://a.nebuly.com/y","project":"second","resolved_at":"1970-01-01T00:00:00.000Z","scope":"project"}"#,
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn a_line_is_checked_like_an_answer_from_outside() {
    let good = line("v", "1");
    assert_eq!(load(&good).0.unwrap(), Loaded { links: 1, ..Loaded::default() });
    for bad in [
        "\n".to_owned(),
        "{}\n".to_owned(),
        "null\n".to_owned(),
        "{\"v\":1,\n".to_owned(),
        good.trim_end().trim_end_matches('}').to_owned() + "\n",
        line("v", "0"),
        line("v", "-1"),
        line("v", "\"1\""),
        line("kind", "\"preview\""),
        line("id", "\"x\""),
        line("id", "7"),
        line("url", "\"https://evil.example/\""),
        line("url", "\"https://a.nebuly.com/canary-key\""),
        line("url", "\"https://a.nebuly.com/\\r\\nx\""),
        line("url", "\"javascript:alert(1)\""),
        line("project", "\"\""),
        line("project", "\"a b\""),
        line("resolved_at", "\"yesterday\""),
        line("resolved_at", "1800000000"),
        line("resolved_at", "\"1969-12-31T23:59:59.999Z\""),
        line("scope", "\"all\""),
        line("url", &format!("\"https://a.nebuly.com/{}\"", "x".repeat(20_000))),
        "\u{0}\u{1}\n".to_owned(),
    ] {
        let expected = Loaded { links: 1, broken: 1, ..Loaded::default() };
        assert_eq!(load(good.clone() + &bad).0.unwrap(), expected, "{bad}");
        assert_eq!(load(bad.clone() + &good).0.unwrap(), expected, "{bad}");
    }
    let expected = Loaded { links: 1, broken: 1, ..Loaded::default() };
    assert_eq!(load([b"\xff\xfe\n", good.as_bytes()].concat()).0.unwrap(), expected);
    // The clock was set back since: they are stale, and not lost.
    for future in ["\"2027-01-15T08:01:00.001Z\"", "\"9999-01-01T00:00:00Z\""] {
        assert_eq!(load(line("resolved_at", future)).0.unwrap().links, 1, "{future}");
    }
    assert_eq!(load(line("more", "[1]")).0.unwrap().links, 1);
}

#[test]
fn a_broken_line_takes_no_other_with_it() {
    let other = line("id", "\"0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6f\"");
    let content = format!("{}{{\"v\":1,\"kin\n{}\n{other}", line("v", "1"), "x".repeat(1 << 20));
    assert_eq!(load(content).0.unwrap(), Loaded { links: 2, broken: 2, ..Loaded::default() });
}

#[test]
fn old_links_and_those_of_unconfigured_projects_are_left_out_without_being_broken() {
    let content = [
        line("project", "\"third\""),
        line("resolved_at", "\"2027-01-14T08:00:00Z\""),
        line("resolved_at", "\"2027-01-14T08:00:00.001Z\""),
    ];
    assert_eq!(
        load(content.concat()).0.unwrap(),
        Loaded { links: 1, broken: 0, unconfigured: 1, expired: 1 }
    );
}

#[test]
fn of_a_file_of_a_newer_version_nothing_is_taken_and_it_is_never_overwritten() {
    for newer in ["{\"v\":2}\n".to_owned(), line("v", "7"), line("v", "2").replace('{', " { ")] {
        for content in [newer.clone(), line("v", "1") + &newer, newer.clone() + &line("v", "1")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("links");
            std::fs::write(&path, &content).unwrap();
            let cache = MemoryCache::new(1 << 20);
            let error = inner(&path).load(&cache, NOW).unwrap_err();
            assert!(matches!(error, SnapshotError::NewerVersion { .. }), "{error:?}");
            assert!(error.to_string().contains("newer version"), "{error}");
            assert_eq!(cache.resolved().count(), 0);
            let error = inner(&path).save(cache.resolved()).unwrap_err();
            assert!(matches!(error, SnapshotError::NewerVersion { .. }), "{error:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}

/// Neither loads, saves nor checks a snapshot at this path, and leaves no trace beside it.
#[track_caller]
fn assert_refused(path: &Path, reason: &str) {
    let cache = MemoryCache::new(1 << 20);
    let entries = || path.parent().and_then(|folder| folder.read_dir().ok()).map(Iterator::count);
    let before = entries();
    for error in [
        inner(path).load(&cache, NOW).map(drop).unwrap_err(),
        inner(path).save(cache.resolved()).map(drop).unwrap_err(),
        check(&path.into()).unwrap_err(),
    ] {
        let error = format!("{:#}", anyhow::Error::new(error));
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(entries(), before);
}

#[test]
fn what_is_no_regular_file_is_neither_read_nor_replaced() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    symlink("folder", at("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    for path in [at("folder"), at("link"), at("fifo"), "/dev/null".into()] {
        assert_refused(&path, "not a regular file");
    }
}

#[test]
fn a_file_that_holds_something_else_is_neither_read_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links");
    for content in [
        "\n".to_owned(),
        "[server]\nlisten = '[::]:80'\n".to_owned(),
        // Another program's lines of JSON.
        "{\"v\":1,\"level\":30,\"msg\":\"x\"}\n{\"v\":0}\n".to_owned(),
        "\u{0}".repeat(1 << 20),
        // What is behind does not count: it may be long.
        "x".repeat(64 * 1024) + "\n" + &line("v", "1"),
    ] {
        std::fs::write(&path, &content).unwrap();
        assert_refused(&path, "holds something else");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_snapshot_is_recognised_by_any_of_its_first_lines_and_an_empty_file_is_one() {
    let good = line("v", "1");
    for content in [
        String::new(),
        "broken\n".repeat(1_000) + &good,
        "x".repeat(60_000) + "\n" + &good,
        // Cut off while it was copied.
        "{\"v\":1,\"kind\":\"interac".to_owned(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("links");
        std::fs::write(&path, &content).unwrap();
        check(&(&path).into()).unwrap();
        let cache = MemoryCache::new(1 << 20);
        inner(&path).load(&cache, NOW).unwrap();
        inner(&path).save(cache.resolved()).unwrap();
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_noticed_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [folder.path().join("no/links"), file.join("links"), "/proc/links".into()] {
        let error = check(&path.into()).unwrap_err();
        assert!(matches!(error, SnapshotError::Io { .. }), "{error}");
    }
    check(&folder.path().join("links").into()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it left something behind");
}

#[test]
fn the_lines_that_are_skipped_are_counted_in_a_metric() {
    let metrics = crate::telemetry::MetricsRegistry::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links");
    std::fs::write(&path, ["x\n", &line("project", "\"third\""), "y\n"].concat()).unwrap();
    let snapshot = metrics.scope(|| SnapshotFile::new(&path, filter(&["first"])));
    snapshot.0.load(&MemoryCache::new(1 << 20), NOW).unwrap();
    let text = metrics.render();
    assert!(text.contains("\nnebulink_snapshot_lines_skipped_total 2\n"), "{text}");
}

prop_compose! {
    fn any_link()(
        kind in prop_oneof![Just(Kind::Interaction), Just(Kind::Conversation)],
        uuid in any::<u128>(),
        text in "\\PC{1,30}",
        path in "[!-~]{0,40}",
        project in 0_usize..2,
        only in any::<bool>(),
        age in 0_u64..86_400_000,
    ) -> Option<(Scope, Item<'static>, ResolvedLink)> {
        let item = match kind {
            Kind::Interaction => Item::Interaction(uuid::Uuid::from_u128(uuid)),
            Kind::Conversation => Item::conversation(text).ok()?,
        };
        let url = TargetUrl::accept(&format!("https://a.nebuly.com/{path}"), &hosts(), |_| false).ok()?;
        let project = ProjectIndex::new(project).unwrap();
        let scope = if only { Scope::Only(project) } else { Scope::All };
        Some((scope, item, ResolvedLink::new(url, project, Timestamp::from_millis(NOW.as_millis() - age))))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(links in proptest::collection::vec(any_link(), 0..10)) {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = inner(&folder.path().join("links"));
        let links: Vec<_> = links.into_iter().flatten().collect();
        let (before, after) = (MemoryCache::new(1 << 20), MemoryCache::new(1 << 20));
        for (scope, item, link) in &links {
            before.insert(*scope, item.clone(), CachedLink::Resolved(link.clone()));
        }
        snapshot.save(before.resolved()).unwrap();
        let loaded = snapshot.load(&after, NOW).unwrap();
        prop_assert_eq!(loaded, Loaded { links: before.resolved().count() as u64, ..Loaded::default() });
        for (scope, item, _) in &links {
            prop_assert_eq!(after.get(*scope, item), before.get(*scope, item));
        }
    }

    #[test]
    fn no_file_makes_reading_panic(content in any::<Vec<u8>>()) {
        let _loaded = load(content);
    }

    #[test]
    fn no_member_makes_reading_panic(
        member in "v|kind|id|url|project|resolved_at|scope",
        value in prop_oneof!["[0-9]{1,30}", any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()), Just("[{}]".to_owned())],
        cut in 0_usize..300,
    ) {
        let whole = match serde_json::from_str::<serde_json::Value>(&value) {
            Ok(_) => line(&member, &value),
            Err(_) => value,
        };
        let _loaded = load(&whole);
        let _cut = load(&whole.as_bytes()[..cut.min(whole.len())]);
    }
}
