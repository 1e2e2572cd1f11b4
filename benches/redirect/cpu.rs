//! CPU time per cached redirect, beside the references.

use std::env;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

use crate::bare_axum::BareAxum;
use crate::child::Running;
use crate::cores::Cores;
use crate::load::Load;
use crate::nebulink::{self, Nebulink};
use crate::nebuly::Nebuly;
use crate::nginx::{self, Nginx};
use crate::procfs;
use crate::scale::Scale;
use crate::statistics::Spread;

/// The results. Times are in microseconds, ratios against nginx.
pub(crate) struct CpuTime {
    pub(crate) nginx: Option<Spread>,
    pub(crate) bare_axum: Cost,
    pub(crate) nebulink: Cost,
    pub(crate) memory: Memory,
    /// True if servers and load had to share a core.
    pub(crate) shared_core: bool,
}

/// The CPU time that a server needs for one redirect.
pub(crate) struct Cost {
    pub(crate) time: Spread,
    /// Of the same round, so that what slows the whole machine slows both.
    pub(crate) ratio: Option<Spread>,
}

/// Resident memory of nebulink, in bytes.
pub(crate) struct Memory {
    pub(crate) after_start: u64,
    pub(crate) after_load: u64,
}

/// One server, its load, and what each round needed for one redirect, in microseconds.
struct Contender {
    process: u32,
    load: Load,
    costs: Vec<f64>,
}

/// Starts all servers on one core, and loads them in turn, round by round, from the other.
pub(crate) fn measure(scale: &Scale, nebuly: &Nebuly) -> Result<CpuTime> {
    let interaction = nebuly.new_interaction();
    let path = nebulink::path_of(interaction.id);
    let cores = Cores::of_this_process()?;
    let _apart = cores.keep_load_apart()?;

    let nginx = Nginx::start(&cores, &interaction.url)?;
    if nginx.is_none() && env::var_os("CI").is_some_and(|ci| ci == "true") {
        bail!(nginx::HOW_TO_GET);
    }
    let bare_axum = BareAxum::start(&cores, &interaction.url)?;
    let mut command = cores.command_on_server_core(nebulink::PROGRAM);
    command.env("NEBULINK__SERVER__WORKERS", "1");
    let mut nebulink = Nebulink::start(command, nebuly)?;
    nebulink.wait_until_ready()?;
    let after_start = procfs::resident_memory(nebulink.running.id())?;

    let contend = |running: &Running, address| Contender::new(running, address, &path, &interaction.url);
    let mut by_nginx = nginx.as_ref().map(|nginx| contend(&nginx.running, nginx.address)).transpose()?;
    let mut by_bare_axum = contend(&bare_axum.running, bare_axum.address)?;
    let mut by_nebulink = contend(&nebulink.running, nebulink.address)?;
    for contender in by_nginx.iter_mut().chain([&mut by_bare_axum, &mut by_nebulink]) {
        contender.load.run(scale.warm_up)?;
    }
    for _ in 0..scale.rounds {
        for contender in by_nginx.iter_mut().chain([&mut by_bare_axum, &mut by_nebulink]) {
            contender.take_turn(scale.redirects)?;
        }
    }

    let after_load = procfs::resident_memory(nebulink.running.id())?;
    let nginx_costs = by_nginx.map(|contender| contender.costs);
    Ok(CpuTime {
        bare_axum: Cost::of(by_bare_axum.costs, nginx_costs.as_deref())?,
        nebulink: Cost::of(by_nebulink.costs, nginx_costs.as_deref())?,
        nginx: nginx_costs.map(Spread::of).transpose()?,
        memory: Memory { after_start, after_load },
        shared_core: cores.shared(),
    })
}

impl Contender {
    fn new(running: &Running, server: SocketAddr, path: &str, location: &str) -> Result<Self> {
        Ok(Self { process: running.id(), load: Load::open(server, path, location)?, costs: Vec::new() })
    }

    fn take_turn(&mut self, redirects: usize) -> Result<()> {
        let before = procfs::cpu_time(self.process)?;
        let redirects = self.load.run(redirects)?;
        let time = procfs::cpu_time(self.process)?.saturating_sub(before);
        let redirects = u32::try_from(redirects).context("too many redirects for one turn")?;
        self.costs.push(time.as_secs_f64() * 1e6 / f64::from(redirects));
        Ok(())
    }
}

impl Cost {
    fn of(costs: Vec<f64>, nginx: Option<&[f64]>) -> Result<Self> {
        let ratios = nginx.map(|nginx| costs.iter().zip(nginx).map(|(cost, reference)| cost / reference));
        Ok(Self { ratio: ratios.map(Spread::of).transpose()?, time: Spread::of(costs)? })
    }
}
