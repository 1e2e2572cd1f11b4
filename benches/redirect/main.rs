//! The cost of a redirect: `cargo bench --bench redirect`, or `-- --short` for a few seconds of each.
//!
//! It starts the program as a user would, with a stand-in for Nebuly behind it, and measures beside it what it is
//! compared with, in the same run and on the same machine. `docs/benchmarks.md` says how, and why so. Absolute times
//! fail nothing, since machines differ; only what does not work does.
//!
//! `cargo bench` builds the program in the bench profile, which inherits everything from the release profile.

mod bare_axum;
mod child;
mod cold;
mod connection;
mod cores;
mod cpu;
mod load;
mod machine;
mod nebulink;
mod nebuly;
mod nginx;
mod procfs;
mod report;
mod scale;

mod start;
mod statistics;

use std::env;

use anyhow::{Result, bail};

use crate::nebuly::Nebuly;
use crate::report::Report;
use crate::scale::Scale;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut scale = &scale::FULL;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--short" => scale = &scale::SHORT,
            bare_axum::ARGUMENT => return bare_axum::serve(arguments),
            unknown => bail!("unknown argument {unknown}; there is only --short"),
        }
    }
    measure(scale)
}

fn measure(scale: &Scale) -> Result<()> {
    let mut report = Report::default();
    let nebuly = Nebuly::start()?;

    report::say("time to listen")?;
    report.time_to_listen(&start::measure(scale, &nebuly)?);
    report::say("cold calls")?;
    report.cold_calls(&cold::measure(scale, &nebuly)?);
    report::say("CPU time per cached redirect")?;
    report.cpu_time(&cpu::measure(scale, &nebuly)?);
    report.binary_size(nebulink::size()?);
    report.print()
}
