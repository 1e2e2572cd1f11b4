//! Captures the log of a test's process.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nebulink::telemetry::{LogFormat, subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;

use super::PATIENCE;

/// Keeps every byte that is logged. Clones keep the same ones.
#[derive(Clone, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    /// Captures all that this process logs from now on, at every level, as JSON. Once in a process: see `in_own_process`.
    pub(crate) fn start() -> Self {
        let log = Self::default();
        let everything = Targets::new().with_default(LevelFilter::TRACE);
        let subscriber = subscriber(LogFormat::Json, everything, false, log.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that hold a text.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Waits for a line: it may be written after its answer was read.
    pub(crate) async fn line(&self, text: &str) -> String {
        let found = async {
            loop {
                if let Some(line) = self.lines(text).pop() {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the line is not written")
    }
}

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'writer> MakeWriter<'writer> for CapturedLog {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        self.clone()
    }
}
