//! All servers in turn, round by round, on one core, with the load on another: CPU time, latency, memory.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::access_log::AccessLog;
use crate::cores::Cores;
use crate::load::Load;
use crate::nebulink;
use crate::nebuly::Nebuly;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::procfs;
use crate::scale::Scale;
use crate::server::Server;
use crate::statistics::Spread;

/// The percentiles of the latency that are told.
pub(crate) const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// The results of all servers that are installed.
pub(crate) struct Contest {
    pub(crate) contenders: Vec<Contender>,
    /// Those whose program is not installed.
    pub(crate) missing: Vec<Peer>,
    /// Requests per second at which latency was measured.
    pub(crate) rate: f64,
    /// True if servers and load had to share a core.
    pub(crate) shared_core: bool,
}

/// One server, its load, and its results, of each round one.
pub(crate) struct Contender {
    pub(crate) peer: Peer,
    server: Server,
    processes: Vec<u32>,
    load: Load,
    /// CPU time of one redirect, in microseconds.
    costs: Vec<f64>,
    /// Redirects per second while the load asks as fast as it can.
    throughputs: Vec<f64>,
    /// In milliseconds, for each of `PERCENTILES`.
    latencies: [Vec<f64>; PERCENTILES.len()],
    /// Resident memory of all its processes, in bytes.
    pub(crate) memory_after_start: u64,
    pub(crate) memory_after_load: u64,
    /// Lines that its access log should have and has not, of this many.
    pub(crate) lines: usize,
    pub(crate) missing_lines: usize,
}

/// Starts all servers on one core, and loads them from the other.
pub(crate) fn measure(scale: &Scale, nebuly: &Nebuly) -> Result<Contest> {
    let interaction = nebuly.new_interaction();
    let path = nebulink::path_of(interaction.id);
    let cores = Cores::of_this_process()?;
    let _apart = cores.keep_load_apart()?;

    let mut contest =
        Contest { contenders: Vec::new(), missing: Vec::new(), rate: 0.0, shared_core: cores.shared() };
    for peer in Peer::ALL {
        let Some(program) = peer.program() else {
            ensure!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{}", how_to_get(peer));
            contest.missing.push(peer);
            continue;
        };
        let server = peer
            .start(cores.command_on_server_core(&program), nebuly, &interaction.url)
            .with_context(|| peer.name())?;
        let contender = Contender::warmed_up(peer, server, scale.warm_up, &path, &interaction.url);
        contest.contenders.push(contender.with_context(|| peer.name())?);
    }

    let origin_requests: Vec<_> = contest.contenders.iter().map(Contender::origin_requests).collect();
    for _ in 0..scale.rounds {
        contest.each(|contender| contender.measure_cpu(scale.redirects))?;
    }
    contest.rate = contest.slowest_throughput()? / 2.0;
    for _ in 0..scale.latency_rounds {
        let rate = contest.rate;
        contest.each(|contender| contender.measure_latency(rate, scale.latency_time))?;
    }
    contest.each(Contender::measure_memory)?;
    for (contender, requests) in contest.contenders.iter().zip(origin_requests) {
        ensure!(
            contender.origin_requests() == requests && requests != Some(0),
            "{}: not every answer came from its cache",
            contender.peer.name()
        );
    }
    Ok(contest)
}

/// For those who have not installed a peer.
pub(crate) fn how_to_get(peer: Peer) -> String {
    format!("{} is left out: it is not installed (.ci/install does that)", peer.name())
}

impl Contest {
    fn each(&mut self, mut act: impl FnMut(&mut Contender) -> Result<()>) -> Result<()> {
        let mut contenders = self.contenders.iter_mut();
        contenders.try_for_each(|contender| act(contender).with_context(|| contender.peer.name()))
    }

