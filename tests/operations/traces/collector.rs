//! An OpenTelemetry Collector of one test's own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::skip::skip;

/// How often another port is tried, since somebody else may take the free one that was found.
const ATTEMPTS: usize = 5;

/// Writes what it gets to a file. Ended with its value.
pub(crate) struct Collector {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

/// A span, with what the collector says of it.
#[derive(Debug, Clone)]
pub(crate) struct Span(Value);

impl Collector {
    /// Starts it; nothing if the program is missing here.
    pub(crate) async fn start() -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let address = free_address();
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("config.yaml"), config(address, &folder)).unwrap();
            let mut collector = Self { child: spawn(&folder)?, address, folder };
            if collector.listens().await {
                return Some(collector);
            }
        }
        panic!("the collector does not start");
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT` for it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it, so that all is written, and returns the text of all that it got.
    pub(crate) fn end(mut self) -> String {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        self.child.wait().unwrap();
        std::fs::read_to_string(self.folder.path().join("traces.json")).unwrap()
    }

    async fn listens(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The attributes of each resource in what a collector got.
pub(crate) fn resources(received: &str) -> Vec<Span> {
    let of_line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["resourceSpans"].clone();
    let resources = received.lines().map(of_line).flat_map(|lines| lines.as_array().unwrap().clone());
    resources.map(|resource| Span(resource["resource"].clone())).collect()
}

/// Each span in what a collector got, in the order of their ends.
pub(crate) fn spans(received: &str) -> Vec<Span> {
    let of_line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let mut spans = Vec::new();
    for line in received.lines().map(of_line) {
        for resource in line["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                spans.extend(scope["spans"].as_array().unwrap().iter().cloned().map(Span));
            }
        }
    }
    spans
}

impl Span {
    /// A field that is text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// `SERVER` if a caller waits at the other end, `CLIENT` if a server does.
    pub(crate) fn kind(&self) -> &'static str {
        match self.0["kind"].as_u64() {
            Some(2) => "SERVER",
            Some(3) => "CLIENT",
            _ => "other",
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.0["status"]["code"] == 2
    }

    /// The spans that it is linked to.
    pub(crate) fn links(&self) -> Vec<&str> {
        let links = self.0["links"].as_array().into_iter().flatten();
        links.map(|link| link["spanId"].as_str().unwrap()).collect()
    }

    /// The value of an attribute; numbers are text in this notation anyhow.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.0["attributes"].as_array().into_iter().flatten();
        let value = &attributes.find(|attribute| attribute["key"] == name)?["value"];
        value["stringValue"].as_str().or_else(|| value["intValue"].as_str())
    }

    /// The names of all attributes, sorted.
    pub(crate) fn attribute_names(&self) -> Vec<&str> {
        let attributes = self.0["attributes"].as_array().into_iter().flatten();
        let mut names: Vec<_> = attributes.map(|attribute| attribute["key"].as_str().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

fn spawn(folder: &TempDir) -> Option<Child> {
    let program = std::env::var_os("NEBULINK_TEST_COLLECTOR").map(PathBuf::from);
    let program = program.unwrap_or_else(|| PathBuf::from("nebulink-otelcol"));
    let spawned = Command::new(program)
        .arg("--config")
        .arg(folder.path().join("config.yaml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => Some(child),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip("the OpenTelemetry Collector (nebulink-otelcol)", ".ci/install builds it with Go");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn config(address: SocketAddr, folder: &TempDir) -> String {
    let file = folder.path().join("traces.json");
    format!(
        "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: {address}\n\
         exporters:\n  file:\n    path: {}\n\
         service:\n  telemetry:\n    metrics:\n      level: none\n\
         \x20 pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [file]\n",
        file.display()
    )
}

/// An address of loopback where nobody listens just now. Its port is below those that systems hand out by themselves,
/// so that no other test gets it before the collector does.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(64).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + number % 10_000).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().unwrap();
        }
    }
}
