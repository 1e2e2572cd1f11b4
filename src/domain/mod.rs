//! What a link is, independent of HTTP and of every library of the other layers.

mod host;
mod project;

pub use host::{AllowedHosts, InvalidHost};
pub use project::{InvalidProjectName, ProjectName};
