//! One file for each section: its settings, and what they may be.

mod access;
mod cache;
mod limits;
mod log;
mod lookup;
mod nebuly;
mod preview;
pub(super) mod projects;
mod redirect;
mod server;
mod shared_cache;
mod telemetry;

pub use access::Access;
pub use cache::Cache;
pub use limits::Limits;
pub use log::{AccessLog, Log, LogFormat};
pub use lookup::Lookup;
pub use nebuly::{Nebuly, ProxyUrl, Resolve};
pub use preview::Preview;
pub use projects::{KeySource, Project};
pub use redirect::{OnOutage, Redirect};
pub use server::Server;
pub(super) use server::collide;
pub use shared_cache::SharedCache;
pub use telemetry::{Sampling, Telemetry, Traces, TracesCaFile};
