//! nebulink turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it.
//!
//! # The path of a request
//!
//! 1. [`server`] accepts a connection, reads the head of a request, and enforces the deadlines.
//! 2. [`web`] finds the route, authenticates the caller, reads the id from path or query (the [`domain`]
//!    checks it), and asks the resolver.
//! 3. [`resolver`] answers from a [`cache`], or asks the projects of Nebuly: once for a link, however many callers wait,
//!    and within the rate limit of the caller ([`limits`]).
//! 4. [`nebuly`] makes the call, if key, circuit breaker and the bound on calls in flight allow it, checks the answer, and
//!    converts it to types of the [`domain`].
//! 5. [`cache`] keeps the link, and [`web`] writes the 302, or an answer from the table of problems.
//!
//! CONTRIBUTING.md shows the same file by file.
//!
//! # Words
//!
//! - An *item* is an interaction or a conversation: a kind and an id. Its *link* is the URL that shows it.
//! - An item is *absent* if Nebuly answered that it is not there.
//! - A request is *cold* if no cache can answer it, so that it waits for Nebuly.
//! - A text may mean several items; these are its *candidates*.
//!
//! # The map
//!
//! | module | job | may import |
//! |---|---|---|
//! | [`domain`] | ids, links, URLs, the freshness of an answer; the interfaces that the resolver needs | `coarse_clock`, `text` |
//! | `text` | how text is percent-encoded, and escaped to be shown | nothing of the crate |
//! | `coarse_clock` | clocks that are read in no time, for lifetimes and deadlines | nothing of the crate |
//! | `sync` | the lock and the task of code whose interleavings are tested | nothing of the crate |
//! | [`background_runtime`] | the runtime of work that no redirect should wait behind | `sync` |
//! | `http_client` | the builder of every HTTP client, and the causes of its errors | nothing of the crate |
//! | [`files`] | files that settings name: how they are shown, read in bounded time, and read again | `text` |
//! | [`nebuly`] | adapter: where links come from | `domain`, `files`, `http_client`, `sync`, `text` |
//! | [`cache`] | adapter: where links are remembered | `domain`, `files` |
//! | [`limits`] | adapter: the rate limit of each caller | `domain` |
//! | [`resolver`] | the policy: from where a request is answered, and when Nebuly is asked | `domain`, `background_runtime`, `sync` |
//! | [`web`] | routes, authentication, redirects, problems, pages | `domain`, `resolver`, `background_runtime`, `files`, `text` |
//! | [`server`] | connections, their deadlines, the drain; knows no routes | `coarse_clock` |
//! | [`settings`] | defaults, file, environment, command line | `domain`, `files`, `text` |
//! | [`telemetry`] | logs, metrics and traces | `http_client` |
//! | [`app`] | the composition root: builds everything from the settings and runs it | all above but `text`, `sync`, `http_client` |
//! | [`demo`] | a stand-in for Nebuly, which the tests talk to as well | `text` |
//! | [`cli`] | the commands | everything |
//! | `fuzzing` | the properties of the parsers that read untrusted bytes; only in tests and under cargo-fuzz | everything |
//!
//! `tests/repository/architecture.rs` reads this table and fails if an import breaks it, or leads in a circle.

pub mod app;
pub mod background_runtime;
pub mod cache;
pub mod cli;
mod coarse_clock;
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
