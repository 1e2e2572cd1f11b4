//! One file for each section: its struct, the keys of its settings, and the values that they accept.

mod access;
mod cache;
mod limits;
mod log;
mod lookup;
mod nebuly;
mod preview;
mod projects;
mod redirect;
mod server;
mod shared_cache;
mod traces;

pub use access::AccessSettings;
pub use cache::CacheSettings;
pub use limits::LimitsSettings;
pub use log::{AccessLogSetting, LogFormatSetting, LogSettings};
pub use lookup::LookupSettings;
pub use nebuly::{NebulySettings, Resolve};
pub use preview::PreviewSettings;
pub use projects::{ApiKeySetting, ProjectSettings};
pub use redirect::{OnOutage, RedirectSettings};
pub use server::ServerSettings;
pub(super) use server::collide;
pub use shared_cache::SharedCacheSettings;
pub use traces::{SamplingSettings, TracesCaFile, TracesSettings};
