//! The program as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nebulink::demo::StandIn;
use rustix::process::{Pid, Signal, kill_process};

use super::{Answer, KEY, PATIENCE, request};

/// A process, ended with the test.
pub struct Running(pub Child);

/// A running nebulink.
pub struct Process {
    pub running: Running,
    /// Its standard error behind what was read of it. Nobody else reads that.
    pub log: BufReader<ChildStderr>,
    pub address: SocketAddr,
    pub management: SocketAddr,
}

/// A running nebulink whose log is read as it comes.
pub struct LoggedProcess {
    pub running: Running,
    pub address: SocketAddr,
    pub management: SocketAddr,
    log: Arc<Mutex<String>>,
    reading: thread::JoinHandle<()>,
}

/// A running `nebulink demo`, and what it has printed.
pub struct RunningDemo {
    pub running: Running,
    pub greeting: String,
}

impl Running {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// The exit code, once it ends by itself.
    pub async fn exit_code(&mut self) -> i32 {
        let ended = async {
            loop {
                match self.0.try_wait().unwrap() {
                    Some(status) => break status.code().expect("it ends by itself, not by the signal"),
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it does not end")
    }
}

impl Process {
    /// Starts it with further variables in its environment, and waits until it serves.
    pub fn serve(stand_in: &StandIn, further: &[(&str, &str)]) -> Self {
        Self::start(stand_in, further, "serving")
    }

    /// Starts it, and waits until it logs this message, which names its addresses.
    pub fn start(stand_in: &StandIn, further: &[(&str, &str)], message: &str) -> Self {
        let mut command = command(stand_in);
        command.envs(further.iter().copied());
        Self::started(command, message)
    }

    /// Runs a command that serves, and waits until it logs this message, which names its addresses.
    pub fn started(mut command: Command, message: &str) -> Self {
        command.stderr(Stdio::piped());
        let mut running = Running(command.spawn().unwrap());
        let mut log = BufReader::new(running.0.stderr.take().unwrap());
        let [address, management] = addresses(&line_of(&mut log, message));
        Self { running, log, address, management }
    }

    /// Waits until it logs this message.
    pub fn wait_for(&mut self, message: &str) {
        line_of(&mut self.log, message);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// The exit code, once it ends by itself.
    pub async fn exit_code(self) -> i32 {
        self.log_and_exit_code().await.1
    }

    /// The rest of its log and its exit code, once it ends by itself.
    pub async fn log_and_exit_code(mut self) -> (Vec<serde_json::Value>, i32) {
        let log = self.log;
        let reading = tokio::task::spawn_blocking(move || {
            log.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
        });
        let code = self.running.exit_code().await;
        (reading.await.unwrap(), code)
    }

    /// The status of `/readyz`.
    pub async fn readiness(&self) -> u16 {
        request(self.management, "GET", "/readyz", &[]).await.status
    }
}

impl LoggedProcess {
    /// Runs a command that serves, and waits until it does.
    pub async fn start(mut command: Command) -> Self {
        let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let stderr = BufReader::new(running.0.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&log);
        let reading = thread::spawn(move || {
            for line in stderr.lines() {
                *collected.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        let line = line_with(&log, r#""message":"serving""#).await;
        let [address, management] = addresses(&serde_json::from_str(&line).unwrap());
        Self { running, address, management, log, reading }
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that has this in it.
    pub async fn logged(&self, text: &str) -> String {
        line_with(&self.log, text).await
    }

    /// Asks for a link.
    pub async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "GET", target, headers).await
    }

    /// Asks the management listener.
    pub async fn probe(&self, path: &str) -> Answer {
        request(self.management, "GET", path, &[]).await
    }

    /// The value of a series, which is a metric's name and its labels.
    pub async fn metric(&self, series: &str) -> f64 {
        let scrape = self.probe("/metrics").await.body;
        let value = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series}: {scrape}")).parse().unwrap()
    }

    /// Tells it to end, which has to succeed, and returns all that it logged.
    pub async fn end(mut self) -> String {
        self.running.signal(Signal::INT);
        let code = self.running.exit_code().await;
        tokio::task::spawn_blocking(|| self.reading.join().unwrap()).await.unwrap();
        let log = self.log.lock().unwrap().clone();
        assert_eq!(code, 0, "{log}");
        log
    }
}

impl RunningDemo {
    /// Starts it with further settings, such as `cache.ttl=1h`, on a free port, and waits until it has printed everything.
    pub fn start(further: &[&str]) -> Self {
        let mut command = binary();
        command.args(["demo", "--set", "server.listen=127.0.0.1:0"]);
        command.args(further.iter().flat_map(|setting| ["--set", setting]));
        // What the environment says of the real Nebuly, of a collector and of a settings file is nothing to the demo.
        command.env("NEBULY_API_KEY", "real").env("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense");
        command.env("NEBULINK_CONFIG", "/nowhere/nebulink.toml");
        let mut running = Running(command.spawn().unwrap());
        let mut out = BufReader::new(running.0.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C") {
            assert_ne!(out.read_line(&mut greeting).unwrap(), 0, "{greeting}");
        }
        Self { running, greeting }
    }

    /// The addresses that it has printed.
    pub fn links(&self) -> Vec<&str> {
        self.greeting.split_whitespace().filter(|word| word.starts_with("http://")).collect()
    }
}

/// Waits for a line that has this in it.
async fn line_with(log: &Mutex<String>, text: &str) -> String {
    let began = Instant::now();
    loop {
        let log = log.lock().unwrap().clone();
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "no {text:?} in {log}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The addresses of callers and of the management listener, as the line that says that it serves names them.
fn addresses(line: &serde_json::Value) -> [SocketAddr; 2] {
    ["listen", "management_listen"].map(|name| line[name].as_str().unwrap().parse().unwrap())
}

/// The next line with this message.
fn line_of(log: &mut impl BufRead, message: &str) -> serde_json::Value {
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before {message}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message"] == message {
            return line;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// The program with an empty environment.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nebulink"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program with settings for the stand-in's only project, on free ports of loopback.
pub fn command(stand_in: &StandIn) -> Command {
    let mut command = binary();
    command.envs([
        ("NEBULY_API_KEY", KEY),
        ("NEBULY_API_BASE_URL", stand_in.api_base_url().as_str()),
        ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url().as_str()),
        ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0"),
        ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0"),
    ]);
    command
}

/// The same command under limits that a shell sets, such as `ulimit -n 100`.
pub fn limited(limits: &str, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    limited.args(command.get_args()).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// Runs a command to its end: its exit code, standard output and standard error.
pub async fn run(mut command: Command) -> (i32, String, String) {
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    if ended.is_err() {
        kill_process(pid, Signal::KILL).unwrap();
    }
    let Output { status, stdout, stderr } = ended.expect("it does not end").unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}
