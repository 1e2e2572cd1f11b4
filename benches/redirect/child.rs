//! Programs that are measured: started, waited for, and ended whatever happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Far more than any of them needs to start, on a loaded machine too.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running program. Dropping it ends it.
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
        // Both fail only if it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
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
