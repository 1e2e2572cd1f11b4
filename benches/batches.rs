//! Measures batches of links, beside the calls that they need and the redirects that they must not slow down:
//! `cargo bench --bench batches`. `docs/benchmarks.md` says what the figures mean.

#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what surprises a benchmark ends it, and its figures are for people"
)]

#[path = "redirect/child.rs"]
mod child;
#[expect(dead_code, reason = "a benchmark needs its own part of this")]
#[path = "redirect/connection.rs"]
mod connection;
#[path = "redirect/machine.rs"]
mod machine;
#[expect(dead_code, reason = "a benchmark needs its own part of this")]
#[path = "redirect/procfs.rs"]
mod procfs;
#[path = "redirect/statistics.rs"]
mod statistics;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use nebulink::demo::{Fault, StandIn, StandInProject};
use tokio::runtime::{Builder, Runtime};

use crate::child::Running;
use crate::connection::Connection;
use crate::statistics::Spread;

const KEY: &str = "benchmark-key";

/// Links of a batch: the default of `limits.batch`.
const LINKS: usize = 1000;

/// Calls in flight: the default of `nebuly.max_in_flight`.
const IN_FLIGHT: usize = 64;

/// How long the stand-in takes for a call.
const CALL: Duration = Duration::from_millis(5);

/// How often each batch is measured, each time with other links.
const ROUNDS: usize = 15;

/// How often redirects are measured without batches and with them, in turn.
const PAIRS: usize = 6;

/// Redirects of a measurement, if they are cached.
const CACHED_REDIRECTS: usize = 1500;

/// Between two redirects of the one who is timed.
const PAUSE: Duration = Duration::from_micros(500);

/// The callers of eight batches at once, two each.
const CALLERS: usize = 4;

/// The program, and the stand-in that it asks.
struct Scene {
    stand_in: StandIn,
    program: Running,
    address: SocketAddr,
    next_id: AtomicUsize,
    _runtime: Runtime,
}

/// A batch as its client saw it.
struct Measured {
    first_byte_of_body: Duration,
    whole: Duration,
}

fn main() {
    println!("{}\n", machine::description());
    alone();
    eight_at_once();
    for (call, cold_redirects) in [(CALL, 400), (10 * CALL, 100)] {
        beside_redirects(call, cold_redirects);
    }
}

/// One batch at a time.
fn alone() {
    let scene = Scene::start(CALL);
    println!("{LINKS} links that are not cached, {IN_FLIGHT} calls in flight, {CALL:?} for a call");
    let ideal = CALL.as_secs_f64() * LINKS as f64 / IN_FLIGHT as f64;
    println!("{:<44} {:>9.1} ms", "ideal", ideal * 1000.0);
    let direct = (0..ROUNDS).map(|_| scene.direct().as_secs_f64());
    print_spread("the same calls made directly", direct);
    for (name, accept) in [("JSON", "application/json"), ("NDJSON", "application/x-ndjson")] {
        scene.stand_in.forget_calls();
        let body = |scene: &Scene| scene.body(LINKS);
        let cpu = scene.cpu_time();
        let batches: Vec<_> = (0..ROUNDS).map(|_| scene.batch(&body(&scene), accept, "192.0.2.1")).collect();
        let cpu = scene.cpu_time().saturating_sub(cpu);
        print_spread(name, batches.iter().map(|batch| batch.whole.as_secs_f64()));
        print_spread(
            &format!("{name}, first byte of the body"),
            batches.iter().map(|batch| batch.first_byte_of_body.as_secs_f64()),
        );
        let (calls, most) = (scene.stand_in.call_count(), scene.stand_in.most_in_flight());
        assert_eq!(calls, ROUNDS * LINKS);
        println!("{:<44} {most:>9}", "most calls in flight");
        print_cpu(&format!("{name}, CPU for a link"), cpu);
        let cached = scene.body(LINKS);
        scene.batch(&cached, accept, "192.0.2.1");
        let cpu = scene.cpu_time();
        let cached: Vec<_> = (0..ROUNDS).map(|_| scene.batch(&cached, accept, "192.0.2.1")).collect();
        print_spread(&format!("{name}, all cached"), cached.iter().map(|batch| batch.whole.as_secs_f64()));
        print_cpu(&format!("{name}, all cached, CPU for a link"), scene.cpu_time().saturating_sub(cpu));
    }
    let deep = format!("{{\"links\":[{{\"id\":{}1{}}}]}}", "[".repeat(500_000), "]".repeat(500_000));
    let wide = format!("{{{}\"links\":[]}}", "\"a\":0,".repeat(170_000));
    for (name, body) in [("a body of 1 MiB, deep", deep), ("a body of 1 MiB, wide", wide)] {
        let refused = (0..ROUNDS).map(|_| scene.batch(&body, "*/*", "192.0.2.1").whole.as_secs_f64());
        print_spread(name, refused);
    }
    scene.print_most_memory();
}

