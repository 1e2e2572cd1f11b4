//! Measures the memory of links, the time of a look-up, and the time of their snapshot: `cargo bench --bench memory`, with
//! `-- --short` for a tenth of the links.
//!
//! Each figure comes from a process of its own, so that none is disturbed by what another left behind. "Plain" is the
//! straightforward way to keep links, each with its whole URL: what the compact one is compared with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what surprises a benchmark ends it, and its figures are for people"
)]

use std::hash::Hash;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use nebulink::cache::MemoryCache;
use nebulink::cache::snapshot::{LinkFilter, SnapshotFile};
use nebulink::domain::{
    AllowedHosts, CachedLink, Item, LinkCache, ProjectIndex, ProjectName, ResolvedLink, Scope, TargetUrl,
    Timestamp,
};
use uuid::Uuid;

/// As many as a large installation opens in a month.
const LINKS: u64 = 1_000_000;

/// Few enough that nearly all that is read stays in the processor's cache.
const FEW_LINKS: u64 = 1_000;

/// Hits in a round.
const HITS: u64 = 50_000;

/// How often each cost is measured. The least disturbed round counts, so rounds are short.
const ROUNDS: u64 = 40;

/// Interactions, conversations whose ids are UUIDs, and conversations with other ids.
const KINDS: [&str; 3] = ["interaction", "conversation", "text"];

/// The environment variable with the task of a child.
const TASK: &str = "NEBULINK_BENCH_TASK";

