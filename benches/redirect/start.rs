//! Time from exec to listening.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::nebulink::{self, Nebulink};
use crate::nebuly::Nebuly;
use crate::scale::Scale;
use crate::statistics::Spread;

/// Starts it again and again, and each time tries to connect until it listens. In milliseconds.
pub(crate) fn measure(scale: &Scale, nebuly: &Nebuly) -> Result<Spread> {
    let mut times = Vec::with_capacity(scale.starts);
    for _ in 0..scale.starts {
        let begin = Instant::now();
        let mut nebulink = Nebulink::start(Command::new(nebulink::PROGRAM), nebuly, [])?;
        nebulink.running.wait_until_listening(nebulink.address)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Spread::of(times)
}
