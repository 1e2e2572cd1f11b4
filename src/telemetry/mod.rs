//! What the program says of itself.

mod log;

pub use log::{LogFormat, LogOptions, init, subscriber};
