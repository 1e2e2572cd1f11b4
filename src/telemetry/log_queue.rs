//! The queue of log lines for standard error. A thread of its own writes them, so that a slow or stalled reader of the log
//! blocks nothing else.
//!
//! Lines wait in a buffer of bounded size, and are written all at once. A line that does not fit is dropped and
//! counted: the log is lossy rather than slow.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The most bytes that wait; the writing thread may have as many again. At 30,000 lines a second it covers a reader that
/// stalls for a tenth of a second.
const CAPACITY: usize = 1 << 20;

/// The pause between two writes. Under load, lines are collected meanwhile, so that a line costs neither a write nor a
/// wake-up of its own.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes lines without ever blocking on their reader.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    buffer: Mutex<LogBuffer>,
    /// Wakes the writing thread.
    filled: Condvar,
    /// Wakes the callers of `flush`.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct LogBuffer {
    /// Whole lines, one after the other.
    waiting: Vec<u8>,
    /// The writing thread waits for a line.
    is_idle: bool,
    /// The writing thread has lines that are not written yet.
    is_writing: bool,
}

impl LogQueue {
    /// Starts the thread that writes to `sink`. It lives as long as the process.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        // Memory that no line has reached yet costs nothing.
        let buffer = Mutex::new(LogBuffer { waiting: Vec::with_capacity(CAPACITY), ..LogBuffer::default() });
        let queue = Arc::new(Self { buffer, ..Self::default() });
        let writer = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(sink))?;
        Ok(queue)
    }

    /// Adds one line, with its line end, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut buffer = self.buffer.lock();
        if buffer.waiting.len() + line.len() > CAPACITY {
            drop(buffer);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        buffer.waiting.extend_from_slice(line);
        if std::mem::take(&mut buffer.is_idle) {
            drop(buffer);
            self.filled.notify_one();
        }
    }

    /// The number of lines that were dropped: they did not fit, or could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything so far is written, but not longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let is_pending = |buffer: &mut LogBuffer| buffer.is_writing || !buffer.waiting.is_empty();
        self.written.wait_while_for(&mut self.buffer.lock(), is_pending, timeout);
    }

    /// Writes lines forever.
    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::with_capacity(CAPACITY);
        loop {
            let mut buffer = self.buffer.lock();
            while buffer.waiting.is_empty() {
                buffer.is_idle = true;
                self.filled.wait(&mut buffer);
            }
            std::mem::swap(&mut buffer.waiting, &mut lines);
            buffer.is_writing = true;
            drop(buffer);
            self.dropped.fetch_add(write_lines(&mut sink, &lines), Ordering::Relaxed);
            lines.clear();
            self.buffer.lock().is_writing = false;
            self.written.notify_all();
            thread::sleep(PAUSE);
        }
    }
}

/// The formatting layer writes each line with one call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines, and returns the number of those that could not be written to their end.
fn write_lines(sink: &mut impl Write, lines: &[u8]) -> u64 {
    let mut rest = lines;
    while !rest.is_empty() {
        match sink.write(rest) {
            Ok(0) => break,
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the pipe has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(_closed) => break,
        }
    }
    rest.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::time::Instant;

    use super::*;

    /// More than any of this takes, unless something hangs.
    const PATIENCE: Duration = Duration::from_secs(20);

    const LINE: &[u8] = b"a line\n";

    #[test]
    fn lines_that_are_not_read_are_dropped_and_counted_and_the_others_arrive_whole() {
        const LINES: u64 = 10_000;
        let (reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer).unwrap();
        let line = |number| format!("{number} {}\n", "x".repeat(300));
        for number in 0..LINES {
            queue.push(line(number).as_bytes());
        }
        let dropped = queue.dropped();
        assert!(dropped > 0, "a pipe and two buffers took 3 MB");
        let began = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(began.elapsed() < PATIENCE);

        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let mut last = None;
        for _ in dropped..LINES {
            let text = lines.next().unwrap();
            let number = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(format!("{text}\n"), line(number));
            assert!(last.is_none_or(|last| last < number), "in order");
            last = Some(number);
        }
        // There is room again.
        queue.push(b"the next\n");
        assert_eq!(lines.next().unwrap(), "the next");
        assert_eq!(queue.dropped(), dropped);
    }

    #[test]
    fn lines_before_a_flush_are_written_after_it() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer).unwrap();
        let reading = thread::spawn(move || BufReader::new(reader).lines().take(100).count());
        for _ in 0..100 {
            queue.push(b"a line\n");
        }
        queue.flush(PATIENCE);
        assert!(queue.buffer.lock().waiting.is_empty());
        assert_eq!(reading.join().unwrap(), 100);
    }

    #[test]
    fn lines_of_a_pipe_that_is_closed_are_counted() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let queue = LogQueue::start(writer).unwrap();
        for _ in 0..100 {
            queue.push(b"a line\n");
        }
        queue.flush(PATIENCE);
        assert_eq!(queue.dropped(), 100);
    }

    #[test]
    fn a_sink_that_is_busy_is_tried_again() {
        struct Busy(Vec<u8>, u8);
        impl Write for Busy {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                match self.1 {
                    1 => Err(ErrorKind::WouldBlock.into()),
                    2 => Err(ErrorKind::Interrupted.into()),
                    _ => self.0.write(&bytes[..1]),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Busy(Vec::new(), 0);
        assert_eq!(write_lines(&mut sink, LINE), 0);
        assert_eq!(sink.0, LINE);
    }
}