/// The cache under measurement.
enum Links {
    Compact(MemoryCache),
    Plain(Cache<(bool, Item<'static>), CachedLink>),
}

fn main() {
    let links = if std::env::args().any(|argument| argument == "--short") { LINKS / 10 } else { LINKS };
    if let Ok(task) = std::env::var(TASK) {
        return child(&task);
    }
    println!("{links} links, URLs of {} bytes", url(&item("interaction", 0)).len());
    println!(
        "{:<24}{:>15}{:>15}{:>10}{:>12}",
        "memory", "resident B/link", "weighed B/link", "weighed", "filled in"
    );
    for kind in KINDS {
        for representation in ["plain", "compact"] {
            let [resident, weighed, fill] = in_child(&format!("{representation} {kind} {links}"))[..] else {
                panic!("{kind}")
            };
            let name = format!("{representation}, {kind}");
            let share = 100.0 * weighed / resident;
            println!("{name:<24}{resident:>15.0}{weighed:>15.0}{share:>9.0}%{fill:>10.1} s");
        }
    }
    println!("{:<24}{:>15}{:>15}{:>10}", "cost of a hit", "plain ns", "compact ns", "added ns");
    for kind in KINDS {
        for count in [FEW_LINKS, links] {
            let [plain, compact] = in_child(&format!("hits {kind} {count}"))[..] else { panic!("{kind}") };
            let name = format!("{kind}, of {count}");
            println!("{name:<24}{plain:>15.0}{compact:>15.0}{:>10.0}", compact - plain);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.jsonl");
    let path = path.to_str().unwrap();
    let [written, growth, size] = in_child(&format!("write {links} {path}"))[..] else { panic!("write") };
    let [loaded, again] = in_child(&format!("load {links} {path}"))[..] else { panic!("load") };
    println!(
        "snapshot of {size:.0} MB: written in {written:.1} s with {growth:.1} MB of memory; loaded in {loaded:.1} s, \
         and written over in {again:.1} s"
    );
}

/// The figures that a child prints.
fn in_child(task: &str) -> Vec<f64> {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).env(TASK, task).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

fn child(task: &str) {
    match task.split(' ').collect::<Vec<_>>()[..] {
        ["write", count, path] => write_snapshot(count.parse().unwrap(), path),
        ["load", count, path] => load_snapshot(count.parse().unwrap(), path),
        ["hits", kind, count] => hit(kind, count.parse().unwrap()),
        [representation, kind, count] => keep(representation, kind, count.parse().unwrap()),
        _ => panic!("{task}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn write_snapshot(count: u64, path: &str) {
    let cache = MemoryCache::new(count * 700);
    let links = Links::Compact(cache.clone());
    (0..count).for_each(|number| links.insert("interaction", number));
    let before = resident();
    let began = Instant::now();
    let saved = run(snapshot(path).save_from(&cache));
    let took = began.elapsed().as_secs_f64();
    assert_eq!(saved.unwrap(), count);
    let size = std::fs::metadata(path).unwrap().len();
    println!("{took} {} {}", resident().saturating_sub(before) as f64 / 1e6, size as f64 / 1e6);
}

fn load_snapshot(count: u64, path: &str) {
    let cache = MemoryCache::new(count * 700);
    let now = Timestamp::from_millis(1_800_000_000_000 + count);
    let began = Instant::now();
    let loaded = run(snapshot(path).load_into(&cache, now)).unwrap();
    let load = began.elapsed().as_secs_f64();
    assert_eq!(loaded.links, count);
    let began = Instant::now();
    assert_eq!(run(snapshot(path).save_from(&cache)).unwrap(), count);
    println!("{load} {}", began.elapsed().as_secs_f64());
}

fn snapshot(path: &str) -> SnapshotFile {
    let projects = vec![ProjectName::try_from("default").unwrap()];
    // A search for a key, as the real one is.
    let contains_key = Arc::new(|text: &str| text.contains("nk-0123456789abcdef"));
    SnapshotFile::new(path, LinkFilter::new(projects, hosts(), contains_key, Duration::from_secs(86_400)))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn keep(representation: &str, kind: &str, count: u64) {
    let links = Links::new(representation, count);
    links.insert(kind, 0);
    links.insert(kind, 1);
    let before = resident();
    let began = Instant::now();
    (2..count + 2).for_each(|number| links.insert(kind, number));
    let fill = began.elapsed().as_secs_f64();
    links.tidy();
    let resident = resident() - before;
    println!("{} {} {fill}", resident as f64 / count as f64, links.weight() as f64 / count as f64);
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn hit(kind: &str, count: u64) {
    let both = ["plain", "compact"].map(|representation| {
        let links = Links::new(representation, count);
        (0..count).for_each(|number| links.insert(kind, number));
        links.tidy();
        links
    });
    let mut best = [Duration::MAX; 2];
    for round in 0..ROUNDS {
        // Other ones each time, in no order that the processor could guess.
        let order: Vec<_> =
            (0..HITS).map(|number| item(kind, scatter(round * HITS + number) % count)).collect();
        // In turns, so that what disturbs the one disturbs the other, too.
        for (links, best) in both.iter().zip(&mut best) {
            let began = Instant::now();
            for item in &order {
                assert!(black_box(links.get(item)).is_some());
            }
            *best = (*best).min(began.elapsed());
        }
    }
    let [plain, compact] = best.map(|best| best.as_nanos() as f64 / HITS as f64);
    println!("{plain} {compact}");
}

impl Links {
    /// Room for all, filled by half or more, as a cache that has run for a while is: the tables that choose who leaves
    /// are there then.
    fn new(representation: &str, count: u64) -> Self {
        let room = count * 700;
        match representation {
            "compact" => Self::Compact(MemoryCache::new(room)),
            _ => Self::Plain(Cache::builder().max_capacity(room).weigher(|_, _| 400).build()),
        }
    }

    fn insert(&self, kind: &str, number: u64) {
        let item = item(kind, number);
        let link = CachedLink::Resolved(ResolvedLink::new(
            url(&item),
            ProjectIndex::default(),
            Timestamp::from_millis(1_800_000_000_000 + number),
        ));
        match self {
            Self::Compact(links) => links.insert(Scope::All, item, link),
            Self::Plain(links) => links.insert((true, item), link),
        }
    }

    fn get(&self, item: &Item<'static>) -> Option<CachedLink> {
        match self {
            Self::Compact(links) => links.get(Scope::All, item),
            Self::Plain(links) => links.get(&LookupKey(true, item)),
        }
    }

    fn tidy(&self) {
        match self {
            Self::Compact(links) => links.housekeep(),
            Self::Plain(links) => links.run_pending_tasks(),
        }
    }

    fn weight(&self) -> u64 {
        match self {
            Self::Compact(links) => links.weighted_size(),
            Self::Plain(links) => links.weighted_size(),
        }
    }
}

#[derive(Hash)]
struct LookupKey<'a>(bool, &'a Item<'a>);

impl equivalent::Equivalent<(bool, Item<'static>)> for LookupKey<'_> {
    fn equivalent(&self, key: &(bool, Item<'static>)) -> bool {
        self.0 == key.0 && *self.1 == key.1
    }
}

fn item(kind: &str, number: u64) -> Item<'static> {
    let uuid = Uuid::from_u64_pair(scatter(number), scatter(!number));
    match kind {
        "interaction" => Item::Interaction(uuid),
        "conversation" => Item::conversation(uuid.to_string()).unwrap(),
        _ => Item::conversation(format!("customer/{number} of 2026")).unwrap(),
    }
}

fn hosts() -> AllowedHosts {
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    hosts
}

/// A URL as Nebuly gives it.
fn url(item: &Item<'_>) -> TargetUrl {
    let id =
        percent_encoding::utf8_percent_encode(&item.id(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let url = format!(
        "https://v2.platform.eu.nebuly.com/live-activity?projectId=4f6c1f0e-8a57-4f2b-9a40-6f1d7c6f2b11&\
         organizationId=9b0f3f5a-6b7e-4d59-8d2c-2f4f5e1f0a77&{kind}Id={id}&liveActivityPageTab={kind}s",
        kind = item.kind(),
        id = id.replace("%2D", "-"),
    );
    TargetUrl::accept(&url, &hosts(), |_| false).unwrap()
}

/// Spreads numbers over all of 64 bits, each to its own place.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
