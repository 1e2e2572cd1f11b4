//! The stand-in for Nebuly that the measured program asks: the crate's own, on a thread of this process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use nebulink::demo::{StandIn, StandInProject};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::connection;

/// The key of its one project.
pub(crate) const API_KEY: &str = "benchmark-key";

/// Ids are counted up from here: the form of a random UUID.
const FIRST_ID: u128 = 0x5f2c_1d7e_0000_4000_8000_0000_0000_0000;

/// A stand-in that makes up interactions.
pub(crate) struct Nebuly {
    stand_in: StandIn,
    interactions: AtomicU64,
    /// The runtime that it runs on and ends with.
    _runtime: Runtime,
}

/// An interaction that nobody has asked for yet.
pub(crate) struct Interaction {
    pub(crate) id: Uuid,
    /// The URL that Nebuly answers for it, so where its redirect leads.
    pub(crate) url: String,
}

impl Nebuly {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let stand_in =
            runtime.block_on(StandIn::start()).context("the stand-in for Nebuly does not start")?;
        stand_in.add_project(StandInProject::new(API_KEY, "benchmark-project", "benchmark-organization"));
        Ok(Self { stand_in, interactions: AtomicU64::new(0), _runtime: runtime })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stand_in.address()
    }

    /// For `nebuly.api_base_url`.
    pub(crate) fn api_base_url(&self) -> String {
        self.stand_in.api_base_url()
    }

    /// For `nebuly.platform_url`.
    pub(crate) fn platform_url(&self) -> String {
        self.stand_in.platform_url()
    }

    /// Another one each time.
    pub(crate) fn new_interaction(&self) -> Interaction {
        let id = Uuid::from_u128(FIRST_ID + u128::from(self.interactions.fetch_add(1, Ordering::Relaxed)));
        self.stand_in.add_interaction(API_KEY, id);
        Interaction { id, url: self.stand_in.url_of(API_KEY, id) }
    }

    /// The call that asks for an interaction directly.
    pub(crate) fn direct_call(&self, id: Uuid) -> Vec<u8> {
        let base = self.api_base_url();
        let base_path = base.strip_prefix(&format!("http://{}", self.address())).unwrap_or_default();
        let path = format!("{base_path}/deeplinks/interaction/{id}");
        connection::get(self.address(), &path, &format!("authorization: Bearer {API_KEY}\r\n"))
    }
}
