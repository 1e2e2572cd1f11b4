//! nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.

pub mod domain;
pub mod server;
pub mod settings;
