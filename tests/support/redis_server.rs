//! A redis-server of one test's own.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline};
use rustix::process::{Pid, Signal, kill_process};

use super::skip::skip;

/// Far longer than anything here takes on a loaded machine; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often another port is tried, since somebody else may take the free one that was found.
const ATTEMPTS: usize = 5;

/// A server on a port of loopback, without files. It ends with its value, even when it is frozen.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server with further arguments; nothing if the program is missing here.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_with("--port", arguments).await
    }

    /// Starts a server that speaks TLS alone.
    pub(crate) async fn start_with_tls(arguments: &[&str]) -> Option<Self> {
        Self::start_with("--tls-port", &[&["--port", "0"], arguments].concat()).await
    }

    async fn start_with(port_argument: &str, arguments: &[&str]) -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let own = [port_argument, &port.to_string()].map(str::to_owned);
            let arguments = own.into_iter().chain(arguments.iter().map(|&argument| argument.to_owned()));
            let arguments: Vec<_> = arguments.collect();
            let mut server = Self { child: spawn(&arguments)?, port, arguments };
            if server.listens().await {
                return Some(server);
            }
        }
        panic!("redis-server does not start with {arguments:?}");
    }

    /// The port, to be put into a URL.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The URL without user and password.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with nothing in it.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.arguments).unwrap();
        assert!(self.listens().await);
    }

    /// Lets it hang: connections are taken by the system, and nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// A connection beside those of the cache.
    pub(crate) async fn connect(url: &str) -> MultiplexedConnection {
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }

    /// Sends a command to database 0 of a server without a password.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut Self::connect(&self.url()).await).await.unwrap()
    }

    /// Sends several, in one step.
    pub(crate) async fn at_once(&self, commands: &mut Pipeline) {
        commands.atomic().exec_async(&mut Self::connect(&self.url()).await).await.unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it takes connections; false if it ended instead. It says so itself: what takes connections on its port
    /// may be the server of another test.
    async fn listens(&mut self) -> bool {
        let mut log = BufReader::new(self.child.stdout.take().unwrap());
        let is_ready = tokio::task::spawn_blocking(move || {
            let is_ready =
                (&mut log).lines().any(|line| line.unwrap().contains("Ready to accept connections"));
            // Read to its end, so that a full pipe holds nothing up.
            std::thread::spawn(move || drop(io::copy(&mut log, &mut io::sink())));
            is_ready
        });
        tokio::time::timeout(PATIENCE, is_ready).await.unwrap().unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(arguments: &[String]) -> Option<Child> {
    let spawned = Command::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn();
    match spawned {
        Ok(child) => Some(child),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip("redis-server", ".ci/install, or apt-get install redis-server");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
