//! A running nebulink of one test's own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use nebulink::demo::StandIn;
use rustix::process::{Pid, Signal, kill_process};

use super::support::{Answer, KEY, PATIENCE, request};

/// Far longer than a test takes, in milliseconds: nothing may wait for it.
pub(crate) const AN_HOUR: &str = "3600000";

/// Ended with its value.
pub(crate) struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    /// What it has logged so far.
    logged: String,
    pub(crate) address: SocketAddr,
    management: SocketAddr,
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
        let mut logged = String::new();
        let line = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it served");
            logged.push_str(&line);
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["message"] == "serving" {
                break line;
            }
        };
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        Self { child, log, logged, address: address("listen"), management: address("management_listen") }
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "GET", target, headers).await
    }

    /// The value of the series in a scrape whose line begins so.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let scrape = request(self.management, "GET", "/metrics", &[]).await.body;
        let value = scrape.lines().find_map(|line| line.strip_prefix(series)?.split(' ').next_back());
        value.unwrap_or_else(|| panic!("{series}: {scrape}")).parse().unwrap()
    }

    /// Tells it to end, and returns all that it logged.
    pub(crate) async fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            let mut log = std::mem::take(&mut self.logged);
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

/// The number of lines in a log about failed exports.
pub(crate) fn lines_about_failed_exports(log: &str) -> usize {
    log.lines().filter(|line| line.contains("failed to export spans")).count()
}
