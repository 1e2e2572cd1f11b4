//! Logs, as text for people or as JSON for collectors, on standard error.
//!
//! From [`init`] on, the whole process writes to standard error through one queue, which a thread of its own empties: a
//! write of anybody else would wait for whoever reads the log.

use std::io::{self, IsTerminal, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{panic, thread};

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use super::log_queue::LogQueue;

/// The longest that the end of the program waits for the last lines to be read.
const FLUSH: Duration = Duration::from_secs(1);

/// What everybody writes to, once there is a log.
static QUEUE: OnceLock<Arc<LogQueue>> = OnceLock::new();

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

/// Sends the events of the whole process to standard error, and its panics too. Only the first call in a process does
/// anything. It fails if there can be no thread that writes them.
pub fn init(options: &LogOptions) -> io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let queue = QUEUE.get_or_init({
        let queue = LogQueue::start(io::stderr())?;
        || queue
    });
    let colours = io::stderr().is_terminal();
    let subscriber =
        subscriber(options.format_of_stderr(), options.level.clone(), colours, Arc::clone(queue));
    // A second subscriber is refused, and the first goes on.
    drop(tracing::subscriber::set_global_default(subscriber));
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs where a panic happened. What it says may hold anything, a secret too.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let location = panic.location().map(tracing::field::display);
    tracing::error!(location, thread = thread.name(), "panicked");
}

/// Prints a line on standard error that is no event. It never waits once there is a log.
pub fn print_error(line: &str) {
    match QUEUE.get() {
        Some(queue) => queue.push(format!("{line}\n").as_bytes()),
        // If nobody reads it, there is nobody left to tell.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// Lines of the log that were dropped because they were not read in time.
#[must_use]
pub fn log_lines_dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Waits until the log is written, but at most a second. To be called at the end of the process.
pub fn end_log() {
    let Some(queue) = QUEUE.get() else { return };
    let began = Instant::now();
    queue.flush(FLUSH);
    let lines = queue.dropped();
    if lines > 0 {
        tracing::warn!(lines, "log lines were dropped");
        queue.flush(FLUSH.saturating_sub(began.elapsed()));
    }
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
