//! The harness of all tests: nebulink as its users run it, in front of the stand-in for Nebuly.

#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unused_async,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test uses its own part of this, and a test that cannot go on says so by a panic"
)]

pub mod captured_log;
pub mod client;
pub mod connection;
pub mod own_process;
pub mod process;
pub mod proxy;
pub mod redis_server;
pub mod skip;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nebulink::app::{AcceptLoopEnded, App, Listeners, Shutdown};
use nebulink::demo::{StandIn, StandInProject};
use nebulink::domain::{Clock, MonotonicTime, Timestamp};
use nebulink::settings::{SettingSources, Settings};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The key of the stand-in's only project.
pub const KEY: &str = "nk-canary-4f1d2c3b";

/// More than any answer takes, unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// nebulink on free ports of loopback.
pub struct Nebulink {
    pub address: SocketAddr,
    pub management: SocketAddr,
    pub clock: ManualClock,
    stop: Option<oneshot::Sender<Shutdown>>,
    running: Option<JoinHandle<Result<(), AcceptLoopEnded>>>,
}

/// A clock that a test sets, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    wall: Arc<AtomicU64>,
    monotonic: Arc<AtomicU64>,
    is_broken: Arc<AtomicBool>,
}

/// An answer, as its bytes came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A stand-in with one project.
pub async fn stand_in() -> StandIn {
    let stand_in = StandIn::start().await.unwrap();
    stand_in.add_project(StandInProject::new(KEY, "project-1", "organization-1"));
    stand_in
}

/// Settings for one project of a stand-in, with further settings such as `("cache.ttl", "1h")`.
pub fn settings(stand_in: &StandIn, further: &[(&str, &str)]) -> Settings {
    let variables = [
        ("NEBULY_API_KEY", KEY.to_owned()),
        ("NEBULY_API_BASE_URL", stand_in.api_base_url()),
        ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url()),
        ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let environment =
        variables.into_iter().map(|(name, value)| (name.into(), OsString::from(value))).collect();
    let overrides = further.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let sources = SettingSources { config_file: None, environment, overrides };
    Settings::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).settings
}

/// The key of one of several projects.
pub fn key_of(project: usize) -> String {
    format!("{KEY}-{project}")
}

/// A stand-in with several projects, named `project-0` and so on.
pub async fn stand_in_with(projects: usize) -> StandIn {
    let stand_in = StandIn::start().await.unwrap();
    for project in 0..projects {
        stand_in.add_project(StandInProject::new(key_of(project), format!("id-{project}"), "organization-1"));
    }
    stand_in
}

/// Settings for several projects of a stand-in.
pub fn settings_with(stand_in: &StandIn, projects: usize, further: &[(&str, &str)]) -> Settings {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    for project in 0..projects {
        let key = key_of(project);
        writeln!(file, "[[projects]]\nname = \"project-{project}\"\napi_key = \"{key}\"").unwrap();
    }
    let environment = vec![("NEBULY_API_BASE_URL".into(), stand_in.api_base_url().into())];
    let mut overrides = vec![
        ("nebuly.platform_url".to_owned(), stand_in.platform_url()),
        ("server.listen".to_owned(), "127.0.0.1:0".to_owned()),
        ("server.management_listen".to_owned(), "127.0.0.1:0".to_owned()),
    ];
    overrides.extend(further.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let sources = SettingSources { config_file: Some(file.path().to_owned()), environment, overrides };
    Settings::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).settings
}

impl Nebulink {
    /// Serves one project of a stand-in.
    pub async fn start(stand_in: &StandIn, further: &[(&str, &str)]) -> Self {
        Self::start_with(&settings(stand_in, further)).await
    }

    /// Serves with these settings.
    pub async fn start_with(settings: &Settings) -> Self {
        raise_file_limit();
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(1_800_000_000));
        let app = App::build_with_clock(settings, clock.clone()).unwrap();
        let listeners = Listeners::bind(&settings.server).unwrap();
        let address = listeners.public_address().unwrap();
        let management = listeners.management_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(listeners, async { stopped.await.unwrap_or(Shutdown::AtOnce) }));
        Self { address, management, clock, stop: Some(stop), running: Some(running) }
    }

    /// Sends `GET` with this target, byte for byte.
    pub async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[]).await
    }

    /// Sends a request, byte for byte.
    pub async fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, method, target, headers).await
    }

    /// Sends a form as a page does.
    pub async fn post(&self, target: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers: String = headers.iter().flat_map(|&(name, value)| [name, ": ", value, "\r\n"]).collect();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\ncontent-type: \
             application/x-www-form-urlencoded\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        exchange(self.address, request.as_bytes()).await
    }

    /// Tells it to stop, as a signal does.
    pub fn stop(&mut self, shutdown: Shutdown) {
        self.stop.take().unwrap().send(shutdown).unwrap();
    }

    /// Waits until it has stopped.
    pub async fn stopped(&mut self) {
        tokio::time::timeout(PATIENCE, self.running.take().unwrap()).await.unwrap().unwrap().unwrap();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.check();
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> MonotonicTime {
        self.check();
        MonotonicTime::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.monotonic.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        self.set_forward(duration);
    }

    /// Sets the wall clock back, as an operator or a time server does. No time passes.
    pub fn set_back(&self, duration: Duration) {
        self.wall.fetch_sub(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Makes whoever asks for the time panic from now on, as a defect of ours does; or nobody any more.
    pub fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::SeqCst);
    }

    fn check(&self) {
        assert!(!self.is_broken.load(Ordering::SeqCst), "the clock is broken");
    }

    /// Sets the wall clock forward. No time passes.
    pub fn set_forward(&self, duration: Duration) {
        self.wall.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Answer {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Lets this process open as many files as it may, because tests that run at the same time share the limit.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Not everywhere: macOS takes no "unlimited".
    let _raised = setrlimit(Resource::Nofile, limit);
}

/// Waits until a condition holds, far longer than that takes even on a machine under load.
pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(3 * PATIENCE, holds).await.expect("it does not come about");
}

/// Sends a request on a connection of its own, byte for byte, and reads the whole answer.
pub async fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let lines: String = headers.iter().flat_map(|&(name, value)| [name, ": ", value, "\r\n"]).collect();
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: go.example.com\r\nconnection: close\r\n{lines}\r\n");
    exchange(address, head.as_bytes()).await
}

/// Sends these bytes on a connection of their own, which the request closes, and reads the whole answer.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("no answer in time");
    parse(&String::from_utf8(answer).unwrap())
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}
