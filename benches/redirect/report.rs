//! The table that is printed at the end.

use std::io::{self, Write as _};

use anyhow::Result;

use crate::cold::ColdCalls;
use crate::cpu::{Cost, CpuTime};
use crate::machine;
use crate::nginx;
use crate::statistics::Spread;

/// Bytes of a megabyte, as sizes of files and memory are usually told.
const MEGABYTE: f64 = 1e6;

const RATIO_GOAL: &str = "1.25 or less";
const MEMORY_GOAL: &str = "15 MB or less";
const SIZE_GOAL: &str = "10 MB or less";
const LISTEN_GOAL: &str = "40 ms or less";
const COLD_GOAL: &str = "0.6 ms or less";

/// Rows in the order in which they came.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<&'static str>,
}

struct Row {
    what: &'static str,
    figure: String,
    /// Lowest and highest of the rounds.
    spread: String,
    goal: &'static str,
}

impl Report {
    pub(crate) fn time_to_listen(&mut self, milliseconds: &Spread) {
        self.add("exec to listening", milliseconds, "ms", LISTEN_GOAL);
    }

    pub(crate) fn cold_calls(&mut self, cold: &ColdCalls) {
        self.add("cold redirect through nebulink", &cold.through_nebulink, "ms", "");
        self.add("stand-in asked directly", &cold.direct, "ms", "");
        self.push("added to a cold call", format!("{:.3} ms", cold.added()), COLD_GOAL);
    }

    pub(crate) fn cpu_time(&mut self, cpu: &CpuTime) {
        if let Some(time) = &cpu.nginx {
            self.add("CPU per redirect, nginx", time, "µs", "");
        } else {
            self.push("CPU per redirect, nginx", String::from("skipped"), "");
            self.notes.push(nginx::HOW_TO_GET);
        }
        self.cost("CPU per redirect, bare axum", "ratio bare axum / nginx", &cpu.bare_axum, "");
        self.cost("CPU per redirect, nebulink", "ratio nebulink / nginx", &cpu.nebulink, RATIO_GOAL);
        self.size("memory when idle, after the start", cpu.memory.after_start, MEMORY_GOAL);
        self.size("memory when idle, after the load", cpu.memory.after_load, MEMORY_GOAL);
        if cpu.shared_core {
            self.notes.push("servers and load shared one core: ratios are less certain");
        }
    }

    pub(crate) fn binary_size(&mut self, bytes: u64) {
        self.size("program file", bytes, SIZE_GOAL);
    }

    /// Prints machine, table and notes.
    pub(crate) fn print(&self) -> Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "\n{}\n", machine::description())?;
        writeln!(output, "{:<36} {:>11}   {:<19} goal", "", "median", "lowest to highest")?;
        for Row { what, figure, spread, goal } in &self.rows {
            writeln!(output, "{}", format!("{what:<36} {figure:>11}   {spread:<19} {goal}").trim_end())?;
        }
        for note in &self.notes {
            writeln!(output, "\nnote: {note}")?;
        }
        Ok(())
    }

    fn cost(&mut self, time: &'static str, ratio: &'static str, cost: &Cost, goal: &'static str) {
        self.add(time, &cost.time, "µs", "");
        match &cost.ratio {
            Some(spread) => self.add(ratio, spread, "", goal),
            None => self.push(ratio, String::from("skipped"), goal),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "sizes here are far below 2^52, and shown with one decimal"
    )]
    fn size(&mut self, what: &'static str, bytes: u64, goal: &'static str) {
        self.push(what, format!("{:.1} MB", bytes as f64 / MEGABYTE), goal);
    }

    fn add(&mut self, what: &'static str, spread: &Spread, unit: &str, goal: &'static str) {
        let Spread { lowest, median, highest } = spread;
        let figure = format!("{median:.3} {unit}").trim_end().to_owned();
        self.rows.push(Row { what, figure, spread: format!("{lowest:.3} to {highest:.3}"), goal });
    }

    fn push(&mut self, what: &'static str, figure: String, goal: &'static str) {
        self.rows.push(Row { what, figure, spread: String::new(), goal });
    }
}

/// Says what is going on, since a full run takes a while.
pub(crate) fn say(what: &str) -> Result<()> {
    writeln!(io::stdout(), "measuring: {what}")?;
    Ok(())
}