/// Eight batches at once, of four callers.
fn eight_at_once() {
    let scene = Scene::start(CALL);
    println!("eight batches of {CALLERS} callers at once");
    let stopped = AtomicBool::new(true);
    let began = Instant::now();
    thread::scope(|scope| scene.batches(scope, &stopped));
    println!("{:<44} {:>9.1} ms", "all of them", began.elapsed().as_secs_f64() * 1000.0);
    println!("{:<44} {:>9}", "most calls in flight", scene.stand_in.most_in_flight());
    scene.print_most_memory();
}

/// Redirects of another caller, beside eight batches at once; and beside the same calls without the program, which shows
/// what the machine has to do with it.
fn beside_redirects(call: Duration, cold_redirects: usize) {
    let scene = Scene::start(call);
    scene.stand_in.add_conversation(KEY, "cached");
    println!(
        "redirects of one caller: alone, beside the calls of a batch, and beside eight batches of {CALLERS} others; \
         {call:?} for a call"
    );
    for (name, cold) in [("cached", None), ("not cached", Some(cold_redirects))] {
        let (mut alone, mut beside_calls, mut beside_batches) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            alone.push(scene.redirects(cold));
            beside_calls.push(scene.redirects_beside(cold, Scene::direct_calls));
            beside_batches.push(scene.redirects_beside(cold, Scene::batches));
        }
        let ratios =
            |with: &[f64]| with.iter().zip(&alone).map(|(with, alone)| with / alone).collect::<Vec<_>>();
        let (of_calls, of_batches) = (ratios(&beside_calls), ratios(&beside_batches));
        print_spread(&format!("p99, {name}"), alone);
        print_spread(&format!("p99, {name}, beside direct calls"), beside_calls);
        print_spread(&format!("p99, {name}, beside batches"), beside_batches);
        for (beside, ratios) in [("direct calls", of_calls), ("batches", of_batches)] {
            let Spread { lowest, median, highest } = Spread::of(ratios).unwrap();
            println!(
                "{:<44} {median:>9.2}      {lowest:.2} to {highest:.2}",
                format!("ratio, {name}, {beside}")
            );
        }
    }
    println!();
}

/// Lets all other threads run before this one: what is measured is what the program does to redirects, not what its other
/// clients and the stand-in do.
fn give_way() {
    rustix::process::setpriority_process(None, 19).unwrap();
}

fn print_cpu(name: &str, cpu: Duration) {
    println!("{name:<44} {:>9.1} µs", cpu.as_secs_f64() * 1e6 / (ROUNDS * LINKS) as f64);
}

fn print_spread(name: &str, seconds: impl IntoIterator<Item = f64>) {
    let Spread { lowest, median, highest } = Spread::of(seconds).unwrap();
    let [lowest, median, highest] = [lowest, median, highest].map(|seconds| seconds * 1000.0);
    println!("{name:<44} {median:>9.2} ms   {lowest:.2} to {highest:.2}");
}

