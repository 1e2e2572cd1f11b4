//! Logs, as text for people or as JSON for collectors, on standard error.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// How a line is written; without one it is text on a terminal, and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// Which events, by target and level.
    pub level: Targets,
}

impl LogOptions {
    /// The format that standard error gets.
    #[must_use]
    pub fn format_of_stderr(&self) -> LogFormat {
        let by_terminal = if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
        self.format.unwrap_or(by_terminal)
    }
}

/// Sends the events of the whole process to standard error. Only the first call in a process does anything.
pub fn init(options: &LogOptions) {
    let subscriber =
        subscriber(options.format_of_stderr(), options.level.clone(), io::stderr().is_terminal(), io::stderr);
    // A second subscriber is refused, and the first goes on.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// Writes events in this format to a writer.
pub fn subscriber<W>(
    format: LogFormat,
    level: Targets,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
    };
    Registry::default().with(layer.with_filter(level))
}
