//! nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.

pub mod demo;
pub mod domain;
pub mod settings;