impl Scene {
    fn start(call: Duration) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().on_thread_start(give_way).build().unwrap();
        let stand_in = runtime.block_on(StandIn::start()).unwrap();
        stand_in.add_project(StandInProject::new(KEY, "project", "organization"));
        stand_in.set_fault(Some(Fault::Delay(call)));
        let addresses = child::free_addresses().unwrap();
        let environment =
            child::environment(addresses, stand_in.platform_url(), stand_in.api_base_url(), KEY);
        let mut command = Command::new(env!("CARGO_BIN_EXE_nebulink"));
        command
            .arg("serve")
            .env_clear()
            .envs(environment)
            .env("NEBULINK__SERVER__TRUSTED_PROXIES", "127.0.0.1");
        let mut program = Running::start("nebulink", command).unwrap();
        let [address, _management] = addresses;
        program.wait_until_listening(address).unwrap();
        Self { stand_in, program, address, next_id: AtomicUsize::new(0), _runtime: runtime }
    }

    /// An id that nobody has asked for yet.
    fn new_id(&self) -> String {
        let id = format!("conversation-{}", self.next_id.fetch_add(1, Ordering::Relaxed));
        self.stand_in.add_conversation(KEY, &id);
        id
    }

    /// A batch of so many links that nobody has asked for yet.
    fn body(&self, links: usize) -> String {
        let link = |_| format!(r#"{{"kind":"conversation","id":"{}"}}"#, self.new_id());
        format!(r#"{{"links":[{}]}}"#, (0..links).map(link).collect::<Vec<_>>().join(","))
    }

    /// Sends a batch, and reads its whole answer.
    fn batch(&self, body: &str, accept: &str, caller: &str) -> Measured {
        let head = format!(
            "POST /api/v1/links HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: {accept}\r\nx-forwarded-for: \
             {caller}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        let began = Instant::now();
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
        }
        stream.fill_buf().unwrap();
        let first_byte_of_body = began.elapsed();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Measured { first_byte_of_body, whole: began.elapsed() }
    }

    /// Makes the calls of a batch without the program, on as many connections as it may have.
    fn direct(&self) -> Duration {
        let ids: Vec<_> = (0..LINKS).map(|_| self.new_id()).collect();
        let address = self.stand_in.address();
        let base = self.stand_in.api_base_url();
        let base = base.strip_prefix(&format!("http://{address}")).unwrap();
        let mut connections: Vec<_> = (0..IN_FLIGHT).map(|_| Connection::open(address).unwrap()).collect();
        let began = Instant::now();
        for ids in ids.chunks(IN_FLIGHT) {
            for (connection, id) in connections.iter_mut().zip(ids) {
                let path = format!("{base}/deeplinks/conversation/{id}");
                let key = format!("authorization: Bearer {KEY}\r\n");
                connection.send(&connection::get(address, &path, &key)).unwrap();
            }
            for (connection, _) in connections.iter_mut().zip(ids) {
                assert_eq!(connection.answer().unwrap().status, "200");
            }
        }
        began.elapsed()
    }

    /// Begins the calls of a batch, made directly, and again and again until they are stopped.
    fn direct_calls<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, stopped: &'scope AtomicBool) {
        scope.spawn(|| {
            give_way();
            while !stopped.load(Ordering::Relaxed) {
                self.direct();
            }
        });
    }

    /// Begins eight batches, and a new one in place of each that ends, until they are stopped; each has one at least.
    fn batches<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, stopped: &'scope AtomicBool) {
        for batch in 0..2 * CALLERS {
            let caller = format!("192.0.2.{}", 10 + batch / 2);
            scope.spawn(move || {
                give_way();
                loop {
                    self.batch(&self.body(LINKS), "application/json", &caller);
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
    }

    /// The p99 of redirects beside a load.
    fn redirects_beside(
        &self,
        cold: Option<usize>,
        load: for<'scope> fn(&'scope Self, &'scope Scope<'scope, '_>, &'scope AtomicBool),
    ) -> f64 {
        let stopped = AtomicBool::new(false);
        thread::scope(|scope| {
            load(self, scope, &stopped);
            let beside = self.redirects(cold);
            stopped.store(true, Ordering::Relaxed);
            beside
        })
    }

    /// The p99 of redirects on one connection, in seconds; of so many that are not cached, or of cached ones.
    fn redirects(&self, cold: Option<usize>) -> f64 {
        let id = |_| if cold.is_some() { self.new_id() } else { "cached".to_owned() };
        let ids: Vec<_> = (0..cold.unwrap_or(CACHED_REDIRECTS)).map(id).collect();
        let mut connection = Connection::open(self.address).unwrap();
        let mut latencies: Vec<_> = ids
            .iter()
            .map(|id| {
                let caller = "x-forwarded-for: 192.0.2.9\r\n";
                let request = connection::get(self.address, &format!("/c/{id}"), caller);
                thread::sleep(PAUSE);
                let began = Instant::now();
                connection.send(&request).unwrap();
                assert_eq!(connection.answer().unwrap().status, "302");
                began.elapsed().as_secs_f64()
            })
            .collect();
        latencies.sort_by(f64::total_cmp);
        *latencies.get(latencies.len() * 99 / 100).unwrap()
    }

    fn print_most_memory(&self) {
        let links = self.next_id.load(Ordering::Relaxed);
        println!("{:<44} {:>9.1} MB, {links} links\n", "most memory", self.memory("VmHWM") / 1e6);
    }

    fn cpu_time(&self) -> Duration {
        procfs::cpu_time(self.program.id()).unwrap()
    }

    /// A figure of the program's memory, in bytes.
    fn memory(&self, figure: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
    }
}
