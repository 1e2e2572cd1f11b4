//! A running nebulink of one test's own, in front of the stand-in for Nebuly, with links that it knows.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use nebulink::demo::StandIn;

use crate::support::{Answer, KEY, request, stand_in};

/// Links that are in memory from the start.
pub(crate) const KNOWN_LINKS: usize = 200;

/// Ended with its value.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) management: SocketAddr,
    _stand_in: StandIn,
}

/// A link that nebulink knows, and where it leads.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) target: String,
    pub(crate) location: String,
}

impl Program {
    /// Serves with these settings, from a shell that has run a command first, such as one that limits resources.
    pub(crate) async fn start(before: &str, settings: &[(&str, &str)]) -> (Self, Vec<Link>) {
        let stand_in = stand_in().await;
        let links: Vec<_> = (0..KNOWN_LINKS).map(|number| known_link(&stand_in, number)).collect();
        for id in ["hostile", "hostile-smuggled"] {
            stand_in.add_conversation(KEY, id);
        }
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before} exec \"$0\""), env!("CARGO_BIN_EXE_nebulink")]);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.envs([
            ("NEBULY_API_KEY", KEY),
            ("NEBULY_API_BASE_URL", stand_in.api_base_url().as_str()),
            ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url().as_str()),
            ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0"),
            ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0"),
            ("NEBULINK__LIMITS__COLD_PER_SECOND", "1000000"),
            ("NEBULINK__LIMITS__COLD_BURST", "1000000"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let serving = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it served");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["message"] == "serving" {
                break line;
            }
        };
        // Read to the end, so that the pipe is never full.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        let (listen, management) = (address("listen"), address("management_listen"));
        let program = Self { child, address: listen, management, _stand_in: stand_in };
        for link in &links {
            let answer = request(program.address, "GET", &link.target, &[]).await;
            assert_eq!((answer.status, answer.header("location")), (302, Some(link.location.as_str())));
        }
        (program, links)
    }

    /// Asks the management listener.
    pub(crate) async fn probe(&self, path: &str) -> Answer {
        request(self.management, "GET", path, &[]).await
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let scrape = self.probe("/metrics").await.body;
        let value = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name}: {scrape}")).parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn known_link(stand_in: &StandIn, number: usize) -> Link {
    let id = format!("others-{number}");
    stand_in.add_conversation(KEY, &id);
    let location = stand_in.url_of(KEY, id.as_str());
    assert!(location.contains(&id), "an answer to others is known by it: {location}");
    Link { target: format!("/c/{id}"), location }
}
