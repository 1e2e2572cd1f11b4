//! Peers that do what no good client does, over real sockets, and what others notice of it: nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod few_descriptors;
mod program;
#[path = "../support/mod.rs"]
mod support;
