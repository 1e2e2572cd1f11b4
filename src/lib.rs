//! nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.
//!
//! # The way of a request
//!
//! 1. [`server`] accepts a connection, reads a request's head, and keeps an eye on the time.
//! 2. [`web`] finds the route, lets the caller in or not, reads the id out of path or query, and asks the resolver.
//! 3. [`resolver`] answers from a [`cache`], or asks the projects of Nebuly: once for a link, however many callers wait,
//!    and as far as [`limits`] let this one.
//! 4. [`nebuly`] makes the call if key, circuit and the bound on calls in flight allow it, checks what comes back, and
//!    turns it into words of the [`domain`].
//! 5. [`cache`] keeps it, and [`web`] writes the 302, or the row of the one table of errors that fits.
//!
//! # The map
//!
//! | module | job | may import |
//! |---|---|---|
//! | [`domain`] | ids, links, URLs, the freshness of an answer; the interfaces that the resolver needs | `text` |
//! | `text` | how text is percent-encoded, and escaped to be shown | nothing of the crate |
//! | `sync` | the lock and the task of code whose interleavings are tested | nothing of the crate |
//! | `http_client` | the builder of every HTTP client, and the causes of its errors | nothing of the crate |
//! | [`files`] | files that settings name: how they are shown, read in bounded time, and read again | `text` |
//! | [`nebuly`] | adapter: where links come from | `domain`, `files`, `http_client`, `sync`, `text` |
//! | [`cache`] | adapter: where links are remembered | `domain`, `files` |
//! | [`limits`] | adapter: what each caller may still cost | `domain` |
//! | [`resolver`] | the policy: what is answered from where | `domain`, `sync` |
//! | [`web`] | routes, who may ask, redirect, errors, pages | `domain`, `resolver`, `files`, `text` |
//! | [`server`] | connections, their deadlines, the drain; knows no routes | nothing of the crate |
//! | [`settings`] | defaults, file, environment, command line | `domain`, `files`, `text` |
//! | [`telemetry`] | logs, metrics and traces | `http_client` |
//! | [`app`] | the composition root: builds everything from the settings and runs it | all of these |
//! | [`demo`] | a stand-in for Nebuly, which the tests talk to as well | `text` |
//! | [`cli`] | the commands | everything |
//! | `fuzzing` | what must hold of the parsers that see foreign bytes; only in tests and under cargo-fuzz | everything |
//!
//! `tests/repository/architecture.rs` holds this table.

pub mod app;
pub mod cache;
pub mod cli;
pub mod demo;
pub mod domain;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http_client;
pub mod limits;
pub mod nebuly;
pub mod resolver;
pub mod server;
pub mod settings;
mod sync;
pub mod telemetry;
mod text;
pub mod web;
