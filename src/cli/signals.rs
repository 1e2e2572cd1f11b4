//! Signals: the first begins a graceful shutdown, the second ends the process at once.
//!
//! The signal's handler ends the process, so that works even if every thread hangs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Shutdown;

/// The signals that end the program.
const SIGNALS: [i32; 3] = [SIGTERM, SIGINT, SIGHUP];

/// The exit code of a process that a signal ended is this plus the signal's number, as in shells.
const KILLED: i32 = 128;

/// Lets each signal end a command at once. Only the first process of a container needs that: it would ignore them.
pub(super) fn end_at_once() -> io::Result<()> {
    if std::process::id() == 1 {
        for signal in SIGNALS {
            flag::register_conditional_shutdown(signal, KILLED + signal, Arc::new(AtomicBool::new(true)))?;
        }
    }
    Ok(())
}

/// The signals that end the program, caught.
pub(super) struct Signals {
    is_starting: Arc<AtomicBool>,
}

impl Signals {
    /// Catches them from now on: the first process of a container would otherwise ignore them. Until [`Self::listen`]
    /// the first one ends the process at once, with 0: nothing is served yet.
    pub(super) fn catch() -> io::Result<Self> {
        let is_starting = Arc::new(AtomicBool::new(true));
        let is_stopping = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // The handler runs these one after the other: the first signal passes both checks, and the second does not.
            flag::register_conditional_shutdown(signal, 0, Arc::clone(&is_starting))?;
            flag::register_conditional_shutdown(signal, KILLED + signal, Arc::clone(&is_stopping))?;
            flag::register(signal, Arc::clone(&is_stopping))?;
        }
        Ok(Self { is_starting })
    }

    /// From now on the first signal ends the future that this returns, and only the second ends the process at once.
    pub(super) fn listen(self) -> io::Result<impl Future<Output = Shutdown>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        self.is_starting.store(false, Ordering::SeqCst);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => Shutdown::AfterDelay,
                _ = interrupt.recv() => Shutdown::AtOnce,
                _ = hangup.recv() => Shutdown::AtOnce,
            }
        })
    }
}
