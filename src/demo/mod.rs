//! A stand-in for Nebuly, for `nebulink demo` and for tests.
//!
//! [`StandIn`] is a small HTTP server on this machine that answers as Nebuly's external API is documented to, and on
//! request as a Nebuly in trouble does: see [`Fault`]. [`Demo`] is a stand-in with sample items of an invented
//! support chatbot. Nothing here talks to the real Nebuly, and nothing else of the crate is used here, so that a
//! mistake in how nebulink reads Nebuly's documentation cannot hide in both places.
//!
//! The path of a call: `serving` accepts it, `calls` records it, `faults` decides if it fails, `answers` finds
//! the answer in `projects` (with `listing` for the calls that list), and `body` writes it. `state` holds all of that, and
//! `stand_in` is the handle to it. `page` has the pages behind the links; `samples` and `showcase` make the demo.

mod answers;
mod body;
mod calls;
mod faults;
mod listing;
mod page;
mod projects;
mod samples;
mod serving;
mod showcase;
mod stand_in;
mod state;

pub use calls::{Call, CallKind};
pub use faults::{Fault, Matching};
pub use listing::ListingOrder;
pub use projects::{Interaction, ItemKind, StandInItem, StandInProject};
pub use samples::{DemoProject, SampleLink, SampleTag};
pub use showcase::Demo;
pub use stand_in::StandIn;
