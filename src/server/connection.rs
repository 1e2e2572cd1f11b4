//! What all sides know of one connection: its peer, phase and deadline.
//!
//! The way of a connection is awaiting, then for each request busy (half-closed, if the peer finishes sending), answered,
//! written and idle. Its own task alone moves it along that way; the listener may only end one that awaits, is idle or is
//! half-closed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::phase::{AtomicStanding, LAST_MICROS, Phase, Standing};
use super::{Drain, Limits};

/// The longest sleep: a limit of years must not overflow the clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest sleep, the granularity of tokio's clock: a limit of nothing must not make a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The connection that a request came on, found among the request's extensions.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    peer: SocketAddr,
    standing: AtomicStanding,
    times: Times,
    drain: Drain,
    /// Of the connection's task; set by the listener as soon as it runs.
    task: OnceLock<AbortHandle>,
    /// Whether the peer turned out to be gone when it was answered, if somebody asks for it; `None` until the end.
    departure: OnceLock<watch::Sender<Option<bool>>>,
}

/// The limits of one server, and the moment that its deadlines count from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    epoch: Instant,
    header: u64,
    idle: u64,
    request: u64,
    /// How long a connection may sleep without a look at its deadline.
    ///
    /// No phase that is yet to begin is shorter, so none can end within that sleep.
    unwatched: Duration,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, times: Times, drain: Drain) -> Self {
        // A socket for both families shows IPv4 peers as IPv6 ones, which no range of IPv4 addresses would match.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let deadline = times.now().saturating_add(times.header);
        let standing = AtomicStanding::new(Standing::new(Phase::Awaiting, deadline));
        Self(Arc::new(Shared {
            peer,
            standing,
            times,
            drain,
            task: OnceLock::new(),
            departure: OnceLock::new(),
        }))
    }

    /// The other end, which may be a proxy. An IPv4 peer has an IPv4 address, whatever the listener's is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// Gives the request that is being answered more time than `request_timeout`. Nothing happens between requests.
    pub fn extend_deadline(&self, by: Duration) {
        self.0.standing.change(|seen| {
            seen.is_busy().then(|| Standing::new(seen.phase(), seen.deadline().saturating_add(micros(by))))
        });
    }

    /// If the peer has finished sending its request: tells after the answer has been sent whether the peer was gone. It was if
    /// it resets the connection then; a peer that takes the answer is not.
    #[must_use]
    pub fn departure(&self) -> Option<impl Future<Output = bool> + use<>> {
        self.half_closed()?;
        let mut departure = self.0.departure.get_or_init(|| watch::Sender::new(None)).subscribe();
        Some(async move {
            departure.wait_for(Option::is_some).await.is_ok_and(|departure| *departure == Some(true))
        })
    }

    /// Whether somebody wants to know what [`Self::departure`] tells.
    pub(super) fn departure_is_awaited(&self) -> bool {
        self.0.departure.get().is_some()
    }

    /// The peer has reset the connection.
    pub(super) fn peer_was_gone(&self) {
        self.tell_departure(true);
    }

    fn tell_departure(&self, was_gone: bool) {
        if let Some(departure) = self.0.departure.get() {
            departure.send_if_modified(|told| {
                let is_new = told.is_none();
                told.get_or_insert(was_gone);
                is_new
            });
        }
    }

    /// A complete head has arrived.
    pub(super) fn begin_request(&self) {
        self.0.standing.set(Standing::new(Phase::Busy, self.0.times.after(self.0.times.request)));
    }

    /// The body of the answer has ended: nothing is missing but the flush.
    pub(super) fn end_answer(&self) {
        self.0.standing.change(|seen| {
            matches!(seen.phase(), Phase::Busy | Phase::HalfClosed)
                .then(|| Standing::new(Phase::Answered, seen.deadline()))
        });
    }

    /// The peer has finished sending while its request is being answered. From now on it may be ended to make room, if
    /// nobody is idle: it may well be gone.
    pub(super) fn peer_finished(&self) {
        let seen = self.0.standing.get();
        if seen.phase() == Phase::Busy {
            self.0.standing.publish(Standing::new(Phase::HalfClosed, seen.deadline()));
        }
    }

    /// Everything known so far has been handed to the socket. True if that completes an answer.
    pub(super) fn flushed(&self) -> bool {
        let seen = self.0.standing.get();
        let complete = seen.phase() == Phase::Answered;
        if complete {
            self.0.standing.set(Standing::new(Phase::Written, seen.deadline()));
        }
        complete
    }

    /// Nothing more is to be done until the peer speaks. True if that has just become so.
    pub(super) fn rest(&self) -> bool {
        let written = self.0.standing.get().phase() == Phase::Written;
        if written {
            self.0.standing.publish(Standing::new(Phase::Idle, self.0.times.after(self.0.times.idle)));
        }
        written
    }

    /// It lives on only for its peer's sake: nobody is to make room before it.
    pub(super) fn linger(&self) {
        self.0.standing.publish(Standing::new(Phase::Idle, 0));
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.standing.get().is_busy()
    }

    pub(super) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// How long to sleep before the next look at the deadline; `None` when it has passed.
    pub(super) fn time_to_sleep(&self) -> Option<Duration> {
        let left = self.0.standing.get().deadline().checked_sub(self.0.times.now())?;
        (left > 0).then(|| Duration::from_micros(left).min(self.0.times.unwatched))
    }

    /// The phase as it is, and since when (in microseconds of its server) it has been idle, if it is.
    pub(super) fn idle_since(&self) -> Option<(u64, Standing)> {
        let seen = self.0.standing.get_published();
        let lasts = match seen.phase() {
            Phase::Awaiting => self.0.times.header,
            Phase::Idle => self.0.times.idle,
            Phase::Busy | Phase::HalfClosed | Phase::Answered | Phase::Written | Phase::Ended => return None,
        };
        Some((seen.deadline().saturating_sub(lasts), seen))
    }

    /// The phase as it is, if the peer has finished sending and waits for an answer.
    pub(super) fn half_closed(&self) -> Option<Standing> {
        Some(self.0.standing.get_published()).filter(|seen| seen.phase() == Phase::HalfClosed)
    }

    /// How the listener can end it.
    pub(super) fn ends_with(&self, task: AbortHandle) {
        // Set once, right after the task is spawned.
        self.0.task.set(task).ok();
    }

    /// Ends it if it is still exactly as `seen`.
    pub(super) fn end_if(&self, seen: Standing) -> bool {
        let ends = self.0.standing.replace(seen, Standing::new(Phase::Ended, 0));
        if ends {
            self.end();
        }
        ends
    }

    /// Ends it, whatever it does.
    pub(super) fn end(&self) {
        if let Some(task) = self.0.task.get() {
            task.abort();
        }
    }

    /// It is gone: nobody is to choose it to make room.
    pub(super) fn ended(&self) {
        self.0.standing.set(Standing::new(Phase::Ended, 0));
        self.tell_departure(false);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.0.peer)
            .field("phase", &self.0.standing.get().phase())
            .finish_non_exhaustive()
    }
}

impl Times {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            epoch: Instant::now(),
            header: micros(limits.header_timeout),
            idle: micros(limits.idle_timeout),
            request: micros(limits.request_timeout),
            unwatched: limits.idle_timeout.min(limits.request_timeout).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
        }
    }

    fn now(&self) -> u64 {
        micros(self.epoch.elapsed())
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
