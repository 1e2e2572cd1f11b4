//! Links: where a request leads, what it costs Nebuly, and what happens when Nebuly fails.

#[path = "../support/mod.rs"]
mod support;

mod callers;
mod errors;
mod keys;
mod limits;
mod one_call;
mod outage;
mod projects;
mod redirects;
mod sparing_nebuly;
mod staleness;
mod stand_in;