    /// CPU time of one over that of the other, in the same rounds, so that what slows the whole machine slows both.
    /// Nothing if one of them is missing.
    pub(crate) fn ratio(&self, of: Peer, to: Peer) -> Result<Option<Spread>> {
        let find = |peer| self.contenders.iter().find(|contender| contender.peer == peer);
        let (Some(of), Some(to)) = (find(of), find(to)) else { return Ok(None) };
        Spread::of(of.costs.iter().zip(&to.costs).map(|(cost, reference)| cost / reference)).map(Some)
    }

    fn slowest_throughput(&self) -> Result<f64> {
        let mut slowest = f64::MAX;
        for contender in &self.contenders {
            slowest = slowest.min(Spread::of(contender.throughputs.iter().copied())?.median);
        }
        Ok(slowest)
    }
}

impl Contender {
    fn warmed_up(peer: Peer, server: Server, redirects: usize, path: &str, location: &str) -> Result<Self> {
        let processes = procfs::family(server.running.id())?;
        let memory_after_start = memory(&processes)?;
        let load = Load::open(server.address, path, location)?;
        let mut contender = Self {
            peer,
            server,
            processes,
            load,
            costs: Vec::new(),
            throughputs: Vec::new(),
            latencies: Default::default(),
            memory_after_start,
            memory_after_load: 0,
            lines: 0,
            missing_lines: 0,
        };
        contender.load.run(redirects)?;
        Ok(contender)
    }

    fn measure_cpu(&mut self, redirects: usize) -> Result<()> {
        self.clear_log()?;
        let before = self.cpu_time()?;
        let begin = Instant::now();
        let redirects = self.load.run(redirects)?;
        let seconds = begin.elapsed().as_secs_f64();
        // Lines that are written later are part of the cost.
        if let Some(log) = &self.server.log {
            self.missing_lines += log.missing_lines(redirects)?;
            self.lines += redirects;
        }
        let time = self.cpu_time()?.saturating_sub(before).as_secs_f64();
        self.clear_log()?;
        let redirects = f64::from(u32::try_from(redirects).context("too many redirects for one turn")?);
        self.costs.push(time * 1e6 / redirects);
        self.throughputs.push(redirects / seconds);
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the numbers of requests are far below 2^52"
    )]
    fn measure_latency(&mut self, rate: f64, time: Duration) -> Result<()> {
        let mut latencies = self.load.run_at_rate(rate, time)?;
        self.clear_log()?;
        latencies.sort_by(f64::total_cmp);
        for (percent, of_rounds) in PERCENTILES.iter().zip(&mut self.latencies) {
            let place = (latencies.len() as f64 * percent / 100.0).ceil() as usize;
            of_rounds.push(*latencies.get(place.saturating_sub(1)).context("nothing was measured")?);
        }
        Ok(())
    }

    fn measure_memory(&mut self) -> Result<()> {
        self.memory_after_load = memory(&self.processes)?;
        Ok(())
    }

    /// Of one redirect, in microseconds.
    pub(crate) fn cost(&self) -> Result<Spread> {
        Spread::of(self.costs.iter().copied())
    }

    /// In milliseconds, for each of `PERCENTILES`.
    pub(crate) fn latency(&self) -> Result<[Spread; PERCENTILES.len()]> {
        let [median, high, highest] = &self.latencies;
        let of = |rounds: &[f64]| Spread::of(rounds.iter().copied());
        Ok([of(median)?, of(high)?, of(highest)?])
    }

    /// To be called before lines are counted, and afterwards, so that nothing of it is written to the disk in the turn of
    /// another.
    fn clear_log(&self) -> Result<()> {
        self.server.log.as_ref().map_or(Ok(()), AccessLog::clear)
    }

    fn cpu_time(&self) -> Result<Duration> {
        self.processes.iter().map(|process| procfs::cpu_time(*process)).sum()
    }

    fn origin_requests(&self) -> Option<usize> {
        self.server.origin.as_ref().map(Origin::requests)
    }
}

fn memory(processes: &[u32]) -> Result<u64> {
    processes.iter().map(|process| procfs::resident_memory(*process)).sum()
}
