//! Logs, as text for people or as JSON for collectors, on standard error.
//!
//! From [`init`] on, the whole process writes to standard error through one queue, which a thread of its own empties. A
//! direct write would block until the log is read.

use std::io::{self, IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{panic, thread};

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use super::log_queue::LogQueue;

/// The longest that the end of the program waits for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of the process, from `init` on.
static QUEUE: OnceLock<Arc<LogQueue>> = OnceLock::new();

/// True once `init` has begun to log as JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// The options of the log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The format of a line; `None` is text on a terminal, and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// The events to log, by target and level.
    pub level: Targets,
}

impl LogOptions {
    /// Returns the format for standard error.
    #[must_use]
    pub fn format_of_stderr(&self) -> LogFormat {
        let by_terminal = if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
        self.format.unwrap_or(by_terminal)
    }
}

/// Logs the events and the panics of the whole process to standard error. Only the first call in a process has an
/// effect. Fails if the thread that writes them cannot be started.
pub fn init(options: &LogOptions) -> io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let queue = QUEUE.get_or_init({
        let queue = LogQueue::start(io::stderr())?;
        || queue
    });
    let format = options.format_of_stderr();
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    let colours = io::stderr().is_terminal();
    let subscriber = subscriber(format, options.level.clone(), colours, Arc::clone(queue));
    // A second subscriber is refused, and the first goes on.
    drop(tracing::subscriber::set_global_default(subscriber));
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs the location of a panic, but not its message, which may hold a secret.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let location = panic.location().map(tracing::field::display);
    tracing::error!(location, thread = thread.name(), "thread panicked");
}

/// Prints a line on standard error that is no event. It never blocks once there is a log.
pub fn print_error(line: &str) {
    match QUEUE.get() {
        Some(queue) => queue.push(format!("{line}\n").as_bytes()),
        // An error cannot be reported anywhere.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// The function that takes lines of the log which are JSON already, with their line ends. `None` unless the log of this process
/// is JSON. It never blocks.
#[must_use]
pub fn json_lines() -> Option<fn(&[u8])> {
    let push: fn(&[u8]) = |line| {
        if let Some(queue) = QUEUE.get() {
            queue.push(line);
        }
    };
    IS_JSON.load(Ordering::Relaxed).then_some(push)
}

/// The number of log lines that were dropped because they were not read in time.
#[must_use]
pub fn log_lines_dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Waits until the log is written, but at most a second. To be called when the process ends.
pub fn end_log() {
    let Some(queue) = QUEUE.get() else { return };
    let began = Instant::now();
    queue.flush(FLUSH_TIMEOUT);
    let lines = queue.dropped();
    if lines > 0 {
        tracing::warn!(lines, "log lines were dropped");
        queue.flush(FLUSH_TIMEOUT.saturating_sub(began.elapsed()));
    }
}

/// Makes a subscriber that writes events in this format.
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
