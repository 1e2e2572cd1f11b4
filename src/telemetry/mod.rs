//! What the program says of itself.

mod log;
mod metrics;
mod process;
mod traces;

pub use self::log::{LogFormat, LogOptions, init, subscriber};
pub use self::metrics::{MetricsReader, MetricsRegistry};
pub use self::traces::{Authorities, Traces, TracesError, TracesOptions};
