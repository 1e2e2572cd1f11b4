//! The snapshot through its public interface, and through crashes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nebulink::cache::MemoryCache;
use nebulink::cache::snapshot::{LinkFilter, Loaded, SnapshotFile};
use nebulink::domain::{
    AllowedHosts, CachedLink, Clock as _, Item, LinkCache as _, ProjectIndex, ProjectName, ResolvedLink,
    Scope, SystemClock, TargetUrl,
};
use uuid::Uuid;

/// Names the snapshot that a child writes again and again.
const CHILD: &str = "NEBULINK_TEST_SNAPSHOT";

/// Enough that a write takes a while.
const LINKS: u64 = 1_000;

/// How often the child is killed.
const KILLS: usize = 40;

fn hosts() -> AllowedHosts {
    let mut hosts = AllowedHosts::default();
    hosts.allow("go.example").unwrap();
    hosts
}

fn snapshot(path: &Path) -> SnapshotFile {
    let projects = vec![ProjectName::try_from("default").unwrap()];
    SnapshotFile::new(
        path,
        LinkFilter::new(projects, hosts(), Arc::new(|_: &str| false), Duration::from_secs(3600)),
    )
}

/// Links that all lead to pages of the same generation.
fn fill(cache: &MemoryCache, generation: u64, count: u64) {
    for number in 0..count {
        let item = Item::Interaction(Uuid::from_u64_pair(number, number));
        let url = format!("https://go.example/{generation}?id={}", item.id());
        let url = TargetUrl::accept(&url, &hosts(), |_| false).unwrap();
        let link = ResolvedLink::new(url, ProjectIndex::default(), SystemClock.now());
        cache.insert(Scope::All, item, CachedLink::Resolved(link));
    }
}

/// The generation of a file's links, once it is sure that it has all of them.
#[track_caller]
fn generation_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    let generation = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let url = line["url"].as_str().unwrap().to_owned();
        url.split(['/', '?']).nth(3).unwrap().to_owned()
    };
    let generations: Vec<_> = text.lines().map(generation).collect();
    assert_eq!(generations.len() as u64, LINKS);
    assert!(generations.iter().all(|own| *own == generations[0]), "two generations are mixed");
    generations[0].clone()
}

#[tokio::test]
async fn links_outlive_the_process_in_a_file_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.jsonl");
    let cache = MemoryCache::new(1 << 26);
    fill(&cache, 1, 100);
    let item = Item::conversation("a b").unwrap();
    let scope = Scope::Only(ProjectIndex::default());
    let link = cache.get(Scope::All, &Item::Interaction(Uuid::nil())).unwrap();
    cache.insert(scope, item.clone(), link.clone());
    assert_eq!(snapshot(&path).save_from(&cache).await.unwrap(), 101);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let restarted = MemoryCache::new(1 << 26);
    let loaded = snapshot(&path).load_into(&restarted, SystemClock.now()).await.unwrap();
    assert_eq!(loaded, Loaded { links: 101, ..Loaded::default() });
    assert_eq!(restarted.get(scope, &item), Some(link.clone()));
    assert_eq!(restarted.get(Scope::All, &item), None);
    assert_eq!(restarted.get(Scope::All, &Item::Interaction(Uuid::nil())), Some(link));
}

#[tokio::test]
async fn a_file_that_is_not_there_has_no_links() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot(&folder.path().join("links.jsonl"));
    let loaded = snapshot.load_into(&MemoryCache::new(1 << 20), SystemClock.now()).await.unwrap();
    assert_eq!(loaded, Loaded::default());
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let snapshot = snapshot(&gone.join("links.jsonl"));
    snapshot.save_from(&MemoryCache::new(1 << 20)).await.unwrap();
    fs::rename(&gone, folder.path().join("elsewhere")).unwrap();
    let error = snapshot.save_from(&MemoryCache::new(1 << 20)).await.unwrap_err();
    assert!(error.to_string().contains("links.jsonl cannot be written"), "{error}");
    assert!(folder.path().join("elsewhere/links.jsonl").exists());
}

#[tokio::test(flavor = "current_thread")]
async fn writing_does_not_hold_up_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let cache = MemoryCache::new(1 << 28);
    fill(&cache, 1, 20_000);
    let snapshot = snapshot(&folder.path().join("links.jsonl"));
    let mut turns = 0_u64;
    let saving = snapshot.save_from(&cache);
    tokio::pin!(saving);
    loop {
        tokio::select! {
            biased;
            saved = &mut saving => break assert_eq!(saved.unwrap(), 20_000),
            () = tokio::task::yield_now() => turns += 1,
        }
    }
    assert!(turns > 1, "nothing else ran on the runtime's only thread");
}

/// Not a test of its own: the child of the one below.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let snapshot = snapshot(Path::new(&path));
    let generations = [1, 2].map(|generation| {
        let cache = MemoryCache::new(1 << 26);
        fill(&cache, generation, LINKS);
        cache
    });
    for cache in generations.iter().cycle() {
        snapshot.save_from(cache).await.unwrap();
        println!("written");
    }
}

#[test]
fn a_crash_in_the_middle_of_a_write_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.jsonl");
    let somebodys = folder.path().join(".links.jsonl.tmp");
    fs::write(&somebodys, "somebody's").unwrap();
    let (mut leftovers, mut generations) = (0, BTreeSet::new());
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "snapshot::child_that_writes_until_it_is_killed",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut writes = output.by_ref().filter(|line| line.as_ref().unwrap().contains("written"));
        assert!(writes.nth(round % 2).is_some(), "the child wrote nothing");
        // At any moment of the writes that follow: there is nothing to wait for.
        std::thread::sleep(Duration::from_micros(fastrand::u64(..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        generations.insert(generation_of(&path));
        let others = fs::read_dir(folder.path()).unwrap().count() - 2;
        assert!(others <= 1, "leftovers pile up");
        leftovers += others;
    }
    assert!(leftovers > 0, "no child was killed while it wrote");
    assert_eq!(generations.len(), 2, "no file was replaced");
    let cache = MemoryCache::new(1 << 20);
    fill(&cache, 7, 1);
    tokio::runtime::Runtime::new().unwrap().block_on(snapshot(&path).save_from(&cache)).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".links.jsonl.tmp", "links.jsonl"]);
    assert_eq!(fs::read_to_string(&somebodys).unwrap(), "somebody's");
}
