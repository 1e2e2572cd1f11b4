//! The time that nebulink adds to a call to Nebuly.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::connection::{self, Connection};
use crate::nebulink::{self, Nebulink};
use crate::nebuly::Nebuly;
use crate::scale::Scale;
use crate::statistics::Spread;

/// Pairs before those that count: connections are opened, code is loaded.
const WARM_UP: usize = 50;

/// Latencies in milliseconds.
pub(crate) struct ColdCalls {
    pub(crate) through_nebulink: Spread,
    pub(crate) direct: Spread,
}

impl ColdCalls {
    /// The time by which a cold redirect takes longer than the call itself.
    pub(crate) fn added(&self) -> f64 {
        self.through_nebulink.median - self.direct.median
    }
}

/// Asks for new interactions in turn through nebulink and directly, one at a time, on two keep-alive connections.
pub(crate) fn measure(scale: &Scale, nebuly: &Nebuly) -> Result<ColdCalls> {
    let mut nebulink = Nebulink::start(Command::new(nebulink::PROGRAM), nebuly, [])?;
    nebulink.wait_until_ready()?;
    let mut to_nebulink = Connection::open(nebulink.address)?;
    let mut to_stand_in = Connection::open(nebuly.address())?;

    let mut through = Vec::with_capacity(scale.cold);
    let mut direct = Vec::with_capacity(scale.cold);
    for pair in 0..WARM_UP + scale.cold {
        let asked_through = nebuly.new_interaction();
        let request = connection::get(nebulink.address, &nebulink::path_of(asked_through.id), "");
        let through_time = time(&mut to_nebulink, &request, "302", Some(&asked_through.url))?;

        let request = nebuly.direct_call(nebuly.new_interaction().id);
        let direct_time = time(&mut to_stand_in, &request, "200", None)?;

        if pair >= WARM_UP {
            through.push(through_time);
            direct.push(direct_time);
        }
    }
    Ok(ColdCalls { through_nebulink: Spread::of(through)?, direct: Spread::of(direct)? })
}

fn time(connection: &mut Connection, request: &[u8], status: &str, location: Option<&str>) -> Result<f64> {
    let begin = Instant::now();
    connection.send(request)?;
    let answer = connection.answer()?;
    let time = begin.elapsed();
    ensure!(answer.status == status, "status {} instead of {status}", answer.status);
    ensure!(answer.location == location, "leads to {:?} instead of {location:?}", answer.location);
    Ok(time.as_secs_f64() * 1e3)
}
