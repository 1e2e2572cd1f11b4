//! Nebuly fails in every way but saying that an item is gone, for as long as you like: see `docs/benchmarks.md`.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::LOAD;
use crate::support::connection::Connection;
use crate::support::own_process::{in_own_process, memory_bytes};
use crate::support::{Answer, Nebulink, key_of, request, settings_with, stand_in_with};
use fastrand::Rng;
use http::{HeaderValue, StatusCode};
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long the chaos lasts; a few seconds if not set.
const SECONDS: &str = "NEBULINK_CHAOS_SECONDS";

/// Makes the same choices again.
const SEED: &str = "NEBULINK_CHAOS_SEED";

/// Each has its own faults, circuit and key.
const PROJECTS: usize = 8;

/// Few, so that calls queue.
const MAX_IN_FLIGHT: usize = 16;

/// Calls that nebulink has abandoned, and that are open for the stand-in until it sees that.
const ABANDONED: usize = MAX_IN_FLIGHT / 2;

/// Links that are resolved before, for each way in which they are asked for.
const LINKS: usize = 64;

/// Every so often the figures are held against their bounds: the stand-in keeps no more calls than this takes.
const ROUND: Duration = Duration::from_secs(5);

/// How far the clock goes with each switch of the faults.
const STEP: Duration = Duration::from_secs(1);

/// The shortest pause after a refresh that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// A fault that lasts for seconds, whatever comes after it, is one in so many.
const LASTING: u32 = 80;

/// The pace of each caller, so that the load leaves the machine something for those who answer it.
const PACE: Duration = Duration::from_millis(2);

/// The bytes by which the process may grow: the stand-in's calls and items, the cache, and what the allocator keeps.
const GROWTH: u64 = 64 << 20;

/// A link and the only location that is right for it.
#[derive(Clone)]
struct Link {
    item: StandInItem,
    target: String,
    project: usize,
    location: String,
}

/// The answers, counted by what was asked for.
#[derive(Default)]
struct Figures {
    known: AtomicUsize,
    stale: AtomicUsize,
    refreshed: AtomicUsize,
    new: AtomicUsize,
    new_found: AtomicUsize,
}

/// Callers without an end, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

/// State that the callers share.
#[derive(Clone)]
struct Scene {
    address: SocketAddr,
    stand_in: StandIn,
    figures: Arc<Figures>,
    numbers: Arc<AtomicUsize>,
}

impl Scene {
    /// Adds an item that nobody has asked for: interactions, and some conversations.
    fn add(&self) -> Link {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let project = number % PROJECTS;
        let key = key_of(project);
        let (item, path) = if number.is_multiple_of(5) {
            let id = format!("text-{number}");
            self.stand_in.add_conversation(&key, &id);
            (StandInItem::from(id.as_str()), "c")
        } else {
            let id = Uuid::from_u128(0x0191_b7c4_5e52_7b60_9d6a_0000_0000_0000 + number as u128);
            self.stand_in.add_interaction(&key, id);
            (StandInItem::from(id), "i")
        };
        let location = self.stand_in.url_of(&key, item.clone());
        Link { target: format!("/{path}/{}", item.id()), item, project, location }
    }

    /// Adds links and lets them be resolved.
    async fn known(&self) -> Arc<Vec<Link>> {
        let links: Vec<_> = std::iter::repeat_with(|| self.add()).take(LINKS).collect();
        for link in &links {
            leads(&request(self.address, "GET", &link.target, &[]).await, link);
        }
        Arc::new(links)
    }

