//! Prints answers as they come: links on standard output, reasons and the progress on standard error.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc::Receiver;

use super::answer::{Abandonment, AnsweredId, MAX_SHOWN, Printout, words};
use crate::cli::output::complain;
use crate::text::escaped_up_to;
use crate::web::LinkJson;

/// After this many ids in a row that could not be looked up the rest is given up: whatever is wrong is not about them.
const MAX_FAILURES: usize = 100;

/// The pause between two movements of the progress while no answer comes.
const TICK: Duration = Duration::from_millis(500);

/// Prints answers.
pub(super) struct Printer<W> {
    output: W,
    /// True if the output is shown where the progress is.
    shares_terminal: bool,
    json: bool,
    progress: ProgressBar,
    ids: u64,
    without_url: u64,
    /// Failures in a row.
    failures: usize,
}

/// The progress, for a terminal; it is hidden if standard error is none. `input_len` is the bytes of the input, if they are
/// known.
pub(super) fn progress(input_len: Option<u64>) -> ProgressBar {
    let (progress, template) = match input_len {
        Some(len) => (ProgressBar::new(len), "{bar:30} {percent}%  {msg}  {elapsed}"),
        None => (ProgressBar::no_length(), "{spinner} {msg}  {elapsed}"),
    };
    // The templates are valid: a test shows both.
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    if !progress.is_hidden() {
        progress.enable_steady_tick(TICK);
    }
    progress
}

impl<W: Write> Printer<W> {
    /// Prints links as URLs, or as JSON.
    pub(super) const fn new(output: W, shares_terminal: bool, json: bool, progress: ProgressBar) -> Self {
        Self { output, shares_terminal, json, progress, ids: 0, without_url: 0, failures: 0 }
    }

    /// Prints what comes, until nothing more does or the rest is given up. Returns true if all ids have URLs. Fails if the
    /// output cannot be written to.
    ///
    /// Each line is on its way as soon as it is known: somebody may be waiting for it.
    pub(super) fn print_all(mut self, mut answers: Receiver<Printout>) -> io::Result<bool> {
        let printed = loop {
            let next = match answers.try_recv() {
                Ok(next) => Some(next),
                Err(_nothing_yet) => {
                    self.output.flush()?;
                    answers.blocking_recv()
                }
            };
            match next {
                None => break self.without_url == 0,
                Some(Printout::Answer(answer)) => self.print(&answer)?,
                Some(Printout::Notice(notice)) => self.complain(&notice),
                Some(Printout::Abandoned(Abandonment(why))) => {
                    self.complain(&why);
                    break false;
                }
            }
            if self.failures == MAX_FAILURES {
                self.complain("a hundred ids in a row could not be looked up: the rest is given up");
                break false;
            }
        };
        self.output.flush()?;
        Ok(printed)
    }

    fn print(&mut self, answer: &AnsweredId) -> io::Result<()> {
        let AnsweredId { id, link, reason } = answer;
        let error = link.error.as_ref().filter(|_| !id.is_empty_line);
        self.failures = if answer.is_failure() { self.failures + 1 } else { 0 };
        self.ids += 1;
        self.without_url += u64::from(error.is_some());
        if !self.progress.is_hidden() {
            self.progress.set_message(format!("{} ids, {} without a URL", self.ids, self.without_url));
            self.progress.inc(id.len);
        }
        let line = if self.json { json(link) } else { link.url.clone().unwrap_or_default() };
        if self.shares_terminal {
            let output = &mut self.output;
            self.progress.suspend(|| writeln!(output, "{line}").and_then(|()| output.flush()))?;
        } else {
            writeln!(self.output, "{line}")?;
        }
        if let Some(error) = error {
            let id = escaped_up_to(MAX_SHOWN, &id.text);
            let reason = reason.clone().unwrap_or_else(|| words(error));
            self.complain(&format!("\"{id}\": {reason}"));
        }
        Ok(())
    }

    fn complain(&self, why: &str) {
        self.progress.suspend(|| complain(why));
    }
}

impl<W> Drop for Printer<W> {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

/// A link as a line of JSON, in which a terminal finds nothing to act on.
fn json(link: &LinkJson) -> String {
    // Strings and numbers always make JSON.
    let json = serde_json::to_string(link).unwrap_or_default();
    if json.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        // Quotes and backslashes are ASCII, and part of the syntax.
        if char == ' ' || char.is_ascii_graphic() || (!char.is_ascii() && char.escape_debug().count() == 1) {
            safe.push(char);
        } else {
            let mut units = [0; 2];
            safe.extend(char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}
