//! The stand-in for Nebuly, seen from outside: what it answers, how it fails, what it counts, and its pages.

mod caller;
mod documented_calls;
mod faults;
mod listings;
mod pages;
mod record;