    /// A caller who asks for links that are known.
    async fn ask_known(self, links: Arc<Vec<Link>>, query: &str, caller: usize, stop: Arc<AtomicBool>) {
        let mut connection = Connection::to(self.address);
        let from = format!("203.0.113.{caller}");
        while !stop.load(Ordering::Relaxed) {
            let link = &links[fastrand::usize(..links.len())];
            let target = format!("{}{query}", link.target);
            let answer = connection.get(&target, &[("x-forwarded-for", &from)]).await;
            leads(&answer, link);
            let counted = if query.is_empty() { &self.figures.known } else { &self.figures.refreshed };
            counted.fetch_add(1, Ordering::Relaxed);
            if query.is_empty() && answer.header("cache-status") == Some("nebulink; hit; detail=stale") {
                self.figures.stale.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// A caller who asks for links that nobody has asked for, every other time in their project alone.
    async fn ask_new(self, caller: usize, stop: Arc<AtomicBool>) {
        let mut connection = Connection::to(self.address);
        let from = format!("203.0.113.{caller}");
        while !stop.load(Ordering::Relaxed) {
            let link = self.add();
            let target = if fastrand::bool() {
                link.target.clone()
            } else {
                format!("{}?project=project-{}", link.target, link.project)
            };
            let answer = connection.get(&target, &[("x-forwarded-for", &from)]).await;
            self.figures.new.fetch_add(1, Ordering::Relaxed);
            if answer.status == 302 {
                leads(&answer, &link);
                self.figures.new_found.fetch_add(1, Ordering::Relaxed);
            }
            assert!(answer.status == 302 || (400..600).contains(&answer.status), "{answer:?}");
            // Nobody asks for it again, and the stand-in's memory is not what is measured.
            self.stand_in.remove(&key_of(link.project), link.item);
            tokio::time::sleep(PACE).await;
        }
    }
}

impl Load {
    fn begin(scene: &Scene, known: &Arc<Vec<Link>>, refreshed: &Arc<Vec<Link>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for caller in 0..12 {
            callers.spawn(scene.clone().ask_known(Arc::clone(known), "", caller, Arc::clone(&stop)));
        }
        for caller in 12..16 {
            callers.spawn(scene.clone().ask_known(
                Arc::clone(refreshed),
                "?refresh",
                caller,
                Arc::clone(&stop),
            ));
        }
        for caller in 16..24 {
            callers.spawn(scene.clone().ask_new(caller, Arc::clone(&stop)));
        }
        Self { stop, callers }
    }

    /// Ends it; a caller who was answered wrongly fails the test.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await;
    }
}

#[track_caller]
fn leads(answer: &Answer, link: &Link) {
    assert_eq!((answer.status, answer.header("location")), (302, Some(link.location.as_str())), "{answer:?}");
}

/// Any fault but 404 and 410, and none at all.
fn fault(rng: &mut Rng) -> Fault {
    let status = |code| Fault::status(StatusCode::from_u16(code).unwrap());
    if rng.u32(..LASTING) == 0 {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
        return match rng.u8(..3) {
            0 => status(401),
            1 => Fault::throttled(HeaderValue::from_static("1")),
            _ => Fault::throttled(HeaderValue::from_str(&date).unwrap()),
        };
    }
    match rng.u8(..24) {
        0 => status(400),
        1 => status(403),
        2 => status(422),
        3 => status(500),
        4 => status(502),
        5 => status(503),
        6 => status(504),
        7 => Fault::Drop,
        8 => Fault::Reset,
        9 => Fault::Hang,
        10 => Fault::Drip { pause: Duration::from_millis(5) },
        11 => Fault::Half,
        12 => Fault::Huge { bytes: 1 << 20 },
        13 => Fault::Garbage,
        14 => Fault::Body("{}".to_owned()),
        15 => Fault::Compressed,
        16 => Fault::RedirectTo("https://evil.example/".to_owned()),
        17 => Fault::Url("https://evil.example/".to_owned()),
        18 => Fault::Delay(Duration::from_millis(50)),
        19 => Fault::Delay(Duration::from_secs(1)),
        _ => Fault::Delay(Duration::ZERO),
    }
}

/// Switches the faults of all projects for a while, and lets links become stale meanwhile; returns how far the clock went.
async fn chaos(stand_in: &StandIn, nebulink: &Nebulink, rng: &mut Rng, duration: Duration) -> Duration {
    let (began, mut passed) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < duration {
        for project in 0..PROJECTS {
            stand_in.set_fault_for(Matching::key(key_of(project)), fault(rng));
        }
        nebulink.clock.advance(STEP);
        passed += STEP;
        tokio::time::sleep(Duration::from_millis(rng.u64(20..50))).await;
    }
    passed
}

/// The most calls that were made for one known link, in each project that is asked for it.
fn most_calls_for_one(stand_in: &StandIn, links: &[Link]) -> usize {
    let mut calls = HashMap::<_, usize>::new();
    for call in stand_in.calls() {
        *calls.entry((call.id, call.key)).or_default() += 1;
    }
    let of = |link: &Link| {
        let of_project =
            |project| calls.get(&(Some(link.item.id()), Some(key_of(project)))).copied().unwrap_or_default();
        (0..PROJECTS).map(of_project).max().unwrap_or_default()
    };
    links.iter().map(of).max().unwrap_or_default()
}

/// How many calls came to what, as the metrics say.
async fn results(nebulink: &Nebulink) -> BTreeMap<String, u64> {
    let metrics = request(nebulink.management, "GET", "/metrics", &[]).await.body;
    let mut results = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("nebulink_nebuly_requests_total{")) {
        let (_, result) = line.split_once("result=\"").unwrap();
        let (result, _) = result.split_once('"').unwrap();
        let count: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        *results.entry(result.to_owned()).or_default() += count;
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_worked_once_works_through_whatever_nebuly_does() {
    let _turn = LOAD.write().await;
    // What other tests do takes memory, too.
    if !in_own_process(a_link_that_worked_once_works_through_whatever_nebuly_does) {
        return;
    }
    let seconds = std::env::var(SECONDS).map_or(ROUND.as_secs(), |seconds| seconds.parse().unwrap());
    let seed = std::env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let mut rng = Rng::with_seed(seed);
    let stand_in = stand_in_with(PROJECTS).await;
    let max_in_flight = MAX_IN_FLIGHT.to_string();
    let settings = [
        ("nebuly.connect_timeout", "200ms"),
        ("nebuly.attempt_timeout", "300ms"),
        ("nebuly.deadline", "900ms"),
        ("nebuly.max_in_flight", max_in_flight.as_str()),
        ("cache.ttl", "10s"),
        ("cache.stale", "3650d"),
        ("cache.max_size", "16MiB"),
        ("limits.cold_per_second", "1000000"),
        ("limits.cold_burst", "1000000"),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, PROJECTS, &settings)).await;
    let (address, figures) = (nebulink.address, Arc::new(Figures::default()));
    let scene = Scene { address, stand_in: stand_in.clone(), figures, numbers: Arc::default() };
    let (known, refreshed) = (scene.known().await, scene.known().await);

    let load = Load::begin(&scene, &known, &refreshed);
    let (mut memory, mut calls, mut most_in_flight) = (0, 0, 0);
    for round in 0..seconds.div_ceil(ROUND.as_secs()) {
        stand_in.forget_calls();
        let passed = chaos(&stand_in, &nebulink, &mut rng, ROUND).await;
        let for_one = most_calls_for_one(&stand_in, &known);
        let bound = usize::try_from(passed.as_secs() / PAUSE.as_secs()).unwrap() + 2;
        assert!(for_one <= bound, "{for_one} calls for one link in {passed:?}, more than {bound}");
        calls += stand_in.call_count();
        most_in_flight = most_in_flight.max(stand_in.most_in_flight());
        let now = memory_bytes("VmRSS");
        println!(
            "round {round}: {} calls so far, at most {most_in_flight} at once and {for_one} of {bound} for one known \
             link; {} MB",
            calls,
            now / 1_000_000
        );
        if round == 0 {
            memory = now;
        }
        assert!(now.saturating_sub(memory) < GROWTH, "{memory} bytes have become {now}");
    }
    stand_in.clear_faults();
    load.end().await;

    let results = results(&nebulink).await;
    let [known, stale, refreshed, new, new_found] = {
        let Figures { known, stale, refreshed, new, new_found } = &*scene.figures;
        [known, stale, refreshed, new, new_found].map(|figure| figure.load(Ordering::Relaxed))
    };
    println!(
        "{known} times a known link, {stale} of them stale, {refreshed} times with refresh, all \
         302; {new_found} of {new} new links; calls {results:?}"
    );
    assert!(most_in_flight <= MAX_IN_FLIGHT + ABANDONED, "{most_in_flight}");
    // It was a chaos, and yet some calls went through.
    for result in ["ok", "failed", "timeout"] {
        assert!(results[result] > 0, "{result}: {results:?}");
    }
    assert!(stale > 0 && refreshed > 0 && new_found > 0);
}
