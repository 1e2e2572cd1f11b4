//! The tables that are printed at the end.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;

use crate::cold::ColdCalls;
use crate::contest::{self, Contest, PERCENTILES};
use crate::machine;
use crate::peer::Peer;
use crate::statistics::Spread;

/// Bytes of a megabyte, as sizes of files and memory are usually told.
const MEGABYTE: f64 = 1e6;

const MEMORY_GOAL: &str = "14 MB or less";
const SIZE_GOAL: &str = "10 MB or less";
const LISTEN_GOAL: &str = "40 ms or less";
const COLD_GOAL: &str = "0.25 ms or less";

/// Ratios of CPU time, each with its goal.
const RATIOS: [(Peer, Peer, &str); 4] = [
    (Peer::Nebulink, Peer::Nginx, "1.08 or less"),
    (Peer::Nebulink, Peer::NginxCache, "0.60 or less"),
    (Peer::NebulinkLog, Peer::NginxBufferedLog, "1.10 or less"),
    (Peer::NebulinkTwoWorkers, Peer::Nebulink, "1.05 or less"),
];

/// Tables in the order in which they came, and notes.
pub(crate) struct Report {
    tables: String,
    notes: Vec<String>,
}

impl Report {
    /// Begins with a table of nebulink alone.
    pub(crate) fn new(listening: &Spread, cold: &ColdCalls, program_size: u64) -> Result<Self> {
        let mut report = Self { tables: String::new(), notes: Vec::new() };
        report.heading("nebulink", "median   lowest to highest   goal")?;
        report.row("exec to listening, ms", listening, LISTEN_GOAL)?;
        report.row("cold redirect through nebulink, ms", &cold.through_nebulink, "")?;
        report.row("stand-in asked directly, ms", &cold.direct, "")?;
        report.line("added to a cold call, ms", &format!("{:>7.3}{:22}{COLD_GOAL}", cold.added(), ""))?;
        report.line("program file, MB", &format!("{:>7.1}{:22}{SIZE_GOAL}", megabytes(program_size), ""))?;
        Ok(report)
    }

    pub(crate) fn contest(&mut self, contest: &Contest) -> Result<()> {
        self.heading(
            "CPU per cached redirect, µs",
            "median   lowest to highest   ratio to nginx, return 302",
        )?;
        for contender in &contest.contenders {
            let ratio = contest.ratio(contender.peer, Peer::Nginx)?;
            let ratio = ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
            self.row(contender.peer.name(), &contender.cost()?, &ratio)?;
        }

        self.heading("ratios of these, of the same round", "median   lowest to highest   goal")?;
        for (of, to, goal) in RATIOS {
            if let Some(ratio) = contest.ratio(of, to)? {
                self.row(&format!("{} / {}", of.name(), to.name()), &ratio, goal)?;
            }
        }

        let percentiles = PERCENTILES.map(|percent| format!("{:>9}", format!("p{percent}"))).concat();
        self.heading(&format!("latency at {:.0} requests/s, ms", contest.rate), &percentiles)?;
        for contender in &contest.contenders {
            let medians = contender.latency()?.map(|spread| format!("{:>9.3}", spread.median));
            self.line(contender.peer.name(), &medians.concat())?;
        }

        self.heading("memory, MB", "after start   after load   goal")?;
        for contender in &contest.contenders {
            let goal = if contender.peer == Peer::Nebulink { MEMORY_GOAL } else { "" };
            let [start, load] = [contender.memory_after_start, contender.memory_after_load].map(megabytes);
            self.line(contender.peer.name(), &format!("{start:>11.1}{load:>13.1}   {goal}"))?;
        }

        self.notes.extend(contest.missing.iter().map(|peer| contest::how_to_get(*peer)));
        for contender in contest.contenders.iter().filter(|contender| contender.missing_lines > 0) {
            let (missing, lines) = (contender.missing_lines, contender.lines);
            self.notes.push(format!("{} dropped {missing} of {lines} lines", contender.peer.name()));
        }
        if contest.shared_core {
            self.notes.push("servers and load shared one core: the figures are less certain".to_owned());
        }
        Ok(())
    }

    /// Prints machine, tables and notes.
    pub(crate) fn print(&self) -> Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "\n{}\n{}", machine::description(), self.tables)?;
        for note in &self.notes {
            writeln!(output, "note: {note}")?;
        }
        Ok(())
    }

    fn heading(&mut self, what: &str, columns: &str) -> Result<()> {
        writeln!(self.tables)?;
        self.line(what, columns)
    }

    fn row(&mut self, what: &str, Spread { lowest, median, highest }: &Spread, last: &str) -> Result<()> {
        let spread = format!("{lowest:.3} to {highest:.3}");
        self.line(what, &format!("{median:>7.3}  {spread:<19} {last}"))
    }

    fn line(&mut self, what: &str, columns: &str) -> Result<()> {
        Ok(writeln!(self.tables, "{}", format!("{what:<55} {columns}").trim_end())?)
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52, and shown with one decimal")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

/// Says what is going on, since a full run takes a while.
pub(crate) fn say(what: &str) -> Result<()> {
    writeln!(io::stdout(), "measuring: {what}")?;
    Ok(())
}
