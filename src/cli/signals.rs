//! Signals: the first asks to stop, the second insists.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Shutdown;

/// What shells add to a signal's number in an exit code.
const KILLED: i32 = 128;

/// The signals that end the program.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on: as the first process of a container, the program would otherwise not see them at all.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal. From then on, a second one ends the process at once.
    pub(super) async fn first(mut self) -> Shutdown {
        let kind = self.next().await;
        let shutdown = if kind == SignalKind::terminate() { Shutdown::AfterDelay } else { Shutdown::AtOnce };
        tokio::spawn(async move {
            let kind = self.next().await;
            std::process::exit(KILLED + kind.as_raw_value());
        });
        shutdown
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
