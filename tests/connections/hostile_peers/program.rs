//! A running nebulink of one test's own, in front of the stand-in for Nebuly, with links that it knows.

use nebulink::demo::StandIn;

use crate::support::process::{LoggedProcess, command, limited};
use crate::support::{KEY, stand_in};

/// Links that are in memory from the start.
pub(crate) const KNOWN_LINKS: usize = 200;

/// Ended with its value.
pub(crate) struct Program {
    pub(crate) process: LoggedProcess,
    _stand_in: StandIn,
}

/// A link that nebulink knows, and where it leads.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) target: String,
    pub(crate) location: String,
}

impl Program {
    /// Serves with these settings, under limits that a shell sets, such as `ulimit -n 100`.
    pub(crate) async fn start(limits: &str, settings: &[(&str, &str)]) -> (Self, Vec<Link>) {
        let stand_in = stand_in().await;
        let links: Vec<_> = (0..KNOWN_LINKS).map(|number| known_link(&stand_in, number)).collect();
        for id in ["hostile", "hostile-smuggled"] {
            stand_in.add_conversation(KEY, id);
        }
        let mut command = command(&stand_in);
        command.env("NEBULINK__LIMITS__COLD_PER_SECOND", "1000000");
        command.env("NEBULINK__LIMITS__COLD_BURST", "1000000").envs(settings.iter().copied());
        let process = LoggedProcess::start(limited(limits, &command)).await;
        for link in &links {
            let answer = process.get(&link.target, &[]).await;
            assert_eq!((answer.status, answer.header("location")), (302, Some(link.location.as_str())));
        }
        (Self { process, _stand_in: stand_in }, links)
    }
}

fn known_link(stand_in: &StandIn, number: usize) -> Link {
    let id = format!("others-{number}");
    stand_in.add_conversation(KEY, &id);
    let location = stand_in.url_of(KEY, id.as_str());
    assert!(location.contains(&id), "an answer to others is known by it: {location}");
    Link { target: format!("/c/{id}"), location }
}
