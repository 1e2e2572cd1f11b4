//! The program that the browser visits, in front of a stand-in for Nebuly.

use std::net::SocketAddr;

use nebulink::demo::StandIn;

use crate::support::{Nebulink, key_of, settings_with, stand_in, stand_in_with};

/// One nebulink and its stand-in.
pub(crate) struct Site {
    pub(crate) stand_in: StandIn,
    pub(crate) nebulink: Nebulink,
}

impl Site {
    /// Starts one with a single project.
    pub(crate) async fn start(further: &[(&str, &str)]) -> Self {
        let stand_in = stand_in().await;
        let nebulink = Nebulink::start(&stand_in, further).await;
        Self { stand_in, nebulink }
    }

    /// Starts one with two projects, which both have this conversation.
    pub(crate) async fn with_two_projects(ambiguous: &str) -> Self {
        let stand_in = stand_in_with(2).await;
        for project in 0..2 {
            stand_in.add_conversation(&key_of(project), ambiguous);
        }
        let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &[])).await;
        Self { stand_in, nebulink }
    }

    /// The address of a path.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.nebulink.address
    }
}
