//! The state of one connection, which its task and the registry share: its peer, phase and deadline.
//!
//! The phases are awaiting, then for each request busy (half-closed, if the peer finishes sending), flushing, flushed and
//! idle. Only the connection's own task changes the phase. The registry may only abort the connection: to make room (if it
//! is awaiting, idle or half-closed), or at the end of a drain (in any phase).

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::drain::Drain;
use super::phase::{AtomicPhaseAndDeadline, LAST_MICROS, Phase, PhaseAndDeadline};
use crate::coarse_clock;

/// The longest sleep: a timeout of years must not overflow the clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest sleep, the granularity of tokio's clock: a timeout of zero must not make a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Open connections; 0 counts as 1. The one that has been idle longest is evicted for a new one.
    pub max_connections: usize,
    /// From the accepted connection to its first complete request head.
    pub header_timeout: Duration,
    /// From the last byte of an answer to the next complete request head.
    pub idle_timeout: Duration,
    /// From a complete request head to the last byte of its answer.
    pub request_timeout: Duration,
}

/// A connection, as its task, the registry and the services of its requests share it.
#[derive(Clone)]
pub struct Connection(Arc<ConnectionState>);

struct ConnectionState {
    peer: SocketAddr,
    state: AtomicPhaseAndDeadline,
    /// See [`Connection::limit_stall`]: microseconds; 0 without a limit.
    stall_limit: AtomicU64,
    times: Times,
    drain: Drain,
    /// Set once, right after the task is spawned.
    task: OnceLock<AbortHandle>,
    /// Made when somebody asks for it. True if the peer turned out to be gone when it was answered; `None` until that is
    /// known.
    disconnect: OnceLock<watch::Sender<Option<bool>>>,
}

