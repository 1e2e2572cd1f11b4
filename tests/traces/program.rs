//! A running nebulink of one test's own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use nebulink::demo::StandIn;
use rustix::process::{Pid, Signal, kill_process};

use super::support::{Answer, KEY, PATIENCE, request};

/// Ended with its value.
pub(crate) struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: SocketAddr,
}

/// A command of nebulink for this stand-in, with these variables and no others.
pub(crate) fn command(stand_in: &StandIn, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nebulink"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs([
        ("NEBULY_API_KEY", KEY),
        ("NEBULY_API_BASE_URL", stand_in.api_base_url().as_str()),
        ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url().as_str()),
        ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0"),
        ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0"),
    ]);
    command.envs(variables.iter().copied());
    command
}

impl Program {
    /// Serves.
    pub(crate) fn serve(stand_in: &StandIn, variables: &[(&str, &str)]) -> Self {
        let mut child = command(stand_in, variables).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let line = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it served");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["message"] == "serving" {
                break line;
            }
        };
        Self { child, log, address: line["listen"].as_str().unwrap().parse().unwrap() }
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "GET", target, headers).await
    }

    /// Tells it to end, and returns what it logged since it served.
    pub(crate) async fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            let mut log = String::new();
            self.log.read_to_string(&mut log).unwrap();
            assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
            log
        });
        tokio::time::timeout(PATIENCE, ended).await.expect("it does not end").unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
