//! Programs that are measured: started, waited for, and ended whatever happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::procfs;

/// Far more than any of them needs to start, on a loaded machine too.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The environment of a nebulink that is measured: it listens on these addresses, public and management, and asks this Nebuly.
pub(crate) fn environment(
    [address, management]: [SocketAddr; 2],
    platform_url: String,
    api_base_url: String,
    key: &str,
) -> [(&'static str, String); 9] {
    [
        ("NEBULINK__SERVER__LISTEN", address.to_string()),
        ("NEBULINK__SERVER__MANAGEMENT_LISTEN", management.to_string()),
        ("NEBULINK__LOG__ACCESS", "none".to_owned()),
        ("NEBULINK__LOG__LEVEL", "warn".to_owned()),
        // One load generator is one caller, and asks for more than a caller may.
        ("NEBULINK__LIMITS__COLD_PER_SECOND", "1000000".to_owned()),
        ("NEBULINK__LIMITS__COLD_BURST", "1000000".to_owned()),
        ("NEBULINK__NEBULY__PLATFORM_URL", platform_url),
        ("NEBULY_API_BASE_URL", api_base_url),
        ("NEBULY_API_KEY", key.to_owned()),
    ]
}

/// A running program. Dropping it ends it and the processes that it has started.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    /// Starts it without input and output; what it says of errors is shown.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child })
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Connects again and again, without a pause, until somebody listens.
    pub(crate) fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until("listens", Duration::ZERO, || TcpStream::connect(address).is_ok())
    }

    /// Asks again and again until it is so, as long as the program runs and within a limit.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        pause: Duration,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<()> {
        let begin = Instant::now();
        while !is_so() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it {what}: {status}", self.name);
            }
            if begin.elapsed() > START_LIMIT {
                bail!("{} runs, but {what} not within {START_LIMIT:?}", self.name);
            }
            thread::sleep(pause);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let family = procfs::family(self.id()).unwrap_or_default();
        // These fail only for what has ended already. The program is the first, so that it starts no process again.
        drop(self.child.kill());
        drop(self.child.wait());
        for process in family.into_iter().skip(1) {
            if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
                kill_process(process, Signal::KILL).ok();
            }
        }
    }
}

/// As many different loopback addresses as asked for, with ports that were free a moment ago.
pub(crate) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port on loopback")?;
        *address = listener.local_addr()?;
        // Held until all are known, or the same port could come twice.
        listeners.push(listener);
    }
    Ok(addresses)
}
