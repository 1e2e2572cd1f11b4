//! The states of a circuit breaker and the rules between them, over given moments.
//!
//! It opens when, within the last [`WINDOW`], at least [`ENOUGH_LINKS`] links failed and they were at least half of those
//! that were asked for; and at once on a 429. After a pause it is half-open: one call, the probe, is admitted. Any answer
//! to it closes the circuit, and another failure opens it again, for longer.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::nebuly::backoff;

/// Older outcomes are ignored.
const WINDOW: Duration = Duration::from_secs(10);

/// Fewer failures may come together by chance.
const ENOUGH_LINKS: usize = 10;

/// The most links that are remembered, which bounds the memory: the newest say enough.
const MAX_LINKS: usize = 4096;

/// The first pause after failures, and the one after a 429 that names none.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause after failures: a recovery of Nebuly is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The shortest pause that a `Retry-After` can ask for: at 0 every call would be admitted while Nebuly throttles.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The state of a circuit breaker, and the outcomes that it depends on.
#[derive(Default)]
pub(super) struct Circuit {
    state: CircuitState,
    /// Grows with each transition, so that the outcome of a call from before it is recognized.
    generation: u64,
    failed_probes: u32,
    links: RecentLinks,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum CircuitState {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// The probe is in flight.
    HalfOpen,
}

/// A call that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    generation: u64,
}

/// The outcome of a call, as far as it says something of Nebuly's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) enum Evidence {
    /// An answer. Also a 404, and a 500, which the id may have caused.
    Answered,
    /// No connection, a reset, a timeout, 502, 503 or 504.
    Outage,
    /// 429, with the pause that it asks for, if it does.
    Throttled(Option<Duration>),
}

/// A change of the circuit's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// It was closed, and is open for this long.
    Opened(Duration),
    /// The probe failed; it is open again, for this long.
    Reopened(Duration),
    /// It is closed again.
    Closed,
}

/// The latest outcome of each link in the window.
#[derive(Default)]
struct RecentLinks {
    /// By link: the number of its entry, and true if it failed.
    outcomes: HashMap<u64, (u64, bool)>,
    /// By number, so the oldest first: when, and which link.
    entries: BTreeMap<u64, (Instant, u64)>,
    failed: usize,
    next_number: u64,
}

impl Circuit {
    /// Returns a ticket if a call would be admitted now, or else the rest of the pause. It changes nothing: a call that
    /// waits for its turn after this is no probe yet.
    pub(super) fn check(&self, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            CircuitState::Open { until } if now < until => Err(until.duration_since(now)),
            CircuitState::HalfOpen => Err(Duration::ZERO),
            CircuitState::Closed | CircuitState::Open { .. } => Ok(Ticket { generation: self.generation }),
        }
    }

    /// Admits a call, or returns the rest of the pause. Each call that was admitted must end with [`Self::settle`] or
    /// [`Self::abandon`].
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        self.check(now)?;
        if self.is_open() {
            self.enter(CircuitState::HalfOpen);
        }
        Ok(Ticket { generation: self.generation })
    }

    /// The rest of the pause, if a call that was admitted would now be refused.
    pub(super) fn refusal(&self, ticket: Ticket, now: Instant) -> Option<Duration> {
        if self.is_current(ticket) { None } else { self.check(now).err() }
    }

    /// Returns true if there was no transition since a call was admitted.
    pub(super) const fn is_current(&self, ticket: Ticket) -> bool {
        self.generation == ticket.generation
    }

    /// Returns true if it is open or half-open.
    pub(super) fn is_open(&self) -> bool {
        self.state != CircuitState::Closed
    }

    /// The rest of the pause; zero if it is over, or there is none.
    pub(super) fn pause_left(&self, now: Instant) -> Duration {
        self.check(now).err().unwrap_or_default()
    }

    /// Records the outcome of a call. One from before the last transition is ignored, unless it is a 429.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        link: u64,
        evidence: Evidence,
        now: Instant,
    ) -> Option<Transition> {
        match (evidence, self.state) {
            (Evidence::Throttled(pause), state) => {
                let is_probe = state == CircuitState::HalfOpen && self.is_current(ticket);
                self.failed_probes += u32::from(is_probe);
                let pause = pause.map(|pause| pause.clamp(SHORTEST_PAUSE, backoff::LONGEST_RETRY_AFTER));
                self.open(pause.unwrap_or_else(|| self.next_pause()), now)
            }
            _ if !self.is_current(ticket) => None,
            (Evidence::Answered, CircuitState::HalfOpen) => {
                self.failed_probes = 0;
                self.enter(CircuitState::Closed);
                Some(Transition::Closed)
            }
            (Evidence::Outage, CircuitState::HalfOpen) => {
                self.failed_probes += 1;
                self.open(self.next_pause(), now)
            }
            (Evidence::Answered | Evidence::Outage, CircuitState::Closed) => {
                self.links.record(link, evidence == Evidence::Outage, now);
                if self.links.mostly_failed() { self.open(self.next_pause(), now) } else { None }
            }
            (Evidence::Answered | Evidence::Outage, CircuitState::Open { .. }) => None,
        }
    }

    /// Ends a call without an outcome: its caller left, or it was never made. If it was the probe, the next call is.
    pub(super) fn abandon(&mut self, ticket: Ticket, now: Instant) {
        if self.is_current(ticket) && self.state == CircuitState::HalfOpen {
            self.enter(CircuitState::Open { until: now });
        }
    }

    /// Opens it for this long. A longer pause that has begun stays.
    fn open(&mut self, pause: Duration, now: Instant) -> Option<Transition> {
        let until = now + pause;
        let (until, transition) = match self.state {
            CircuitState::Closed => (until, Some(Transition::Opened(pause))),
            CircuitState::HalfOpen => (until, Some(Transition::Reopened(pause))),
            CircuitState::Open { until: known } => (until.max(known), None),
        };
        self.enter(CircuitState::Open { until });
        transition
    }

    fn next_pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.failed_probes.min(10)).min(LONGEST_PAUSE)
    }

    fn enter(&mut self, state: CircuitState) {
        self.state = state;
        self.generation += 1;
        self.links = RecentLinks::default();
    }
}

impl RecentLinks {
    fn record(&mut self, link: u64, failed: bool, now: Instant) {
        self.forget(link);
        while let Some((_, (at, oldest))) = self.entries.first_key_value()
            && (self.entries.len() >= MAX_LINKS || now.saturating_duration_since(*at) >= WINDOW)
        {
            self.forget(*oldest);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.outcomes.insert(link, (number, failed));
        self.entries.insert(number, (now, link));
        self.failed += usize::from(failed);
    }

    fn forget(&mut self, link: u64) {
        if let Some((number, failed)) = self.outcomes.remove(&link) {
            self.entries.remove(&number);
            self.failed -= usize::from(failed);
        }
    }

    fn mostly_failed(&self) -> bool {
        self.failed >= ENOUGH_LINKS && self.failed * 2 >= self.outcomes.len()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
