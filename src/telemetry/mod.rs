//! Logs, metrics and traces of the program.

mod log;
mod log_queue;
mod metrics;
mod traces;

pub use self::log::{
    LogFormat, LogOptions, end_log, init, json_lines, log_lines_dropped, print_error, subscriber,
};
pub use self::metrics::MetricsRegistry;
pub use self::traces::{Authorities, Traces, TracesError, TracesOptions};
