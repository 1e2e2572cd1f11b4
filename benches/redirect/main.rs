//! The cost of a redirect: `cargo bench --bench redirect`, or `-- --short` for less than a minute of it.
//!
//! It starts the program as a user would, with a stand-in for Nebuly behind it, and measures beside it what it is
//! compared with, in the same run and on the same machine. `docs/benchmarks.md` says how, and why so. Absolute times
//! fail nothing, since machines differ; only what does not work does.
//!
//! `cargo bench` builds the program in the bench profile, which inherits everything from the release profile.

mod access_log;
mod bare_axum;
mod child;
mod cold;
mod connection;
mod contest;
mod cores;
mod haproxy;
mod load;
mod machine;
mod nebulink;
mod nebuly;
mod nginx;
mod origin;
mod peer;
mod plot;
mod procfs;
mod report;
mod scale;
mod server;
mod start;
mod statistics;
mod varnish;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::nebuly::Nebuly;
use crate::report::Report;
use crate::scale::Scale;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut is_short = false;
    let mut plot = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--short" => is_short = true,
            "--plot" => plot = Some(PathBuf::from(arguments.next().context("--plot needs a file")?)),
            bare_axum::ARGUMENT => return bare_axum::serve(arguments),
            unknown => bail!("unknown argument {unknown}; there are only --short and --plot FILE"),
        }
    }
    if is_short {
        ensure!(plot.is_none(), "the short form is too uncertain for a plot");
        // Drawn to see that it works, and removed.
        let directory = tempfile::tempdir()?;
        return measure(&scale::SHORT, Some(&directory.path().join("plot.svg")));
    }
    measure(&scale::FULL, plot.as_deref())
}

fn measure(scale: &Scale, plot: Option<&Path>) -> Result<()> {
    let nebuly = Nebuly::start()?;

    report::say("time to listen")?;
    let listening = start::measure(scale, &nebuly)?;
    report::say("cold calls")?;
    let cold = cold::measure(scale, &nebuly)?;
    report::say("CPU time per cached redirect, latency and memory, beside other servers")?;
    let contest = contest::measure(scale, &nebuly)?;

    let mut report = Report::new(&listening, &cold, nebulink::size()?)?;
    report.contest(&contest)?;
    report.print()?;
    plot.map_or(Ok(()), |file| plot::draw(&contest, file))
}
