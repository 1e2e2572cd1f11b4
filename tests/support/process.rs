//! The program as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use nebulink::demo::StandIn;
use rustix::process::{Pid, Signal, kill_process};

use super::{KEY, PATIENCE, request};

/// A running nebulink, ended with the test.
pub struct Process {
    pub child: Child,
    /// Its standard error behind what was read of it. Nobody else reads that.
    pub log: Option<BufReader<ChildStderr>>,
    pub address: SocketAddr,
    pub management: SocketAddr,
}

impl Process {
    /// Starts it with further variables in its environment, and waits until it serves.
    pub fn serve(stand_in: &StandIn, further: &[(&str, &str)]) -> Self {
        let mut command = command(stand_in);
        command.envs(further.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let line = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it served");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "serving" {
                break line;
            }
        };
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        Self { address: address("listen"), management: address("management_listen"), child, log: Some(log) }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, once it ends by itself.
    pub async fn exit_code(self) -> i32 {
        self.log_and_exit_code().await.1
    }

    /// The rest of its log and its exit code, once it ends by itself.
    pub async fn log_and_exit_code(mut self) -> (Vec<serde_json::Value>, i32) {
        let log = self.log.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            log.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
        });
        let code = self.exit_code_unread().await;
        (reading.await.unwrap(), code)
    }

    /// The exit code, once it ends by itself although nobody reads its log.
    pub async fn exit_code_unread(&mut self) -> i32 {
        let ended = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => break status.code().expect("it ends by itself, not by the signal"),
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it does not end")
    }

    /// The status of `/readyz`.
    pub async fn readiness(&self) -> u16 {
        request(self.management, "GET", "/readyz", &[]).await.status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
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
