//! The chart and the image in a real Kubernetes, as a user of both sees them: installed, disturbed under load, removed.
//!
//!     .ci/image && .ci/kubernetes cargo test --test kubernetes -- --ignored --nocapture
//!
//! `cluster` runs kubectl and helm, `namespace` and `release` are what they make, `nebuly` is the stand-in for Nebuly,
//! which is outside the cluster, and `load`, with `connection`, asks for links all the while. The tests share one
//! cluster, so each waits for its turn.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "clippy.toml excepts test functions alone, not the functions that they share"
)]

mod cluster;
mod connection;
mod draining;
mod installing;
mod load;
mod namespace;
mod nebuly;
mod no_failed_request;
mod release;
mod rotating;
mod running;
mod scene;
mod wrong_setting;
