//! The Helm chart, as helm renders it: what it creates, what it refuses, and that the program takes the settings that it
//! writes. Whether a cluster takes all of it is for the tests in a cluster.

mod disruptions;
mod helm;
mod monitoring;
mod names;
mod network;
mod notes;
mod release;
mod schema;
mod secrets;
mod security;
mod settings;
mod test_pod;
mod valkey;