/// The timeouts of one listener in microseconds, and the moment that its deadlines count from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    epoch: Instant,
    /// The same moment on the coarse clock.
    coarse_epoch: Duration,
    header: u64,
    idle: u64,
    request: u64,
    /// The longest sleep between two checks of a deadline.
    ///
    /// No later phase is shorter, so a deadline that is set during that sleep cannot pass before its end.
    max_sleep: Duration,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, times: Times, drain: Drain) -> Self {
        // A socket for both families shows IPv4 peers with IPv6 addresses, which no range of IPv4 addresses would match.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let deadline = times.now().saturating_add(times.header);
        let state = AtomicPhaseAndDeadline::new(PhaseAndDeadline::new(Phase::Awaiting, deadline));
        Self(Arc::new(ConnectionState {
            peer,
            state,
            stall_limit: AtomicU64::new(0),
            times,
            drain,
            task: OnceLock::new(),
            disconnect: OnceLock::new(),
        }))
    }

    /// The address of the peer, which may be a proxy. An IPv4 peer has an IPv4 address, whatever the listener's is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// Gives the request that is being answered more time than `request_timeout`. Nothing happens between requests.
    pub fn extend_deadline(&self, by: Duration) {
        self.0.state.update(|seen| {
            seen.is_busy()
                .then(|| PhaseAndDeadline::new(seen.phase(), seen.deadline().saturating_add(micros(by))))
        });
    }

    /// Ends the connection if its peer takes no byte of the answer for so long, although there are some to send.
    pub fn limit_stall(&self, to: Duration) {
        self.0.stall_limit.store(micros(to).max(1), Ordering::Relaxed);
    }

    /// The limit of [`Self::limit_stall`], for the request that is being answered.
    pub(super) fn stall_limit(&self) -> Option<Duration> {
        let micros = self.0.stall_limit.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Tells, after the answer has been sent, if the peer was gone before: it was if it then resets the connection, and
    /// was not if it takes the answer. `None` unless the peer has finished sending.
    #[must_use]
    pub fn watch_disconnect(&self) -> Option<impl Future<Output = bool> + use<>> {
        self.half_closed()?;
        let mut disconnect = self.0.disconnect.get_or_init(|| watch::Sender::new(None)).subscribe();
        Some(async move {
            disconnect.wait_for(Option::is_some).await.is_ok_and(|disconnect| *disconnect == Some(true))
        })
    }

    /// Returns true if somebody has called [`Self::watch_disconnect`].
    pub(super) fn disconnect_is_awaited(&self) -> bool {
        self.0.disconnect.get().is_some()
    }

    /// Answers [`Self::watch_disconnect`]. Only the first report counts.
    pub(super) fn report_disconnect(&self, was_gone: bool) {
        if let Some(disconnect) = self.0.disconnect.get() {
            disconnect.send_if_modified(|reported| {
                let is_new = reported.is_none();
                reported.get_or_insert(was_gone);
                is_new
            });
        }
    }

    /// A complete head has arrived.
    pub(super) fn begin_request(&self) {
        // Some milliseconds of the time that a request may take do not matter. That of an idle connection is exact, because the
        // one that has been idle longest is evicted first.
        let deadline = self.0.times.coarse_now().saturating_add(self.0.times.request);
        self.0.state.store(PhaseAndDeadline::new(Phase::Busy, deadline));
        self.0.stall_limit.store(0, Ordering::Relaxed);
    }

    /// The body of the answer has ended. Only the flush is missing.
    pub(super) fn end_answer(&self) {
        self.0.state.update(|seen| {
            matches!(seen.phase(), Phase::Busy | Phase::HalfClosed)
                .then(|| PhaseAndDeadline::new(Phase::Flushing, seen.deadline()))
        });
    }

    /// The peer has finished sending while its request is being answered. From now on the connection may be evicted if none
    /// is idle, because the peer may be gone.
    pub(super) fn peer_half_closed(&self) {
        let seen = self.0.state.load();
        if seen.phase() == Phase::Busy {
            self.0.state.store_seq_cst(PhaseAndDeadline::new(Phase::HalfClosed, seen.deadline()));
        }
    }

    /// The socket has taken all that hyper wrote so far. Returns true if that completes an answer.
    pub(super) fn flushed(&self) -> bool {
        let seen = self.0.state.load();
        let complete = seen.phase() == Phase::Flushing;
        if complete {
            self.0.state.store(PhaseAndDeadline::new(Phase::Flushed, seen.deadline()));
        }
        complete
    }

    /// Turns idle if an answer was flushed. Returns true if it did.
    pub(super) fn become_idle_if_flushed(&self) -> bool {
        let flushed = self.0.state.load().phase() == Phase::Flushed;
        if flushed {
            let deadline = self.0.times.after(self.0.times.idle);
            self.0.state.store_seq_cst(PhaseAndDeadline::new(Phase::Idle, deadline));
        }
        flushed
    }

    /// Only a lingering close is left: it is evicted before any other connection.
    pub(super) fn begin_lingering(&self) {
        self.0.state.store_seq_cst(PhaseAndDeadline::new(Phase::Idle, 0));
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.state.load().is_busy()
    }

    pub(super) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// The time to sleep before the next check of the deadline; `None` when it has passed.
    pub(super) fn time_to_sleep(&self) -> Option<Duration> {
        let left = self.0.state.load().deadline().checked_sub(self.0.times.now())?;
        (left > 0).then(|| Duration::from_micros(left).min(self.0.times.max_sleep))
    }

    /// The time since when it has been idle, in microseconds of its server, and its current state. `None` unless it is
    /// idle.
    pub(super) fn idle_since(&self) -> Option<(u64, PhaseAndDeadline)> {
        let seen = self.0.state.load_seq_cst();
        let lasts = match seen.phase() {
            Phase::Awaiting => self.0.times.header,
            Phase::Idle => self.0.times.idle,
            Phase::Busy | Phase::HalfClosed | Phase::Flushing | Phase::Flushed | Phase::Ended => return None,
        };
        Some((seen.deadline().saturating_sub(lasts), seen))
    }

    /// Its current state, if the peer has finished sending and may be waiting for an answer.
    pub(super) fn half_closed(&self) -> Option<PhaseAndDeadline> {
        Some(self.0.state.load_seq_cst()).filter(|seen| seen.phase() == Phase::HalfClosed)
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        self.0.task.set(task).ok();
    }

    /// Aborts its task if its state is still exactly `seen`. Returns true if it did.
    pub(super) fn abort_if(&self, seen: PhaseAndDeadline) -> bool {
        let aborts = self.0.state.compare_exchange(seen, PhaseAndDeadline::new(Phase::Ended, 0));
        if aborts {
            self.abort();
        }
        aborts
    }

    /// Aborts its task, whatever its phase.
    pub(super) fn abort(&self) {
        if let Some(task) = self.0.task.get() {
            task.abort();
        }
    }

    /// Its task has ended: it cannot be evicted any more.
    pub(super) fn task_ended(&self) {
        self.0.state.store(PhaseAndDeadline::new(Phase::Ended, 0));
        self.report_disconnect(false);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.0.peer)
            .field("phase", &self.0.state.load().phase())
            .finish_non_exhaustive()
    }
}

impl Times {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            epoch: Instant::now(),
            coarse_epoch: coarse_clock::monotonic(),
            header: micros(limits.header_timeout),
            idle: micros(limits.idle_timeout),
            request: micros(limits.request_timeout),
            max_sleep: limits.idle_timeout.min(limits.request_timeout).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
        }
    }

    fn now(&self) -> u64 {
        micros(self.epoch.elapsed())
    }

    fn coarse_now(&self) -> u64 {
        micros(coarse_clock::monotonic().saturating_sub(self.coarse_epoch))
    }

    fn after(&self, micros: u64) -> u64 {
        self.now().saturating_add(micros)
    }
}

fn micros(duration: Duration) -> u64 {
    let micros =
        duration.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(duration.subsec_micros()));
    micros.min(LAST_MICROS)
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
