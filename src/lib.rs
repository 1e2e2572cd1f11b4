//! nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.

pub mod cache;
pub mod domain;
pub mod nebuly;
pub mod resolver;
pub mod settings;
pub mod web;
