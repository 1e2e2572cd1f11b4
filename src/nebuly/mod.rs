//! Nebuly, as an adapter: the calls that it answers and what its answers mean.
//!
//! A call carries a key, so it goes nowhere but to the configured address: no redirect is followed, no proxy of the
//! environment is used, and an id stays in its own path segment. Nothing of an answer is believed before it is checked.

mod client;
mod endpoint;
mod key;
mod wire;

pub use client::{Nebuly, Options, Probe, StartError};
pub use endpoint::Endpoint;
pub use key::{ApiKey, InvalidKey};
